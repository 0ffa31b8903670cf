# SPDX-License-Identifier: Apache-2.0
"""timeout= of a balancer: a request for which nobody can be had waits until somebody can.

What it is: what ends the wait, and that many can wait at once, each for its own time.
What it is not: timeout= of a member, which is about its connection.
"""

import pytest

from core_help import balancer_conf, balancer_state, change, in_flight, member_state, members, who
from lab import eventually

NOBODY = "All workers are in error state"
REFUSED = "AH00957|AH01114|LBX0182"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK = b"HTTP/1.1 200"
UNAVAILABLE = b"HTTP/1.1 503"


def balancer(lab, params, *per_member, **options):
    backends = members(lab, len(per_member))
    return lab.httpd(balancer_conf(backends, params, per_member), **options), backends


def waiting(lab, web, n):
    """n clients whose requests wait."""
    before = balancer_state(web)["requests"]
    clients = [lab.client(web) for _ in range(n)]
    for client in clients:
        client.send(GET)
    eventually(lambda: balancer_state(web)["requests"] == before + n, what=f"{n} requests wait")
    return clients


# -- what ends the wait

def test_without_timeout_the_answer_comes_at_once(lab):
    web, (one,) = balancer(lab, "", "status=+D")
    web.expect_log(NOBODY, must=True)
    assert web.get("/").status == 503
    assert balancer_state(web)["refused"] == 1


def test_a_request_waits_for_a_member(lab):
    web, (one, _) = balancer(lab, "timeout=30", "status=+D", "status=+S")
    client, = waiting(lab, web, 1)
    assert in_flight(web) == [0, 0] and balancer_state(web)["refused"] == 0
    change(web, one, "disabled", "off")
    assert client.recv(12) == OK and one.requests == 1


@pytest.mark.parametrize("letter, field", [("S", "stopped"), ("N", "drain"), ("R", "spare")])
def test_any_change_that_makes_a_member_usable_ends_the_wait(lab, letter, field):
    web, (one,) = balancer(lab, "timeout=30", f"status=+{letter}")
    client, = waiting(lab, web, 1)
    change(web, one, "route", "r1")  # one that does not
    change(web, one, field, "off")
    assert client.recv(12) == OK


def test_a_request_waits_for_the_end_of_an_error(lab):
    web, (one,) = balancer(lab, "timeout=30 forcerecovery=Off maxattempts=0", "retry=1")
    web.expect_log(REFUSED)
    one.refuse()
    assert web.get("/").status == 503
    one.accept_again()
    assert who(web, 1) == ["b1"]
    assert member_state(web, one)["failures"] == 1 and balancer_state(web)["recoveries"] == 0


def test_a_request_that_failed_waits_for_another_member(lab):
    web, (one, two) = balancer(lab, "timeout=30", "status=+I", "status=+D")
    web.expect_log("AH00957|AH01114|LBX0182")
    one.refuse()
    client, = waiting(lab, web, 1)
    eventually(lambda: member_state(web, one)["failures"] == 1)
    change(web, two, "disabled", "off")
    assert client.recv(12) == OK and two.requests == 1


def test_a_request_that_failed_waits_for_its_own_member_too(lab):
    """As in the stock modules: a member whose error is over may be tried again."""
    web, (one,) = balancer(lab, "timeout=4 forcerecovery=Off maxattempts=1", "retry=1")
    web.expect_log(f"{REFUSED}|{NOBODY}")
    one.refuse()
    client, = waiting(lab, web, 1)
    eventually(lambda: member_state(web, one)["failures"] == 1)
    one.accept_again()
    assert client.recv(12) == OK


def test_the_wait_ends_after_timeout(lab):
    web, _ = balancer(lab, "timeout=1", "status=+D")
    web.expect_log(f"{NOBODY}.*waited [0-9]+ms", must=True)
    answer = web.get("/")
    assert answer.status == 503 and answer.elapsed >= 0.95
    assert balancer_state(web)["refused"] == 1


