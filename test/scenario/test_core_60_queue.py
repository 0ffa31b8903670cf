# SPDX-License-Identifier: Apache-2.0
"""LBXQueue: requests that wait for room at a member, over all processes.

What it is: the order in which they are served, how many may wait and how long, and what a child
that dies or a client that goes away changes.
What it is not: waiting for a member that is down (test_core_23_timeout.py), the limit itself
(test_core_57_maxconn.py).
"""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from core_help import (await_idle, balancer_conf, balancer_state, change, finish, hold, members,
                       who)
from lab import eventually

ROOM = "LBX0162.*No worker has room"


def balancer(lab, queue="", params="", n=1, **options):
    backends = members(lab, n)
    conf = balancer_conf(backends, params, "maxconn=1")
    return lab.httpd(f"{conf}\n{queue}\n", **options), backends


def waiting(web):
    return balancer_state(web)["waiting"]


def queue_up(lab, web, ids):
    """One client after the other whose request waits; in this order."""
    clients = []
    for ident in ids:
        before = waiting(web)
        client = lab.client(web)
        client.send(f"GET /?id={ident} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        eventually(lambda: waiting(web) == before + 1, what=f"{ident} waits")
        clients.append(client)
    return clients


def served(backend):
    return [arrival.id for arrival in backend.arrivals() if arrival.id]


def read(client):
    return client.recv(len(b"HTTP/1.1 200 OK"))


def test_first_come_first_served(lab):
    """Over three children: the order is that of arrival, whichever child they came to."""
    web, (one,) = balancer(lab, "LBXQueue balancer://mycluster timeout=30s", children=3)
    held = hold(lab, web)
    ids = [f"n{i}" for i in range(12)]
    clients = queue_up(lab, web, ids)
    finish(held)
    assert [read(c) for c in clients] == [b"HTTP/1.1 200 OK"] * len(ids)
    assert served(one) == ids
    state = balancer_state(web)
    assert state["queued"] == len(ids) and state["overdue"] == 0 and state["waiting"] == 0


def test_newcomers_do_not_push_in(lab):
    web, (one,) = balancer(lab, "LBXQueue balancer://mycluster timeout=30s", children=2)
    held = hold(lab, web)
    ids = [f"n{i}" for i in range(6)]
    clients = queue_up(lab, web, ids)
    one.behave("/", "answer", delay_ms=20)
    finish(held)
    late = lab.client(web)  # comes while the first of the others is served
    late.send(b"GET /?id=late HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert [read(c) for c in [*clients, late]] == [b"HTTP/1.1 200 OK"] * 7
    assert served(one) == [*ids, "late"]


def test_a_full_queue_refuses_at_once(lab):
    web, (one,) = balancer(lab, "LBXQueue balancer://mycluster max=2 timeout=30s")
    web.expect_log(f"{ROOM}.*2 wait already", must=True)
    held = hold(lab, web)
    clients = queue_up(lab, web, ["a", "b"])
    answer = web.get("/?id=c")
    assert answer.status == 503 and answer.headers["Retry-After"] == "30"
    finish(held)
    assert [read(c) for c in clients] == [b"HTTP/1.1 200 OK"] * 2 and served(one) == ["a", "b"]
    assert balancer_state(web)["overdue"] == 1


def test_without_max_a_queue_has_256_places(lab):
    web, _ = balancer(lab, "LBXQueue balancer://mycluster timeout=30s", children=1, threads=300)
    web.expect_log(f"{ROOM}.*256 wait already", must=True)
    held = hold(lab, web)
    clients = [lab.client(web) for _ in range(256)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    eventually(lambda: waiting(web) == 256, what="all of them wait")
    assert web.get("/").status == 503
    finish(held)
    assert [read(c) for c in clients] == [b"HTTP/1.1 200 OK"] * 256


def test_the_wait_has_an_end(lab):
    web, (one,) = balancer(lab, "LBXQueue balancer://mycluster timeout=300ms")
    web.expect_log(f"{ROOM}.*waited [0-9]+ms", must=True)
    held = hold(lab, web)
    answer = web.get("/")
    assert answer.status == 503 and answer.headers["Retry-After"] == "1"
    assert answer.elapsed >= 0.29
    finish(held)
    assert who(web, 1) == ["b1"]
    await_idle(web)


def test_the_time_waited_is_told(lab):
    web, (one,) = balancer(lab, 'LBXQueue balancer://mycluster timeout=30s\n'
                           'Header always set X-Waited "expr=%{reqenv:LBX_QUEUE_MS}"')
    held = hold(lab, web)
    client, = queue_up(lab, web, ["a"])
    eventually(lambda: waiting(web) == 1)
    finish(held)
    assert b"X-Waited: " in client.recv(100)


def test_a_client_that_goes_leaves_its_place(lab):
    web, (one,) = balancer(lab, "LBXQueue balancer://mycluster timeout=30s")
    web.expect_log(ROOM)
    held = hold(lab, web)
    first, second, third = queue_up(lab, web, ["a", "b", "c"])
    first.close()
    eventually(lambda: waiting(web) == 2, what="its place is free")
    finish(held)
    assert read(second) == read(third) == b"HTTP/1.1 200 OK" and served(one) == ["b", "c"]


def test_a_killed_child_costs_nobody_elses_place(lab):
    web, (one,) = balancer(lab, "LBXQueue balancer://mycluster timeout=30s", children=3)
    held = hold(lab, web)
    ids = [f"n{i}" for i in range(9)]
    clients = dict(zip(ids, queue_up(lab, web, ids)))
    web.kill_child()
    held.send(b"y")  # unless it was in that child: then there is room already
    eventually(lambda: waiting(web) == 0, what="all who are left are served")
    answers = {ident: read(client) for ident, client in clients.items()}
    order = served(one)
    assert order == [i for i in ids if answers[i] == b"HTTP/1.1 200 OK"]
    # which child that was, and whether any of these waited in it, is chance
    assert all(answers[i] == b"" for i in ids if i not in order)


def child_of(web, client):
    """The process that has the other end of the client's connection."""
    ends = (f":{web.port:04X}", f":{client.local_port:04X}")
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    inode = next(found[9] for found in lines if found[1][-5:] == ends[0] and found[2][-5:] == ends[1])

    def has(fd):
        with contextlib.suppress(FileNotFoundError):
            return os.readlink(fd) == f"socket:[{inode}]"

    return next(pid for pid in web.children() if any(map(has, Path(f"/proc/{pid}/fd").iterdir())))


def test_a_dead_head_of_the_queue_holds_up_nobody(lab):
    """The parent is asleep and does not clear what the killed child has left."""
    web, _ = balancer(lab, "LBXQueue balancer://mycluster max=100 timeout=30s", children=2)
    held = hold(lab, web)
    alive = child_of(web, held)
    clients, order = [], []
    while not any(who != alive for who in order) or order[-1] != alive:
        clients += queue_up(lab, web, [f"n{len(clients)}"])
        order.append(child_of(web, clients[-1]))
    os.kill(web.pid, signal.SIGSTOP)
    try:
        web.kill_child(next(pid for pid in order if pid != alive))
        finish(held)
        last = clients[-1].recv(12, timeout=5)
    finally:
        os.kill(web.pid, signal.SIGCONT)
    assert last == b"HTTP/1.1 200"
    web.await_children(2)


def test_a_change_makes_room(lab):
    web, (one,) = balancer(lab, "LBXQueue balancer://mycluster timeout=30s")
    held = hold(lab, web)
    a, b = queue_up(lab, web, ["a", "b"])
    change(web, one, "maxconn", 2)
    assert read(a) == read(b) == b"HTTP/1.1 200 OK"
    finish(held)


def test_the_balancers_timeout_is_a_queue_without_end(lab):
    web, (one,) = balancer(lab, "", "timeout=30")
    held = hold(lab, web)
    clients = queue_up(lab, web, [f"n{i}" for i in range(5)])
    finish(held)
    assert [read(c) for c in clients] == [b"HTTP/1.1 200 OK"] * 5


def test_lbxqueue_wins_over_timeout(lab):
    web, _ = balancer(lab, "LBXQueue balancer://mycluster Off", "timeout=30")
    web.expect_log(ROOM)
    held = hold(lab, web)
    assert web.get("/").status == 503
    finish(held)


@pytest.mark.parametrize("value", ["", "many", "max=0", "max=x", "timeout=0", "timeout=soon",
                                   "timeout=3h", "max=1 max=2", "max=1 more", "Off max=3"])
def test_a_bad_value_is_refused(lab, value):
    web = lab.httpd(balancer_conf(members(lab, 1)) + f"LBXQueue balancer://mycluster {value}\n",
                    start=False)
    code, said = web.configtest()
    assert code != 0 and f"LBXQueue {value}".rstrip() in said and "must be max=N" in said
