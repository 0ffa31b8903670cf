# SPDX-License-Identifier: Apache-2.0
"""Backends that are killed, stopped and restarted under load: nobody in front of them notices.

    make soak T=failover

Not here: the same for seconds (test_core_50_retry.py and its neighbours).
"""
import os
import random
import signal
import sys
import time

from soak_help import NOISE, run, until

from core_help import balancer_conf, member_state, members

FOUR, RATE, CLIENTS, ANSWER_MS = 4, 400, 64, 50


def slow_down(backend):
    backend.behave("/", "answer", delay_ms=ANSWER_MS)


def farm(lab, params="", per_member="", suite=("core",)):
    backends = members(lab, FOUR)
    for backend in backends:
        slow_down(backend)
    web = lab.httpd(balancer_conf(backends, params, per_member), children=3, threads=64,
                    suite=suite)
    web.expect_log(NOISE)
    return web, backends


def killed(lab, promises, suite=("core",)):
    """One of four backends is killed at 5 s and restarted at 12 s; 400 GETs/s for 20 s."""
    web, backends = farm(lab, per_member="retry=2", suite=suite)
    load = lab.load(web, rate=RATE, seconds=20, connections=CLIENTS).start()
    start = time.monotonic()
    until(start, 5)
    backends[0].kill()
    until(start, 12)
    backends[0].restart()
    slow_down(backends[0])
    result = load.wait()
    promises.keep("GETs", result.done, result.done > 7000)
    promises.keep("failed", len(result.failed), not result.failed)
    promises.keep("back at work", backends[0].requests, backends[0].requests > 0)
    print(f"  {result.latency}")


def killed_with_checker(lab, promises):
    """The same with mod_lbx_hcheck."""
    killed(lab, promises, suite=("core", "hcheck"))


def stopped(lab, promises):
    """One of four backends is stopped (SIGSTOP) at 5 s and goes on at 12 s; timeout=2."""
    web, backends = farm(lab, per_member="timeout=2 retry=30", suite=("core", "hcheck"))
    load = lab.load(web, rate=RATE, seconds=20, connections=CLIENTS).start()
    start = time.monotonic()
    until(start, 5)
    backends[0].stop()
    until(start, 12)
    backends[0].cont()
    result = load.wait()
    # the clients' own waiting for a free connection is not the balancer's
    slow = web.log_lines("LBX0182.* timeout ")
    promises.keep("GETs", result.done, result.done > 7000)
    promises.keep("failed", len(result.failed), not result.failed)
    promises.keep("requests that waited 2 s for the stopped one", len(slow), len(slow) <= CLIENTS)
    print(f"  {result.latency}")


def rolling(lab, promises):
    """Every 2 s one of four is killed and restarted, for 30 s; GETs and POSTs."""
    web, backends = farm(lab, per_member="retry=1")
    gets = lab.load(web, rate=RATE * 3 / 4, seconds=30, connections=CLIENTS).start()
    posts = lab.load(web, "/post", rate=RATE / 4, seconds=30, connections=CLIENTS // 2,
                     body="x" * 200).start()
    start = time.monotonic()
    rng = random.Random(1)
    taken = {}
    for n in range(1, 15):
        until(start, 2 * n)
        victim = rng.choice(backends)
        for last in (None, 60):  # the second look is quick, and right before the end
            for arrival in victim.arrivals(last):
                taken.setdefault(arrival.id, set()).add((victim.name, n))
        os.kill(victim.pid, signal.SIGKILL)
        victim.close()
        victim.restart()
        slow_down(victim)
    get, post = gets.wait(), posts.wait()
    for backend in backends:
        for arrival in backend.arrivals():
            taken.setdefault(arrival.id, set()).add((backend.name, 0))
    executed = {s.id: len(taken.get(s.id, ())) for s in post.samples}
    lost = [s for s in post.failed if not executed[s.id]]
    promises.keep("GETs", get.done, get.done > 8000)
    promises.keep("failed GETs", len(get.failed), not get.failed)
    promises.keep("POSTs", post.done, post.done > 2500)
    promises.keep("POSTs executed twice", sum(n > 1 for n in executed.values()),
                  all(n <= 1 for n in executed.values()))
    print(f"  failed POSTs that a backend may have taken: {len(post.failed) - len(lost)}")
    # a few may have come between the last look and the end
    promises.keep("failed POSTs that no backend was seen to take", len(lost), len(lost) <= 3)


def idle_closes(lab, promises):
    """Backends close idle connections after 1 s and every third request; 20,000 GETs and POSTs."""
    backends = members(lab, 2)
    for n, backend in enumerate(backends):
        backend.behave("/", "answer", delay_ms=[0, 4], seed=n)
        backend.limits(keepalive_requests=3, idle_timeout_ms=1000, announce=False)
    web = lab.httpd(balancer_conf(backends), children=3, threads=64, suite=("core",))
    web.expect_log(NOISE)
    gets = lab.load(web, requests=10000, connections=16).start()
    posts = lab.load(web, "/post", requests=10000, connections=16, body="x" * 100).start()
    get, post = gets.wait(180), posts.wait(180)
    promises.keep("requests", get.done + post.done, get.done + post.done == 20000)
    promises.keep("errors that clients saw", len(get.failed) + len(post.failed),
                  not get.failed and not post.failed)
    promises.keep("members blamed", [member_state(web, b)["error_at_us"] for b in backends],
                  not any(member_state(web, b)["error_at_us"] for b in backends))
    ids = [a.id for b in backends for a in b.arrivals() if a.method == "POST"]
    promises.keep("POSTs executed twice", len(ids) - len(set(ids)), len(ids) == len(set(ids)))


if __name__ == "__main__":
    sys.exit(run(killed, killed_with_checker, stopped, rolling, idle_closes))
