# SPDX-License-Identifier: Apache-2.0
"""Members that come and go through the JSON interface.

What it is: POST and DELETE, what they refuse, what a reload leaves of them.
What it is not: how core does it (the scenarios of core).
"""

from core_help import finish, hold, who
from lab import eventually
from manager_help import API, Later, balancer, call, error, get, manager, member, path_of

MEMBERS = "/balancers/mycluster/members"


def test_add_and_remove(lab):
    web, (one, two) = manager(lab, 2, "growth=4")
    three = lab.backend("b3")
    answer = call(web, "POST", MEMBERS, {"url": three.url, "loadfactor": 2, "route": "r3", "retry": 5})
    assert answer.status == 201, answer
    made = answer.json()["member"]
    assert (made["name"], made["added"], made["loadfactor"], made["route"], made["state"]) == (
        three.url, True, 2, "r3", "up")
    assert answer.headers.get("Location") == f"{API}{MEMBERS}/{made['id']}"
    assert get(web, f"{MEMBERS}/{made['id']}")["member"]["name"] == three.url
    assert set(who(web, 12)) == {"b1", "b2", "b3"}
    web.graceful()
    assert set(who(web, 12)) == {"b1", "b2", "b3"}
    answer = call(web, "DELETE", path_of(web, three) + "?dry-run=1")
    assert answer.status == 200 and answer.json()["removed"] is False
    answer = call(web, "DELETE", path_of(web, three))
    assert answer.status == 200 and answer.json() | {"now": 0} == {
        "now": 0, "name": three.url, "removed": True}
    assert set(who(web, 12)) == {"b1", "b2"}
    eventually(lambda: three.url not in [m["name"] for m in balancer(web)["members"]],
               what="it is no longer shown")


def test_what_adding_refuses(lab):
    web, (one,) = manager(lab, 1, "growth=4")
    url = "http://10.1.2.3:80"
    for data, status, field in [({"route": "x"}, 422, "url"), ({"url": ""}, 422, "url"),
                                ({"url": 7}, 422, "url"), ({"url": "http://a b"}, 422, "url"),
                                ({"url": url, "loadfactor": 1000}, 422, "loadfactor"),
                                ({"url": url, "loadfactor": 1.001}, 422, "loadfactor"),
                                ({"url": url, "colour": "red"}, 422, "colour"),
                                ({"url": url, "route": "a b"}, 422, "route"),
                                ({"url": url, "route": "a status=+D"}, 422, "route"),
                                ({"url": url, "disabled": "yes"}, 422, "disabled"),
                                ({"url": url, "route": ["x"]}, 422, "route"),
                                ({"url": one.url}, 409, None)]:
        error(call(web, "POST", MEMBERS, data), status, field)
    answer = call(web, "POST", MEMBERS + "?dry-run=1", {"url": url})
    assert answer.status == 200 and answer.json()["dry_run"] is True
    error(call(web, "POST", "/balancers/other/members", {"url": url}), 404)
    assert [m["name"] for m in balancer(web)["members"]] == [one.url]


def test_added_disabled_and_enabled(lab):
    web, (one,) = manager(lab, 1, "growth=4")
    two = lab.backend("b2")
    answer = call(web, "POST", MEMBERS, {"url": two.url, "disabled": True, "standby": False})
    assert answer.status == 201 and answer.json()["member"]["state"] == "disabled"
    assert set(who(web, 4)) == {"b1"}
    assert call(web, "PATCH", path_of(web, two), {"disabled": False}).status == 200
    assert set(who(web, 4)) == {"b1", "b2"}


def test_remove_waits_for_the_last_request(lab):
    web, (one, two) = manager(lab, 2)
    held = hold(lab, web)
    busy = one if member(web, one)["in_flight"] else two
    path = path_of(web, busy)
    waiting = Later(web, "DELETE", path + "?wait=drained&timeout=60")
    eventually(lambda: member(web, busy)["state"] == "disabled", what="it takes no more")
    assert waiting.answer is None
    finish(held)
    waiting.join(20)
    assert waiting.answer.status == 200, waiting.answer
    assert waiting.answer.json()["removed"] is waiting.answer.json()["drained"] is True
    error(call(web, "GET", path), 404)
