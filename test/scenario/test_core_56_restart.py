# SPDX-License-Identifier: Apache-2.0
"""A member crashes, hangs or is restarted under load, and nobody in front of it notices.

What it is: four members with answers of 50 ms, 64 kept-alive client connections, 400 requests a
second; what clients got, and how often each request was executed.
What it is not: the decision about one attempt (test_core_50).
"""

import collections
import random
import re

import pytest

from core_help import await_idle, balancer_conf, balancer_state, members
from lab import eventually

NOISE = ("LBX0182|LBX0162|AH01102|AH00957|AH01114|AH00898|AH01084|AH01097|AH10404|AH01110|AH01106"
         "|Forcing worker")
LOG = ('LogFormat "%>s|%{LBX_ATTEMPTS}e|%{LBX_TRIES}e|%{X-Request-Id}i" tries\n'
       'CustomLog "${LAB_DIR}/logs/tries.log" tries env=!lab_internal\n')
RATE, SECONDS = 400, 5


def start(lab, own="retry=1", more=""):
    backends = members(lab, 4)
    for b in backends:
        b.behave("/", delay_ms=50)
    web = lab.httpd(LOG + more + balancer_conf(backends, "", own), threads=64, max_children=4)
    web.expect_log(NOISE)
    return backends, web


def offered(lab, web, **options):
    return lab.load(web, "/", rate=RATE, seconds=SECONDS, connections=64, timeout=20,
                    retry_stale=False, **options)


def after(run, seconds):
    """Wait until the load has run for so long, by its own count of requests."""
    run.await_count(int(seconds * RATE) - 40)


def again(backend):
    backend.restart()
    backend.behave("/", delay_ms=50)


def explain(web, result):
    """How the requests fared that did not succeed."""
    lines = (web.dir / "logs" / "tries.log").read_text().splitlines()
    bad = {s.id for s in result.failed}
    mine = [line for line in lines if line.rsplit("|", 1)[-1] in bad][:5]
    why = collections.Counter(re.sub(r".* ended after \d+ms: ", "", line)
                              for line in web.log_lines("LBX0182.*not retried"))
    return "\n".join([str(result), *mine, *(f"{n} x {text}" for text, n in why.items())])


def all_is_well(web, backends):
    """Everything is at rest; each member is in use again, or will be after retry=."""
    await_idle(web)
    state = balancer_state(web)
    assert state["refused"] == 0, state
    assert len(state["members"]) == len(backends)


def used_again(web, backend):
    eventually(lambda: web.get("/").backend == backend.name, 10, f"{backend.name} is used again")


class Took:
    """Which requests members have executed, also those members that were killed."""

    def __init__(self):
        self.ids = collections.Counter()

    def note(self, backend):
        self.ids.update(backend.stats()["ids"])

    def kill(self, backend):
        """What it took in its last moment, between these two calls, is lost to us."""
        backend.kill()
        self.ids.update(backend.last_stats["ids"])


def kill_one_and_restart(lab, **options):
    backends, web = start(lab)
    took = Took()
    with offered(lab, web, **options) as run:
        after(run, 1)
        took.kill(backends[0])
        after(run, 3)
        again(backends[0])
    for b in backends:
        took.note(b)
    used_again(web, backends[0])
    all_is_well(web, backends)
    return run.result, web, took


def test_a_killed_backend_costs_no_get(lab):
    result, web, _ = kill_one_and_restart(lab)
    assert result.done == RATE * SECONDS and result.all_ok, explain(web, result)
    assert len(result.backends) == 4


def test_a_killed_backend_and_posts(lab):
    """Those that it had taken fail, all others succeed, none is executed twice."""
    result, web, took = kill_one_and_restart(lab, body="hello")
    twice = [i for i, n in took.ids.items() if n > 1]
    assert not twice, (twice[:5], explain(web, result))
    failed = {s.id for s in result.failed}
    assert {s.status for s in result.failed} <= {502} and not result.errors, explain(web, result)
    # 100 a second and member, 50 ms each: about 5 in its hands
    assert len(failed) <= 25, explain(web, result)
    for s in result.samples:
        assert s.id in failed or took.ids[s.id] == 1


def test_a_stopped_backend_costs_no_get(lab):
    """SIGSTOP: the kernel still takes connections and requests, nobody answers."""
    backends, web = start(lab, "retry=1 timeout=1")
    stuck = backends[1]
    with offered(lab, web) as run:
        after(run, 1)
        stuck.stop()
        eventually(lambda: run.done >= 3 * RATE or not run.running, 20, "the load goes on")
        stuck.cont()
    result = run.result
    assert result.done == RATE * SECONDS and result.all_ok, explain(web, result)
    # by httpd's clock: when all 64 connections wait, what a client sees includes its own queue
    log = web.access_log()
    slow = [r for r in log if int(r["us"]) > 2_600_000]
    assert len(slow) <= 64, (len(slow), slow[:5])
    assert sum(int(r["us"]) > 900_000 for r in log) > 0  # some were stuck
    all_is_well(web, backends)


@pytest.mark.parametrize("how", ["failontimeout", "try"])
def test_a_stopped_backend_that_is_taken_out_slows_few(lab, how):
    """failontimeout=On: once condemned it gets nothing; LBXTryTimeout: each costs 300 ms."""
    backends, web = start(lab, "retry=60 timeout=1" if how == "failontimeout" else "", more=(
        "" if how == "failontimeout" else "LBXTryTimeout balancer://mycluster 300ms\n"
        "LBXRetryBudget balancer://mycluster 100%\n"))
    if how == "failontimeout":
        web.rewrite(LOG + balancer_conf(backends, "failontimeout=On", "retry=60 timeout=1"))
        web.graceful()
    with offered(lab, web) as run:
        after(run, 1)
        backends[2].stop()
    result = run.result
    backends[2].cont()
    assert result.done == RATE * SECONDS and result.all_ok, explain(web, result)
    slow = [s for s in result.samples if s.us > 900_000]
    if how == "failontimeout":
        assert 0 < len(slow) <= 3 * 64, (len(slow), result)
    await_idle(web)


def restarts(lab, seed, **options):
    """Every second a random backend is killed, and restarted half a second later."""
    backends, web = start(lab)
    took, rng = Took(), random.Random(seed)
    with offered(lab, web, **options) as run:
        for second in range(1, SECONDS):
            after(run, second)
            one = rng.choice(backends)
            took.kill(one)
            after(run, second + 0.5)
            again(one)
    for b in backends:
        took.note(b)
    all_is_well(web, backends)
    return run.result, web, took


def test_rolling_crashes_cost_no_get(lab):
    result, web, _ = restarts(lab, 1)
    assert result.done == RATE * SECONDS and result.all_ok, explain(web, result)


def test_rolling_crashes_and_posts(lab):
    result, web, took = restarts(lab, 2, body="hello")
    twice = [i for i, n in took.ids.items() if n > 1]
    assert not twice, (twice[:5], explain(web, result))
    assert {s.status for s in result.failed} <= {502} and not result.errors, explain(web, result)
    assert len(result.failed) <= (SECONDS - 1) * 25, explain(web, result)
    failed = {s.id for s in result.failed}
    assert all(s.id in failed or took.ids[s.id] == 1 for s in result.samples)