def test_timeout_at_run_time(lab):
    web, (one,) = balancer(lab, "", "status=+D")
    change(web, None, "timeout", 30)
    client, = waiting(lab, web, 1)
    change(web, one, "disabled", "off")
    assert client.recv(12) == OK


def test_a_pipelined_request_waits_as_well(lab):
    web, (one,) = balancer(lab, "timeout=30", "status=+D")
    client = lab.client(web)
    client.send(GET + GET)
    eventually(lambda: balancer_state(web)["requests"] == 1)
    change(web, one, "disabled", "off")
    assert client.recv(12) == OK
    eventually(lambda: one.requests == 2)


# -- many at once

def test_all_who_wait_are_served(lab):
    web, (one, two) = balancer(lab, "timeout=30", "status=+D", "status=+D")
    clients = waiting(lab, web, 5)
    web.lab_post(balancer="balancer://mycluster", member=one.url, field="disabled", value="off")
    assert [client.recv(12) for client in clients] == [OK] * 5
    assert balancer_state(web)["refused"] == 0 and one.requests == 5 and two.requests == 0


def test_each_waits_its_own_time(lab):
    """In the stock modules the first one sets the timeout of all others to 0."""
    web, _ = balancer(lab, "timeout=1", "status=+D")
    web.expect_log(NOBODY)
    with lab.load(web, rate=10, seconds=0.5, connections=5) as run:
        pass
    assert run.result.statuses == {503: 5}, run.result
    assert min(sample.us for sample in run.result.samples) >= 950000, run.result


def test_the_timeout_is_not_touched_by_those_who_wait(lab):
    web, (one,) = balancer(lab, "timeout=30", "status=+D")
    clients = waiting(lab, web, 3)
    assert balancer_state(web)["timeout_us"] == 30_000_000
    change(web, one, "disabled", "off")
    assert [client.recv(12) for client in clients] == [OK] * 3
    assert balancer_state(web)["timeout_us"] == 30_000_000


# -- going away

def test_a_client_that_goes_away_frees_its_thread(lab):
    web, _ = balancer(lab, "timeout=60", "status=+D")
    web.expect_log(NOBODY)
    clients = waiting(lab, web, 4)
    for client in clients[:3]:
        client.close()
    eventually(lambda: balancer_state(web)["refused"] == 3, what="three have stopped waiting")
    clients[3].close()
    eventually(lambda: balancer_state(web)["refused"] == 4, what="the fourth as well")


def test_clients_that_went_away_leave_room_for_others(lab):
    """With a single child of four threads: were they still taken, nobody would answer."""
    web, (one,) = balancer(lab, "timeout=60", "status=+D", children=1, threads=4)
    web.expect_log(NOBODY)
    for _ in range(3):
        for client in waiting(lab, web, 3):
            client.close()
        eventually(lambda: balancer_state(web)["refused"] % 3 == 0)
    change(web, one, "disabled", "off")
    assert who(web, 4) == ["b1"] * 4


def test_a_killed_child_leaves_the_timeout_as_it_was(lab):
    web, (one,) = balancer(lab, "timeout=30", "status=+D")
    waiting(lab, web, 4)
    for pid in web.children():
        web.kill_child(pid)
    assert balancer_state(web)["timeout_us"] == 30_000_000
    client, = waiting(lab, web, 1)
    change(web, one, "disabled", "off")
    assert client.recv(12) == OK


def test_those_who_wait_are_served_after_a_graceful_restart(lab):
    """By the member that the new configuration makes usable, from the old child."""
    backends = members(lab, 1)
    web = lab.httpd(balancer_conf(backends, "timeout=30", "status=+D"))
    client, = waiting(lab, web, 1)
    web.graceful(balancer_conf(backends, "timeout=30"), need=1)
    assert client.recv(12) == OK and backends[0].requests == 1
