# SPDX-License-Identifier: Apache-2.0
"""maxconn=: how many requests a member has at once, over all processes.

What it is: the limit as the member sees it, under load, with children that die, at run time, for
sessions; and what is said when nobody has room.
What it is not: the order of those who wait (test_core_60_queue.py).
"""

import pytest

from core_help import (await_idle, balancer_conf, balancer_state, change, finish, hold, in_flight,
                       member_state, members, routes, who)
from lab import eventually

FULL = "LBX0162.*No worker has room: .* full"


def test_a_full_member_is_skipped(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member="maxconn=1"))
    held = hold(lab, web)
    free = backends[1] if in_flight(web) == [1, 0] else backends[0]
    assert set(who(web, 5)) == {free.name}
    finish(held)
    await_idle(web)
    assert sorted(set(who(web, 2))) == ["b1", "b2"]


def test_others_stand_in_for_the_full(lab):
    """A standby and a higher lbset serve when nobody of those before them can."""
    backends = members(lab, 3)
    web = lab.httpd(balancer_conf(backends, "timeout=30",
                                  ["maxconn=1", "maxconn=1 status=+H", "lbset=1"]))
    held = [hold(lab, web), hold(lab, web)]
    assert in_flight(web) == [1, 1, 0]
    assert who(web, 3) == ["b3"] * 3
    for client in held:
        finish(client)
    await_idle(web)
    assert who(web, 3) == ["b1"] * 3


def test_without_a_queue_the_answer_comes_at_once(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member="maxconn=1"))
    web.expect_log(FULL, must=True)
    clients = [hold(lab, web), hold(lab, web)]
    answer = web.get("/")
    assert answer.status == 503 and answer.headers["Retry-After"] == "1"
    state = balancer_state(web)
    assert state["refused"] == 1 and state["overdue"] == 1 and state["queued"] == 0
    assert member_state(web, backends[0])["failures"] == 0, "full is no failure"
    for client in clients:
        finish(client)


def test_at_run_time(lab):
    backends = members(lab, 1)
    web = lab.httpd(balancer_conf(backends))
    web.expect_log(FULL, must=True)
    clients = [hold(lab, web), hold(lab, web)]
    change(web, backends[0], "maxconn", 2)
    assert web.get("/").status == 503
    change(web, backends[0], "maxconn", 3)
    assert who(web, 1) == ["b1"]
    change(web, backends[0], "maxconn", 0)
    clients += [hold(lab, web) for _ in range(3)]
    assert in_flight(web) == [5]
    for client in clients:
        finish(client)


@pytest.mark.parametrize("method", ["byrequests", "bytraffic", "bybusyness"])
def test_never_one_too_many(lab, method):
    """Closed-loop clients at three children: all are busy at once, and all are answered."""
    backends = members(lab, 2)
    for backend in backends:
        backend.behave("/", "answer", delay_ms=3)
    web = lab.httpd(balancer_conf(backends, f"lbmethod={method} timeout=30", "maxconn=3"),
                    children=3, threads=16)
    with lab.load(web, requests=600, connections=32) as run:
        pass
    assert run.result.all_ok, run.result
    assert [b.max_in_flight for b in backends] == [3, 3]
    state = balancer_state(web)
    assert state["queued"] > 0 and state["overdue"] == 0 and state["waiting"] == 0
    await_idle(web)


def test_a_killed_child_takes_its_requests_with_it(lab):
    """Its places are free again, and not before the kernel has closed its connections."""
    backends = members(lab, 1)
    backends[0].behave("/", "answer", delay_ms=5)
    web = lab.httpd(balancer_conf(backends, "timeout=30", "maxconn=4"), children=3, threads=16)
    web.expect_log("AH00484|AH10159")  # 32 clients at the threads of two children
    with lab.load(web, requests=800, connections=32, retry_stale=False) as run:
        run.await_count(200)
        web.kill_child()
    broken = [s for s in run.result.failed if s.error]
    assert len(run.result.failed) == len(broken), run.result
    # each client once by the kill, and once more by the parent, which trims its children
    assert len(broken) <= 64, run.result
    assert backends[0].stats()["max_open"] == 4
    await_idle(web)
    state = balancer_state(web)
    assert state["waiting"] == 0 and in_flight(web) == [0]


# -- sessions

def test_a_session_waits_for_its_own_member(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, "stickysession=S timeout=30",
                                  routes(backends, "maxconn=1")), suite=("core", "sticky"))
    held = hold(lab, web, headers={"Cookie": "S=x.r1"})
    client = lab.client(web)
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: S=y.r1\r\n\r\n")
    eventually(lambda: balancer_state(web)["waiting"] == 1, what="the session waits")
    assert set(who(web, 3)) == {"b2"}, "others do not wait for it"
    assert finish(held) == "b1"
    assert b"X-Backend: b1" in client.recv(65536)


def test_a_session_moves_when_nobody_waits(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, "stickysession=S", routes(backends, "maxconn=1")), suite=("core", "sticky"))
    held = hold(lab, web, headers={"Cookie": "S=x.r1"})
    assert who(web, 1, headers={"Cookie": "S=y.r1"}) == ["b2"]
    finish(held)


def test_with_nofailover_a_session_is_refused_instead(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, "stickysession=S nofailover=On",
                                  routes(backends, "maxconn=1")), suite=("core", "sticky"))
    web.expect_log("LBX0162.*No worker has room", must=True)
    held = hold(lab, web, headers={"Cookie": "S=x.r1"})
    assert web.get("/", headers={"Cookie": "S=y.r1"}).status == 503
    finish(held)


# -- bad values

@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "3x", "1000001"])
def test_a_bad_value_is_refused(lab, value):
    backends = members(lab, 1)
    web = lab.httpd(balancer_conf(backends, per_member=f'"maxconn={value}"'), start=False)
    code, said = web.configtest()
    assert code != 0 and f"maxconn={value}: must be a whole number from 0" in said
