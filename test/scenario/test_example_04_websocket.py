# SPDX-License-Identifier: Apache-2.0
"""conf/examples/websocket.conf: WebSockets that are real on both ends."""

import contextlib

import pytest

from core_help import await_idle, change, in_flight, who
from lab import eventually
from lab.example import example
from lab.websocket import EchoServer, WebSocket


@pytest.fixture
def servers(lab):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(EchoServer(name, lab.port()))
               for name in ("live-1", "live-2", "ticker-1", "ticker-2")]


def start(lab, servers):
    return example(lab, "websocket.conf", {f"{s.name}.example.com:8080": s for s in servers},
                   loglevel="info")


@pytest.mark.parametrize("path, name", [("/live/", "live"), ("/ticker/", "ticker")])
def test_they_are_balanced_counted_and_drained(lab, servers, path, name):
    web = start(lab, servers)
    first = [WebSocket(web.port, path) for _ in range(4)]
    assert sorted(ws.server for ws in first) == [f"{name}-1"] * 2 + [f"{name}-2"] * 2
    for ws in first:
        assert ws.echo("hello") == "hello"
        assert ws.echo("x" * 5000) == "x" * 5000
        assert ws.ping()
    assert in_flight(web, name) == [2, 2]

    # those of member 1 end: the next ones go there
    for ws in [ws for ws in first if ws.server == f"{name}-1"]:
        assert ws.close() == 1000
    eventually(lambda: in_flight(web, name) == [0, 2], what="two have ended")
    second = [WebSocket(web.port, path) for _ in range(2)]
    assert [ws.server for ws in second] == [f"{name}-1"] * 2

    # draining: the open ones live, new ones go elsewhere
    drained = next(s for s in servers if s.name == f"{name}-2")
    change(web, drained, "drain", "on", name)
    third = [WebSocket(web.port, path) for _ in range(3)]
    assert [ws.server for ws in third] == [f"{name}-1"] * 3
    old = [ws for ws in first if ws.server == f"{name}-2"]
    assert [ws.echo("still here") for ws in old] == ["still here"] * 2
    assert in_flight(web, name) == [5, 2]
    for ws in old:
        ws.close()
    eventually(lambda: in_flight(web, name) == [5, 0], what="the drained member is idle")
    for ws in second + third:
        ws.close()
    await_idle(web, name)


def test_they_are_limited(lab, servers):
    web = start(lab, servers)
    web.expect_log("LBX0162: balancer://live: No worker has room")
    for s in servers[:2]:
        change(web, s, "maxconn", 1, "live")
    first, second = WebSocket(web.port, "/live/"), WebSocket(web.port, "/live/")
    with pytest.raises(ConnectionError, match=" 503 "):
        WebSocket(web.port, "/live/")
    assert {first.echo("a"), second.echo("b")} == {"a", "b"}
    first.close()
    eventually(lambda: sum(in_flight(web, "live")) == 1, what="one has ended")
    third = WebSocket(web.port, "/live/")
    assert third.server == first.server
    third.close()
    second.close()
    await_idle(web, "live")


def test_plain_requests_share_the_members(lab, servers):
    web = start(lab, servers)
    assert set(who(web, 4, "/live/")) == {"live-1", "live-2"}


def test_a_refusing_member_costs_no_upgrade(lab, servers):
    web = start(lab, servers)
    web.expect_log("LBX0182|AH00957|AH00959|AH01114")
    next(s for s in servers if s.name == "live-1").refuse()
    sockets = [WebSocket(web.port, "/live/") for _ in range(3)]
    assert [ws.server for ws in sockets] == ["live-2"] * 3
    for ws in sockets:
        ws.close()
    await_idle(web, "live")


def test_a_member_that_ends_takes_its_sockets_along(lab, servers):
    web = start(lab, servers)
    web.expect_log("LBX|AH")  # how a transport says it is its own affair
    ws = WebSocket(web.port, "/live/")
    next(s for s in servers if s.name == ws.server).close()
    ws.await_end()
    await_idle(web, "live")
