# SPDX-License-Identifier: Apache-2.0
"""A child that is killed takes nothing with it: no member stays busy for its requests.

What it is: SIGKILL for children with requests in flight, alone and during graceful reloads; then
every in-flight count has to come back to 0, and the distribution has to be what it was.
What it is not: the whole server killed (test_core_44_crash.py).
"""

import os
import signal
import threading

import pytest

from core_help import (await_idle, balancer_conf, balancer_state, elected, in_flight,
                       member_state, members)
from lab import eventually

# what a request says when the backend drops it, see let_go()
DROPPED = r"AH01102|AH00898|LBX018[23]"
# new children do not wait for the threads of old ones
HEADROOM = "MaxRequestWorkers 400\nKeepAliveTimeout 1\n"


def sockets(pid):
    """Sockets that a process has open: the listening ones, and two for a proxied request."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except OSError:
            pass
    return found


def hang(lab, web, backends, requests=32):
    """Requests that stay in flight at the backends until let_go()."""
    web.expect_log(DROPPED)
    for b in backends:
        b.behave("/hang", "hang")
    run = lab.load(web, "/hang", requests=requests, connections=requests,
                   retry_stale=False).start()
    eventually(lambda: sum(in_flight(web)) == requests, what="all requests are in flight")
    return run


def let_go(backends):
    for b in backends:
        b.drop_connections()


def shares(web, lab, backends, requests=300, connections=1):
    """How many of the next requests each backend gets."""
    before = [b.requests for b in backends]
    with lab.load(web, requests=requests, connections=connections) as run:
        pass
    assert run.result.all_ok, run.result
    return [b.requests - n for b, n in zip(backends, before)]


def check_even(lab, web, backends, lbmethod):
    """The next 300 requests, one after the other, over members with equal weights.

    bybusyness and bytraffic make up for what was uneven under load before, up to 64 requests a
    member; after that they have to be even too.
    """
    found = shares(web, lab, backends)
    if lbmethod != "byrequests":
        assert sum(found) == 300 and min(found) >= 100 - 64, found
        found = shares(web, lab, backends)
    assert sum(found) == 300 and max(found) - min(found) <= (lbmethod != "byrequests") * 6, found


@pytest.mark.parametrize("lbmethod", ["byrequests", "bybusyness", "bytraffic"])
def test_a_killed_child_leaves_no_member_busy(lab, lbmethod):
    backends = members(lab)
    web = lab.httpd(balancer_conf(backends, f"lbmethod={lbmethod}"), children=1, threads=40)
    run = hang(lab, web, backends)
    before = elected(web)
    web.kill_child()
    eventually(lambda: run.done == 32, what="the clients have lost their connections")
    assert run.failed == 32
    web.await_children(1)
    await_idle(web)
    assert elected(web) == before
    check_even(lab, web, backends, lbmethod)
    # what is wrong with the counts shows when requests compare them
    for b in backends:
        b.behave("/", delay_ms=5)
    found = shares(web, lab, backends, connections=10)
    assert max(found) - min(found) <= (30 if lbmethod != "byrequests" else 0), found
    await_idle(web)


def test_the_other_child_keeps_what_it_has_in_flight(lab):
    """Member by member, not only the sum: compared with what the backends see."""
    backends = members(lab)
    web = lab.httpd(balancer_conf(backends) + "LBXRetryOn balancer://mycluster none\n")
    run = hang(lab, web, backends)
    web.kill_child(max(web.children(), key=sockets))
    # a backend notices at once that its connection was closed
    eventually(lambda: run.done and in_flight(web) == [b.in_flight for b in backends],
               what="the killed child's requests, and only those, are off the counts")
    assert sum(in_flight(web)) == 32 - run.done
    let_go(backends)
    eventually(lambda: run.done == 32)
    await_idle(web)
    check_even(lab, web, backends, "byrequests")


@pytest.mark.parametrize("lbmethod", ["byrequests", "bybusyness"])
def test_all_children_killed_one_after_the_other(lab, lbmethod):
    backends = members(lab)
    web = lab.httpd(balancer_conf(backends, f"lbmethod={lbmethod}"))
    for b in backends:
        b.behave("/", delay_ms=20)
    with lab.load(web, requests=10**6, connections=16) as run:
        last = elected(web)
        for victim in web.children():
            run.await_more(50)
            now = elected(web)
            assert all(a <= b for a, b in zip(last, now)), (last, now)
            web.kill_child(victim)
            last = elected(web)
            assert all(a <= b for a, b in zip(now, last)), (now, last)
        run.await_more(50)
        run.stop()
    assert set(run.result.errors) <= {"closed", "truncated"}, run.result
    assert run.result.statuses.keys() <= {200, 0}, run.result
    await_idle(web)
    # no election is lost, and none is invented: each request that arrived, and only those that a
    # killed child had chosen for but not sent
    arrived = sum(b.requests for b in backends)
    assert arrived <= sum(elected(web)) <= arrived + 32
    for b in backends:
        b.normal()
    check_even(lab, web, backends, lbmethod)


@pytest.mark.parametrize("lbmethod", ["byrequests", "bybusyness"])
def test_children_killed_during_graceful_reloads(lab, lbmethod):
    backends = members(lab)
    web = lab.httpd(HEADROOM + balancer_conf(backends, f"lbmethod={lbmethod}"), max_children=16)
    for b in backends:
        b.behave("/", delay_ms=20)
    with lab.load(web, requests=10**6, connections=32) as run:
        last = elected(web)
        for generation in range(2, 5):
            run.await_more(50)
            web.kill_child(eventually(web.children)[0])   # the parent learns of both at once
            os.kill(web.pid, signal.SIGUSR1)
            web.await_log("resuming normal operations", count=generation)
            web.kill_child(eventually(web.children)[-1])  # an old one or a new one
            now = elected(web)
            assert all(a <= b for a, b in zip(last, now)), (last, now)
            last = now
        run.await_more(50)
        run.stop()
    await_idle(web, within=10)
    assert all(a <= b for a, b in zip(last, elected(web)))
    for b in backends:
        b.normal()
    check_even(lab, web, backends, lbmethod)


def test_a_child_killed_in_an_old_generation(lab):
    """The old child is not of the present generation any more, its requests count all the same."""
    backends = members(lab)
    web = lab.httpd(HEADROOM + balancer_conf(backends), children=1, max_children=16)
    old = web.children()[0]
    hang(lab, web, backends, requests=20)
    web.graceful()
    assert sum(in_flight(web)) == 20 and old in web.children()
    web.kill_child(old)
    await_idle(web)
    check_even(lab, web, backends, "byrequests")


def test_a_child_killed_while_it_makes_changes(lab):
    """The admin mutex dies with its holder; the next change and the next reload get it."""
    backends = members(lab)
    web = lab.httpd(HEADROOM + "BalancerPersist On\n" + balancer_conf(backends), max_children=16)
    target = member_state(web, backends[0])["name"]
    stop = threading.Event()

    def changes():
        n = 0
        while not stop.is_set():
            n += 1
            try:
                web.lab_post(balancer="balancer://mycluster", member=target, field="loadfactor",
                             value=1 + n % 100)
            except OSError:
                pass  # a child was killed under it

    makers = [threading.Thread(target=changes) for _ in range(3)]
    for maker in makers:
        maker.start()
    try:
        for _ in range(4):
            web.kill_child()
            eventually(web.children)
    finally:
        stop.set()
        for maker in makers:
            maker.join()
    web.await_children(2)
    for value in (3, 4):
        status, reply = web.lab_post(balancer="balancer://mycluster", member=target,
                                     field="loadfactor", value=value)
        assert status == 200 and reply["rc"] == 0, reply
        assert member_state(web, backends[0])["run"]["weight"] == value * 100
        web.graceful(need=1)
    assert balancer_state(web)["requests"] == 0
