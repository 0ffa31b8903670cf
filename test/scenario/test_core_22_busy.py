# SPDX-License-Identifier: Apache-2.0
"""Requests in flight: what the suite counts while members work, and that it ends at zero.

What it is: answers, clients that go away, members that fail, failover; over several methods, for
they reserve a member in different ways.
What it is not: what a method makes of the counts, nor children that die with requests.
"""

import socket

import pytest

from core_help import (await_idle, balancer_conf, balancer_state, in_flight, member_state,
                       members, who)
from lab import eventually

METHODS = ("byrequests", "bybusyness", "bytraffic", "lab_last", "lab_first")
REFUSED = "AH00957|AH01114|LBX0182"
BROKEN = "AH01102|AH00898|AH01097|AH10154"
GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK = b"HTTP/1.1 200"


def send(lab, web, n, path=b"/"):
    """n clients that have sent a request and read nothing."""
    clients = [lab.client(web) for _ in range(n)]
    for client in clients:
        client.send(GET % path)
    return clients


def await_held(web, expected):
    eventually(lambda: in_flight(web) == expected, what=f"in flight: {expected}")


def await_sum(web, n):
    eventually(lambda: sum(in_flight(web)) == n, what=f"{n} in flight")


# -- normal answers

@pytest.mark.parametrize("method", METHODS)
def test_an_idle_balancer_has_none_in_flight(lab, method):
    web = lab.httpd(balancer_conf(members(lab, 2), f"lbmethod={method}"))
    client = lab.client(web)
    for _ in range(5):
        assert client.get("/").ok
        await_idle(web)


@pytest.mark.parametrize("method", METHODS)
def test_counts_rise_and_fall_with_the_requests(lab, method):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, f"lbmethod={method}"))
    for backend in backends:
        backend.stop()
    clients = send(lab, web, 4)
    await_held(web, {"lab_last": [0, 4], "lab_first": [4, 0]}.get(method, [2, 2]))
    clients += send(lab, web, 2)
    await_sum(web, 6)
    for backend in backends:
        backend.cont()
    assert [client.recv(12) for client in clients] == [OK] * 6
    await_idle(web)


def test_a_member_alone_counts_its_own(lab):
    one, two = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends))
    one.stop()
    held = send(lab, web, 1)
    await_held(web, [1, 0])
    assert who(web, 1) == ["b2"]
    await_held(web, [1, 0])
    one.cont()
    assert held[0].recv(12) == OK
    await_idle(web)


def test_many_requests_leave_nothing(lab):
    backends = members(lab, 3)
    web = lab.httpd(balancer_conf(backends, "lbmethod=bybusyness"))
    with lab.load(web, requests=300, connections=16) as run:
        pass
    assert run.result.all_ok, run.result
    await_idle(web)
    assert balancer_state(web)["requests"] == 300


def test_an_answer_the_client_does_not_read_is_not_in_flight(lab):
    """The member is done with it; the stock modules count until the client is done too."""
    backends = members(lab, 1)
    web = lab.httpd(balancer_conf(backends))
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", web.port))
        slow.sendall(GET % b"/?size=60000")
        eventually(lambda: member_state(web, backends[0])["received"] >= 60000)
        await_idle(web)


# -- clients that go away

@pytest.mark.parametrize("method", METHODS)
def test_counts_fall_when_clients_have_gone(lab, method):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, f"lbmethod={method}"))
    for backend in backends:
        backend.stop()
    clients = send(lab, web, 4)
    await_sum(web, 4)
    for client in clients:
        client.close()
    for backend in backends:
        backend.cont()
    await_idle(web)


def test_counts_fall_when_clients_go_in_the_middle_of_an_answer(lab):
    backends = members(lab, 2)
    for backend in backends:
        backend.behave("/", "trickle", size=1000000, bytes=10000, every_ms=10)
    web = lab.httpd(balancer_conf(backends))
    clients = send(lab, web, 4)
    assert [client.recv(12) for client in clients] == [OK] * 4
    await_held(web, [2, 2])
    for client in clients:
        client.close()
    await_idle(web)


