# SPDX-License-Identifier: Apache-2.0
"""Members that close idle connections: nobody notices, nobody is blamed, nothing is done twice.

What it is: load over kept-alive client connections against members that end their connections
after a few requests or a short idle time, announced or not.
What it is not: members that fail for other reasons (test_core_50).
"""

import collections
import fcntl
import socket
import struct
import termios

import pytest

from core_help import balancer_conf, balancer_state, members, routes, who
from hcheck_help import Listener
from lab import eventually

# what mod_proxy_http itself says about a connection that was closed under its hands
CLOSED = "AH01102: error reading status line|AH00898|AH01084|AH01097"
LOG = ('LogFormat "%>s|%{LBX_ATTEMPTS}e|%{LBX_TRIES}e" tries\n'
       'CustomLog "${LAB_DIR}/logs/tries.log" tries env=!lab_internal\n')


def outcomes(web):
    """How often each outcome is in LBX_TRIES, over all requests."""
    found = collections.Counter()
    for line in (web.dir / "logs" / "tries.log").read_text().splitlines():
        for one in line.split("|")[2].split(","):
            found[one.rsplit(":", 2)[1]] += 1
    return found


def reasons(web):
    """What the log says about the attempts after which nothing more was tried."""
    return collections.Counter(line.split(" ended after ")[1].split(": ", 1)[1]
                               for line in web.log_lines("LBX0182.*not retried"))


def nobody_blamed(web):
    state = balancer_state(web)
    assert [m["error_at_us"] for m in state["members"]] == [0] * len(state["members"])
    assert [m["failures"] for m in state["members"]] == [0] * len(state["members"])
    assert [m["in_flight"] for m in state["members"]] == [0] * len(state["members"])
    assert state["refused"] == 0


def ids_of(backends):
    total = collections.Counter()
    for b in backends:
        total.update(b.stats()["ids"])
    return total


def loads(lab, web, **options):
    """GETs and POSTs at the same time; their results."""
    get = lab.load(web, "/", timeout=10, retry_stale=False, **options)
    post = lab.load(web, "/", body="x" * 600, timeout=10, retry_stale=False, **options)
    with get, post:
        pass
    return get.result, post.result


def check(web, backends, get, post):
    tried = outcomes(web)
    assert get.all_ok and post.all_ok, f"{tried} {reasons(web)} {get} {post}"
    nobody_blamed(web)
    ids = ids_of(backends)
    twice = {i for s in post.samples for i in [s.id] if ids[i] != 1}
    assert not twice, (len(twice), sorted(twice)[:5], tried)
    assert all(ids[s.id] >= 1 for s in get.samples)
    assert set(tried) <= {"200", "stale"}, tried  # nothing else went wrong
    return tried


@pytest.mark.parametrize("announce", [True, False], ids=["announced", "silent"])
def test_three_requests_a_connection(lab, announce):
    backends = members(lab, 4)
    for b in backends:
        b.limits(keepalive_requests=3, announce=announce)
    web = lab.httpd(LOG + balancer_conf(backends))
    web.expect_log(CLOSED)
    get, post = loads(lab, web, requests=2000, connections=8)
    check(web, backends, get, post)
    for b in backends:  # the limit was really met
        stats = b.stats()
        assert stats["connections"] >= stats["requests"] // 3


@pytest.mark.parametrize("idle_ms", [3, 5])
def test_an_idle_timeout_about_as_long_as_the_pause(lab, idle_ms):
    """A request every 2.5 ms spreads over as many connections as are in use at a time."""
    backends = members(lab, 2)
    for b in backends:
        b.limits(idle_timeout_ms=idle_ms)
    web = lab.httpd(LOG + balancer_conf(backends))
    web.expect_log(CLOSED)
    get, post = loads(lab, web, rate=200, seconds=4, connections=16)
    tried = check(web, backends, get, post)
    opened = sum(b.stats()["connections"] for b in backends)
    assert opened > 3, (opened, tried)  # connections did end


def test_both_limits_with_slow_answers_and_many_users(lab):
    backends = members(lab, 3)
    for b in backends:
        b.behave("/", delay_ms=[0, 20])
        b.limits(keepalive_requests=3, idle_timeout_ms=15, announce=False)
    # more threads than users: httpd then has no reason to close an idle client's connection
    web = lab.httpd(LOG + balancer_conf(backends), threads=64)
    web.expect_log(CLOSED)
    get, post = loads(lab, web, seconds=3, connections=24)
    assert get.done > 500 and post.done > 500, (get, post)
    check(web, backends, get, post)


def test_a_close_in_the_middle_of_a_burst(lab):
    """A member drops all its idle connections again and again while requests come in."""
    backends = one, _ = members(lab, 2)
    web = lab.httpd(LOG + "LBXRetryBudget balancer://mycluster Off\n" + balancer_conf(backends))
    web.expect_log(CLOSED + "|LBX0182.*: reset .*; trying another member")
    with lab.load(web, seconds=3, connections=4, timeout=10, retry_stale=False) as get:
        while get.running:
            if one.in_flight == 0:
                one.drop_connections()
    result = get.result
    assert result.all_ok, f"{outcomes(web)} {reasons(web)} {result}"
    assert one.stats()["connections"] > 20
    assert balancer_state(web)["refused"] == 0
    nobody_blamed(web)


