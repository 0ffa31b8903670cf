# SPDX-License-Identifier: Apache-2.0
"""The lab tests itself: waiting, ports, backends, the client, load.

What it is: one short test per capability of the lab, so that a red scenario can be believed.
What it is not: a test of this project's modules; httpd comes in test_lab_01_selftest.py.
"""

import time

import pytest

from lab import eventually
from lab.ports import PortPool, is_listening


# -- waiting, ports

def test_eventually_tries_again_and_names_what_it_waited_for():
    calls = iter([0, None, 7])
    assert eventually(lambda: next(calls)) == 7
    with pytest.raises(AssertionError, match="the moon.*last value: 'half'"):
        eventually(_Half(), 0.02, "the moon")


class _Half:
    """Falsy, with a telling repr."""

    def __call__(self):
        return self

    def __bool__(self):
        return False

    def __repr__(self):
        return "'half'"


def test_ports_are_not_given_twice():
    one, two = PortPool(), PortPool()
    taken = [pool.take() for pool in (one, two) for _ in range(50)]
    assert len(set(taken)) == 100
    assert not any(map(is_listening, taken[:5]))
    assert not two._lock(taken[0])
    one.close()
    assert two._lock(taken[0])
    two.close()


# -- backends, asked directly

def test_backend_default_answer(lab):
    b = lab.backend("b1")
    c = lab.client(b)
    first, second = c.get("/x"), c.get("/y?id=abc")
    assert (first.status, first.text, first.backend) == (200, "b1\n", "b1")
    assert (first.headers["x-conn"], second.headers["X-Conn"]) == ("1", "1")
    assert second.headers["X-Seq"] == "2" and not second.new_connection
    stats = b.stats()
    assert stats["requests"] == 2 and stats["connections"] == 1 and stats["in_flight"] == 0
    assert stats["paths"]["/x"] == 1 and stats["ids"]["abc"] == 1 and stats["bytes_out"] > 100
    b.reset_stats()
    assert b.requests == 0


def test_backend_obeys_the_query(lab):
    c = lab.client(lab.backend())
    assert len(c.get("/?size=100000").body) == 100000
    assert c.get("/?delay=60").elapsed >= 0.06
    assert c.get("/?status=503").status == 503
    answer = c.get("/?setcookie=a%3D1%3B%20Path%3D/")
    assert answer.headers.all("set-cookie") == ["a=1; Path=/"] and c.jar.get("a") == "1"


def test_backend_reads_bodies(lab):
    c = lab.client(lab.backend())
    assert c.post("/", b"x" * 300000).headers["X-Body-Bytes"] == "300000"
    assert c.post("/", b"x" * 300000, chunked=True).headers["X-Body-Bytes"] == "300000"
    assert c.head("/?size=10").headers["Content-Length"] == "10"
    assert c.get("/").status == 200


def test_backend_echo_and_framing(lab):
    b = lab.backend()
    c = lab.client(b)
    b.behave("/echo", "echo")
    assert c.post("/echo", "hello").text == "hello"
    b.behave("/chunked", framing="chunked", size=5000)
    b.behave("/until-close", framing="close", size=5000)
    assert len(c.get("/chunked").body) == len(c.get("/until-close").body) == 5000
    assert c.get("/").new_connection


def test_backend_answers_as_told(lab):
    b = lab.backend()
    c = lab.client(b)
    b.behave("/a", status=418, headers={"X-More": ["1", "2"]}, body="tea", delay_ms=30)
    answer = c.get("/a/b")
    assert (answer.status, answer.text, answer.headers.all("x-more")) == (418, "tea", ["1", "2"])
    assert answer.elapsed >= 0.03 and c.get("/").status == 200
    b.normal("/a")
    assert c.get("/a").status == 200


def test_backend_behaviour_for_a_number_of_requests(lab):
    b = lab.backend()
    c = lab.client(b)
    b.behave("/", status=500)
    b.behave("/", status=503, times=2)
    assert [c.get("/").status for _ in range(4)] == [503, 503, 500, 500]


def test_backend_behaviour_by_chance_repeats_with_the_seed(lab):
    b = lab.backend()
    c = lab.client(b)
    runs = []
    for _ in range(2):
        b.normal()
        b.behave("/", status=503, p=0.3, seed=7)
        runs.append([c.get("/").status for _ in range(100)])
    assert runs[0] == runs[1] and 15 < runs[0].count(503) < 45


