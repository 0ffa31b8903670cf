# SPDX-License-Identifier: Apache-2.0
"""?wait=drained: answers come when a member's last request is over, and threads stay for others.

What it is: PATCH and GET that wait, their timeouts, how many may wait.
What it is not: what draining does to sessions (the scenarios of sticky).
"""

from core_help import finish, hold, who
from lab import eventually
from manager_help import Later, call, error, manager, member, path_of


def test_patch_returns_when_the_drain_is_done(lab):
    web, (one, two) = manager(lab, 2)
    held = hold(lab, web)
    busy = one if member(web, one)["in_flight"] else two
    path = path_of(web, busy)
    waiting = Later(web, "PATCH", path + "?wait=drained&timeout=60", {"drain": True})
    eventually(lambda: member(web, busy)["drain"], what="the change is in force at once")
    assert not member(web, busy)["safe_to_stop"] and waiting.answer is None
    assert set(who(web, 4)) == {two.name if busy is one else one.name}
    finish(held)
    waiting.join(20)
    assert waiting.answer.status == 200, waiting.answer
    assert waiting.answer.json()["drained"] is True
    assert waiting.answer.json()["member"]["safe_to_stop"] is True


def test_the_timeout_is_told(lab):
    web, (one,) = manager(lab, 1)
    held = hold(lab, web)
    path = path_of(web, one)
    answer = call(web, "PATCH", path + "?wait=drained&timeout=0", {"drain": True})
    assert answer.status == 202 and answer.json()["drained"] is False
    assert member(web, one)["drain"]
    answer = call(web, "GET", path + "?wait=drained&timeout=0")
    assert answer.status == 202 and answer.json()["drained"] is False
    waiting = Later(web, "GET", path + "?wait=drained&timeout=60")
    finish(held)
    waiting.join(20)
    assert waiting.answer.status == 200 and waiting.answer.json()["drained"] is True


def test_who_takes_requests_is_never_drained(lab):
    web, (one,) = manager(lab, 1)
    path = path_of(web, one)
    error(call(web, "GET", path + "?wait=drained"), 409)
    error(call(web, "GET", path + "?wait=soon"), 400, "wait")
    assert call(web, "PATCH", path + "?wait=drained", {"disabled": True}).status == 200
    assert call(web, "GET", path + "?wait=drained").status == 200


def test_a_quarter_of_the_threads_may_wait(lab):
    """Two children of four threads: two may wait, the third is told to come again."""
    web, (one,) = manager(lab, 1, children=2, threads=4, max_children=2)
    held = hold(lab, web)
    path = path_of(web, one)
    # a place is taken before a change is made: who sees the changes knows of the places
    waiting = [Later(web, "PATCH", path + "?wait=drained&timeout=100", data)
               for data in ({"drain": True}, {"lbset": 7})]
    eventually(lambda: (m := member(web, one))["drain"] and m["lbset"] == 7, what="both wait")
    refused = call(web, "PATCH", path + "?wait=drained&timeout=0", {"lbset": 8})
    error(refused, 503)
    assert refused.headers.get("Retry-After") and member(web, one)["lbset"] == 7
    finish(held)
    for one_of in waiting:
        one_of.join(20)
        assert one_of.answer.status == 200
    assert call(web, "GET", path + "?wait=drained&timeout=0").status == 200


def test_a_client_that_goes_leaves_its_place(lab):
    web, (one,) = manager(lab, 1, children=1, threads=4, max_children=1)
    held = hold(lab, web)
    path = path_of(web, one)
    gone = lab.client(web)
    gone.send((f"PATCH /balancer-manager/-/api/v1{path}?wait=drained&timeout=100 HTTP/1.1\r\n"
               "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
               '{"drain":true}').encode())
    eventually(lambda: member(web, one)["drain"], what="it has the only place")
    error(call(web, "GET", path + "?wait=drained&timeout=0"), 503)
    gone.close()
    eventually(lambda: call(web, "GET", path + "?wait=drained&timeout=0").status == 202,
               what="the place is free")
    finish(held)
