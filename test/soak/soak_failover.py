# SPDX-License-Identifier: Apache-2.0
"""Backends that are killed, stopped and restarted under load: nobody in front of them notices.

    make soak T=failover

Not here: the same for seconds (test_core_50_retry.py and its neighbours).
"""
import collections
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
    web.expect_log(NOISE + "|LBX0184")
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


def stopped(lab, promises, retry="retry=30", params="", suite=("core", "hcheck")):
    """One of four backends is stopped (SIGSTOP) at 5 s and goes on at 12 s; timeout=2."""
    web, backends = farm(lab, params, f"timeout=2 {retry}", suite)
    load = lab.load(web, rate=RATE, seconds=20, connections=CLIENTS).start()
    start = time.monotonic()
    until(start, 5)
    backends[0].stop()
    until(start, 12)
    backends[0].cont()
    backends[0].reset_stats()
    result = load.wait()
    # the clients' own waiting for a free connection is not the balancer's
    took = [int(record["us"]) / 1e6 for record in web.access_log()]
    slow = [s for s in took if s >= 2]
    promises.keep("GETs", result.done, result.done > 7000)
    promises.keep("failed", len(result.failed), not result.failed)
    # without the checker a request finds out after each retry=
    most = CLIENTS if "hcheck" in suite else CLIENTS + 3
    promises.keep("requests that took 2 s or more", len(slow), len(slow) <= most)
    promises.keep("the longest, s", max(took), max(took) < 2 + 10 * ANSWER_MS / 1000)
    if retry != "retry=30":
        promises.keep("back at work", backends[0].requests, backends[0].requests > 100)
    print(f"  {result.latency}")


def stopped_and_asked_often(lab, promises):
    """The same with retry=1."""
    stopped(lab, promises, "retry=1")


def stopped_and_nothing_said(lab, promises):
    """The same without retry=."""
    stopped(lab, promises, "")


def stopped_without_checker(lab, promises):
    """The same with mod_lbx_core alone, failontimeout=On and retry=1."""
    stopped(lab, promises, "retry=1", "failontimeout=On", ("core",))


def rolling(lab, promises):
    """Every 2 s one of four is killed and restarted, for 30 s; GETs and POSTs."""
    web, backends = farm(lab, per_member="retry=1")
    for backend in backends:
        backend.witness()
    gets = lab.load(web, rate=RATE * 3 / 4, seconds=30, connections=CLIENTS).start()
    posts = lab.load(web, "/post", rate=RATE / 4, seconds=30, connections=CLIENTS // 2,
                     body="x" * 200).start()
    start = time.monotonic()
    rng = random.Random(1)
    taken, undecided = collections.Counter(), 0
    for n in range(1, 15):
        until(start, 2 * n)
        victim = rng.choice(backends)
        os.kill(victim.pid, signal.SIGKILL)
        victim.close()
        ids, reading = victim.witnessed()
        taken += ids
        undecided += reading
        victim.restart()
        victim.witness()
        slow_down(victim)
    get, post = gets.wait(), posts.wait()
    for backend in backends:
        backend.close()
        taken += backend.witnessed()[0]
    lost = [s for s in post.failed if not taken[s.id]]
    twice = [s for s in post.samples if taken[s.id] > 1]
    promises.keep("GETs", get.done, get.done > 8000)
    promises.keep("failed GETs", len(get.failed), not get.failed)
    promises.keep("POSTs", post.done, post.done > 2500)
    promises.keep("POSTs executed twice", len(twice), not twice)
    print(f"  failed POSTs that a backend had taken: {len(post.failed) - len(lost)}")
    print(f"  of 14 killed while they were reading: {undecided}")
    promises.keep("failed POSTs that no backend had taken", len(lost), len(lost) <= undecided)
    for sample in lost:
        print(f"    {sample}")


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
    sys.exit(run(killed, killed_with_checker, stopped, stopped_and_asked_often,
                 stopped_and_nothing_said, stopped_without_checker, rolling, idle_closes))