def test_counts_fall_when_a_client_stops_in_the_middle_of_its_body(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends))
    web.expect_log("AH0109[567]|AH01099|AH02608|AH01087|AH10154|AH01102")
    client = lab.client(web)
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n"
                + b"x" * 100000)
    await_sum(web, 1)
    client.close()
    await_idle(web)


# -- members that fail

@pytest.mark.parametrize("method", METHODS)
def test_counts_fall_when_members_break_off(lab, method):
    backends = members(lab, 2)
    for backend in backends:
        backend.behave("/", "hang")
    conf = balancer_conf(backends, f"lbmethod={method}")
    web = lab.httpd(conf + "LBXRetryOn balancer://mycluster none\n")
    web.expect_log(BROKEN + "|LBX0182")
    clients = send(lab, web, 4)
    await_sum(web, 4)
    for backend in backends:
        eventually(lambda: backend.in_flight == member_state(web, backend)["in_flight"])
        backend.drop_connections()
    assert [client.recv(12) for client in clients] == [b"HTTP/1.1 502"] * 4
    await_idle(web)


@pytest.mark.parametrize("kind", ["reset", "close", "half", "half_head", "garbage"])
def test_counts_fall_after_bad_answers(lab, kind):
    backends = members(lab, 2)
    for backend in backends:
        backend.behave("/", kind)
    web = lab.httpd(balancer_conf(backends))
    web.expect_log("AH0|AH1|LBX0182")
    for _ in range(4):
        web.get("/")
    await_idle(web)


@pytest.mark.parametrize("method", METHODS)
def test_counts_fall_when_nobody_can_be_reached(lab, method):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, f"lbmethod={method}"))
    web.expect_log(REFUSED + "|All workers are in error state")
    for backend in backends:
        backend.refuse()
    assert [web.get("/").status for _ in range(3)] == [503] * 3
    await_idle(web)


def test_counts_fall_when_a_status_condemns_the_member(lab):
    backends = members(lab, 2)
    backends[0].behave("/", status=503)
    web = lab.httpd(balancer_conf(backends, "failonstatus=503"))
    web.expect_log("Forcing worker", must=True)
    assert [web.get("/").status for _ in range(3)] == [503, 200, 200]
    await_idle(web)


# -- failover

@pytest.mark.parametrize("method", METHODS)
def test_a_failed_attempt_gives_its_count_back_at_once(lab, method):
    """While the second member still works for the request."""
    dead, alive = backends = members(lab, 2)
    if method == "lab_last":
        dead, alive = alive, dead
    web = lab.httpd(balancer_conf(backends, f"lbmethod={method}"))
    web.expect_log(REFUSED)
    dead.refuse()
    alive.stop()
    clients = send(lab, web, 1)
    await_held(web, [0, 1] if alive is backends[1] else [1, 0])
    assert balancer_state(web)["failovers"] == 1 and member_state(web, dead)["failures"] == 1
    alive.cont()
    assert clients[0].recv(12) == OK
    await_idle(web)


@pytest.mark.parametrize("method", ["byrequests", "bybusyness", "bytraffic"])
def test_failovers_at_the_same_time_count_where_they_are(lab, method):
    one, two, three = backends = members(lab, 3)
    web = lab.httpd(balancer_conf(backends, f"lbmethod={method}", ["status=+I", "", "status=+I"]))
    web.expect_log("AH00957|AH01114|LBX0182")
    one.refuse()
    three.refuse()
    two.stop()
    clients = send(lab, web, 8)
    await_held(web, [0, 8, 0])
    two.cont()
    assert [client.recv(12) for client in clients] == [OK] * 8
    await_idle(web)


def test_the_same_member_twice_is_one_request_in_flight(lab):
    """The stock modules count each attempt until the request ends."""
    one = members(lab, 1)[0]
    web = lab.httpd(balancer_conf([one], "maxattempts=5"))
    web.expect_log(REFUSED)
    one.refuse()
    assert web.get("/").status == 503
    assert member_state(web, one)["failures"] == 6 and in_flight(web) == [0]