@pytest.mark.parametrize("kind, options, how", [
    ("reset", {}, "reset"),
    ("close", {}, "closed"),
    ("half", {"size": 1000}, "truncated"),
    ("half", {"size": 1000, "framing": "chunked"}, "truncated"),
    ("half_head", {}, "truncated"),
    ("half_head", {"end": "rst"}, "reset"),
    ("garbage", {}, "garbage"),
])
def test_backend_misbehaves(lab, kind, options, how):
    b = lab.backend()
    c = lab.client(b)
    b.behave("/bad", kind, **options)
    answer = c.get("/bad")
    assert answer.raw_close == how, answer
    assert len(answer.body) in (0, 500) or options.get("framing")
    assert c.get("/").status == 200
    assert b.stats()["in_flight"] == 0


def test_backend_hangs_and_counts_who_gave_up(lab):
    b = lab.backend()
    b.behave("/hang", "hang")
    c = lab.client(b)
    assert c.get("/hang", timeout=0.1).raw_close == "timeout"
    eventually(lambda: b.stats()["aborted"] == 1 and b.in_flight == 0)


def test_backend_trickles(lab):
    b = lab.backend()
    b.behave("/slow", "trickle", size=50, bytes=10, every_ms=20)
    answer = lab.client(b).get("/slow")
    assert len(answer.body) == 50 and answer.elapsed >= 0.08


def test_backend_answers_without_reading_the_body(lab):
    b = lab.backend()
    b.behave("/no", status=413, at="head")
    answer = lab.client(b).post("/no", b"x" * 200000)
    assert answer.status == 413 or answer.raw_close == "reset"


def test_backend_limits_connections(lab):
    b = lab.backend()
    c = lab.client(b)
    b.limits(keepalive_requests=2)
    assert [c.get("/").will_close for _ in range(4)] == [False, True, False, True]
    b.limits(keepalive_requests=1, announce=False)
    c.close()
    assert not c.get("/").will_close
    eventually(c._is_stale)
    b.limits(idle_timeout_ms=30)
    assert c.get("/").status == 200
    eventually(c._is_stale)


def test_backend_refuses_and_accepts_again(lab):
    b = lab.backend()
    c = lab.client(b)
    assert c.get("/").ok
    b.refuse()
    eventually(c._is_stale)
    assert c.get("/").raw_close == "refused"
    b.accept_again()
    assert c.get("/").ok


def test_backend_is_a_black_hole(lab):
    b = lab.backend()
    c = lab.client(b, timeout=0.15)
    b.blackhole()
    assert c.get("/").raw_close == "timeout"
    before = b.stats()["connections"]
    b.accept_again()
    assert lab.client(b).get("/").ok
    assert before == 0 and b.stats()["requests"] == 1


def test_backend_killed_restarted_stopped(lab):
    b = lab.backend()
    c = lab.client(b)
    assert c.get("/").ok
    b.kill()
    assert not b.alive and b.last_stats["requests"] == 1
    assert c.get("/").raw_close == "refused"
    b.restart()
    assert c.get("/").ok and b.requests == 1
    b.stop()
    assert c.get("/", timeout=0.1).raw_close == "timeout"
    with pytest.raises(RuntimeError, match="stopped"):
        b.stats()
    b.cont()
    assert c.get("/").ok


def test_backend_knows_what_was_in_flight(lab):
    b = lab.backend()
    with lab.load(b, "/?delay=50", requests=8, connections=4) as run:
        eventually(lambda: b.in_flight == 4)
    assert run.result.all_ok and b.max_in_flight == 4 and b.in_flight == 0
    arrivals = b.arrivals()
    assert sorted(a.in_flight_at_arrival for a in arrivals[:4]) == [0, 1, 2, 3]
    assert arrivals == sorted(arrivals, key=lambda a: a.ns) and len(b.arrivals(3)) == 3
    assert 0 < time.monotonic_ns() - arrivals[-1].ns < 5e9


def test_backend_upgrades(lab):
    b = lab.backend()
    b.behave("/ws", "upgrade")
    c = lab.client(b)
    assert c.get("/ws", headers={"Connection": "Upgrade", "Upgrade": "echo"}).status == 101
    c.send(b"ping")
    assert c.recv(4) == b"ping"


def test_wrong_use_of_a_backend_is_told(lab):
    b = lab.backend()
    with pytest.raises(ValueError, match="unknown kind"):
        b.behave("/", "explode")
    with pytest.raises(ValueError, match="does not know"):
        b.behave("/", "hang", colour="red")