def test_a_stale_connection_is_tried_again_at_the_same_member(lab):
    """The member closes as the request arrives, once: the session stays where it is."""
    backends = one, two = members(lab, 2)
    web = lab.httpd(LOG + balancer_conf(backends, "stickysession=S", routes(backends)),
                    children=1, suite=("core", "sticky"))
    web.expect_log(CLOSED)
    client = lab.client(web)
    of_one = {"Cookie": "S=abc.r1"}
    assert who(client, 2, headers=of_one) == ["b1", "b1"]
    for _ in range(5):
        one.behave("/x", "close", times=1)
        assert who(client, 2, "/x", headers=of_one) == ["b1", "b1"]
    eventually(lambda: outcomes(web) == {"200": 12, "stale": 5}, what="LBX_TRIES tells of 5 stale")
    assert two.requests == 0
    assert len(web.log_lines(r"lbx_core:info.*LBX0182: .*: stale .*; trying again")) == 5
    nobody_blamed(web)


@pytest.mark.parametrize("left, sees", [(1, ["stale", "200"]), (2, ["stale", "reset"])])
def test_only_a_reused_connection_is_stale(lab, left, sees):
    """The attempt that follows has a connection of its own, and no excuse."""
    backends = one, two = members(lab, 2)
    web = lab.httpd(LOG + balancer_conf(backends, "", ["", "lbset=1"]), children=1)
    web.expect_log(CLOSED + "|LBX0182")
    client = lab.client(web)
    who(client, 1)
    one.behave("/x", "close", times=left)
    assert who(client, 1, "/x") == ["b1" if left == 1 else "b2"]
    want = collections.Counter(["200", *sees] + ["200"] * (left - 1))
    eventually(lambda: outcomes(web) == want, what=f"LBX_TRIES tells of {want}")
    nobody_blamed(web)


def test_many_stale_connections_at_once(lab):
    """A member closes 20 connections as requests arrive over them; another one is well."""
    backends = one, _ = members(lab, 2)
    for b in backends:
        b.behave("/slow", delay_ms=100)
    web = lab.httpd(LOG + "LBXRetryBudget balancer://mycluster Off\n" + balancer_conf(backends),
                    children=1, threads=64)
    web.expect_log(CLOSED + "|LBX0182")
    with lab.load(web, "/slow", requests=120, connections=30):
        pass
    assert one.stats()["open"] >= 10
    one.behave("/x", "close", at="head", delay_ms=50, times=20)
    with lab.load(web, "/x", requests=200, connections=30, timeout=10, retry_stale=False) as run:
        pass
    assert run.result.all_ok, f"{outcomes(web)} {reasons(web)} {run.result}"
    assert outcomes(web)["stale"] >= 5
    nobody_blamed(web)


def test_a_post_over_a_connection_that_is_just_being_closed(lab):
    """The member closes right after its answer, the next POST comes about then: whether it was
    taken must never be guessed wrong."""
    backends = members(lab, 2)
    for b in backends:
        b.limits(keepalive_requests=1, announce=False)
    web = lab.httpd(LOG + balancer_conf(backends))
    web.expect_log(CLOSED)
    with lab.load(web, body="x", seconds=3, connections=2, timeout=10, retry_stale=False) as run:
        pass
    ids = ids_of(backends)
    assert run.result.done > 500
    assert all(n == 1 for n in ids.values()), outcomes(web)
    assert run.result.all_ok, f"{outcomes(web)} {reasons(web)} {run.result}"
    nobody_blamed(web)


def read_head(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        data += (piece := conn.recv(4096))
        if not piece:
            raise OSError("closed")
    return data


def waiting(conn, what):
    """Bytes that have not been read yet (FIONREAD), or not been acknowledged (TIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(conn, what, b"    "))[0]


@pytest.mark.parametrize("part", ["of the request", "of the answer"])
def test_a_post_that_was_read_in_part_is_not_sent_again(lab, part):
    """The reused connection is reset, as for an unread request; but the member has begun."""
    begun, body = [], b"x" * (30000 if part == "of the request" else 5)

    def serve(conn):
        read_head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Backend: one\r\n\r\nok")
        data = read_head(conn)
        begun.append(data[:8])
        if part == "of the request":
            more = data.index(b"\r\n\r\n") + 4 + len(body) - len(data)
            eventually(lambda: waiting(conn, termios.FIONREAD) == more, what="the body has come")
            return  # closed with something unread: a reset
        conn.sendall(b"HTTP/1.1 20")
        eventually(lambda: waiting(conn, termios.TIOCOUTQ) == 0, what="it has come")
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with Listener(lab, serve, "http") as one:
        two = lab.backend("b2")
        web = lab.httpd(LOG + balancer_conf([one, two], "", ["", "lbset=1"]), children=1)
        web.expect_log(CLOSED + "|LBX0182|AH01084")
        client = lab.client(web)
        assert client.get("/warm").backend == "one"
        answer = client.request("POST", "/x", body)
        assert answer.status == 502, answer
    assert begun == [b"POST /x "] and two.requests == 0, outcomes(web)