# -- client

def test_client_keeps_cookies(lab):
    c = lab.client(lab.backend())
    c.get("/?setcookie=a%3D1%3B%20Path%3D/app")
    c.get("/?setcookie=b%3D2%3B%20Path%3D/")
    assert c.jar.header("/app/x") == "a=1; b=2"
    assert c.jar.header("/apple") == "b=2"
    c.get("/?setcookie=b%3D%3B%20Path%3D/%3B%20Max-Age%3D0")
    c.get("/?setcookie=a%3D%3B%20Path%3D/app"
          "%3B%20Expires%3DThu,%2001%20Jan%201970%2000:00:00%20GMT")
    assert len(c.jar) == 0


def test_client_sends_raw_bytes(lab):
    answer = lab.client(lab.backend()).raw(b"GET / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"b1\n")


# -- load

def test_load_closed_loop(lab):
    b = lab.backend("b1")
    with lab.load(b, ["/a", "/b"], requests=1500, connections=8) as run:
        run.await_count(100)
    r = run.result
    assert r.all_ok and r.done == 1500 == b.requests and r.statuses[200] == 1500, r
    assert r.backends == {"b1": 1500} and b.stats()["paths"] == {"/a": 750, "/b": 750}
    assert max(b.stats()["ids"].values()) == 1 and len(b.stats()["ids"]) == 1500
    assert 0 < r.latency["min"] <= r.latency["p50"] <= r.latency["p99"] <= r.latency["max"]
    assert r.peak == 8 and len(r.slowest(5)) == 5


def test_load_open_loop_keeps_the_clock(lab):
    b = lab.backend()
    b.behave("/", delay_ms=20)
    with lab.load(b, rate=400, seconds=0.4) as run:
        pass
    r = run.result
    assert r.done == 160 and r.all_ok and 0.38 <= r.seconds < 2, r
    assert r.peak > 1 and r.percentile(50) >= 20


def test_load_post_headers_users(lab):
    b = lab.backend()
    with lab.load(b, "/?setcookie=s%3D1%3B%20Path%3D/", requests=20, connections=2, body="abc",
                  headers={"X-N": "n{n}", "X-Turn": ["a", "b"]}, cookies=True) as run:
        pass
    assert run.result.all_ok and b.stats()["bytes_in"] == 60
    seen = b.stats()["last_headers"]
    assert seen["cookie"] == "s=1" and seen["x-turn"] in "ab" and seen["x-n"].startswith("n")
    assert sum(run.result.users[0].values()) + sum(run.result.users[1].values()) == 20


def test_load_without_keepalive(lab):
    b = lab.backend()
    with lab.load(b, requests=50, connections=4, keepalive=False) as run:
        pass
    assert run.result.all_ok and b.stats()["connections"] == 50


def test_load_tells_kinds_of_failure(lab):
    b = lab.backend()
    b.behave("/close", "close")
    b.behave("/half", "half", size=100)
    b.behave("/garbage", "garbage")
    b.behave("/hang", "hang")
    paths = ["/", "/close", "/half", "/garbage", "/hang", "/?status=503"]
    with lab.load(b, paths, requests=12, connections=3, timeout=0.1, keepalive=False) as run:
        pass
    r = run.result
    assert r.errors == {"closed": 2, "truncated": 2, "garbage": 2, "timeout": 2}, r
    assert r.statuses == {200: 2, 503: 2} and len(r.failed) == 10 and run.failed == 8
    b.refuse()
    with lab.load(b, requests=3, connections=1) as run:
        pass
    assert run.result.errors == {"connect": 3}


def test_load_sends_again_what_met_a_stale_connection(lab):
    b = lab.backend()
    b.limits(keepalive_requests=10, announce=False)
    with lab.load(b, requests=100, connections=1) as run:
        pass
    assert run.result.all_ok and b.requests == 100


def test_load_stops_early(lab):
    b = lab.backend()
    run = lab.load(b, requests=10**6, connections=2).start()
    run.await_count(50)
    r = run.stop()
    assert 50 <= r.done < 10**6 and r.all_ok and not run.running


def test_load_is_fast_enough(lab):
    """Far below what it does, for the machine may be busy."""
    b = lab.backend()
    with lab.load(b, requests=4000) as run:
        pass
    assert run.result.rate > 1500, run.result
