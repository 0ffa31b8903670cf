# SPDX-License-Identifier: Apache-2.0
"""Checks go on: when the child that makes them dies, over reloads, in whatever balancer a member is.

What it is: one httpd, its children and generations; verdicts, streaks and pauses that stay.
"""

from __future__ import annotations

import pytest
from core_help import member_state, members
from hcheck_help import (FAST, SUITE, await_checks, await_state, balancer, checked, checks, is_down,
                         is_up, steer)

from lab import eventually


def checker(web):
    """The pid of the child that checks, by its last line."""
    lines = web.log_lines("LBX0444")
    return int(lines[-1].split("[pid ")[1].split(":")[0]) if lines else 0


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_hcheck_42_the_child_that_checks_is_killed(lab, mpm):
    """Another one goes on, with the streaks as they were, and there is no storm."""
    one, two = members(lab, 2)
    one.behave("/c", "answer", status=500)
    web = lab.httpd(balancer([one, two], f"hcmethod=GET11 hcuri=/c {FAST} hcfails=1000"),
                    suite=SUITE, mpm=mpm, loglevel="info lbx_hcheck:debug",
                    children=3 if mpm == "event" else 4)
    before = await_checks(web, one, 3)
    pid = checker(web)
    web.kill_child(pid)
    eventually(lambda: checker(web) not in (0, pid), what="another child checks")
    after = await_checks(web, one, before["checks"] + 3)
    assert after["fails_in_row"] == after["checks"], after
    assert checker(web) in web.children()


def test_hcheck_42_graceful(lab):
    """A reload keeps verdicts and streaks; a check that was edited starts from nothing; a member
    whose checks were taken out of the file is not left down."""
    one, two, three = members(lab, 3)
    for b in (one, two, three):
        b.behave("/c", "answer", status=500)
    word = f"hcmethod=GET11 hcuri=/c {FAST}"
    web = lab.httpd(balancer([one, two, three], [f"{word} hcfails=1000", word, word]), suite=SUITE)
    await_checks(web, one, 3)
    for b in (two, three):
        await_state(web, b, is_down)
    before = checked(web, one)
    web.graceful(need=1)
    assert is_down(member_state(web, two))
    after = await_checks(web, one, before["checks"] + 2)
    assert after["fails_in_row"] == after["checks"] > before["checks"]
    one.normal()
    web.graceful(balancer([one, two, three],
                          [f"{word} hcfails=1000", word.replace("/c", "/other"), "retry=0"]), need=1)
    await_state(web, two, is_up)
    await_state(web, three, is_up)
    assert await_checks(web, one, after["checks"] + 2)["passed"]
    assert web.log_lines("is up.*not checked any more"), web.log_lines("is up")


def test_hcheck_42_how_a_member_begins(lab):
    """hcinit=down: nobody gets there before a check has passed; up, and status=+C: as they say."""
    names = ["up", "down", "keep", "stock"]
    by = {name: lab.backend(name) for name in names}
    for b in by.values():
        b.behave("/c", "hang")
    word = "hcmethod=GET11 hcuri=/c hcinterval=100ms hctimeout=20s"
    web = lab.httpd(balancer(list(by.values()),
                             [f"{word} hcinit=up", f"{word} hcinit=down hcpasses=3",
                              f"{word} hcinit=keep", f"{word} status=+C"]), suite=SUITE)
    state = {name: member_state(web, b) for name, b in by.items()}
    assert is_up(state["up"])
    assert all(is_down(state[name]) for name in ("down", "keep", "stock")), state
    for b in by.values():
        b.drop_connections()
        b.normal()
    for b in by.values():
        await_state(web, b, is_up)
    for b in by.values():
        b.behave("/c", "hang")
    web.graceful(need=1)
    assert is_down(member_state(web, by["down"])) and is_up(member_state(web, by["keep"]))


def test_hcheck_42_shared(lab):
    """The same check in two balancers and a virtual host is one check; another path is another."""
    one = lab.backend("b1")
    word = f"hcmethod=GET11 hcuri=/c {FAST}"
    web = lab.httpd(balancer([one], word, name="a", path="/a")
                    + balancer([one], word, name="b", path="/b")
                    + balancer([one], word.replace("/c", "/d"), name="d", path="/d"),
                    vhost_conf=balancer([one], word, name="v", path="/v"), suite=SUITE,
                    loglevel="info lbx_hcheck:debug")
    web.await_log(r"LBX0444: .*4 members, 2 targets")
    await_checks(web, one, 3, name="a")
    both = [checked(web, one, name) for name in ("a", "b", "v")]
    assert max(c["checks"] for c in both) - min(c["checks"] for c in both) <= 1
    one.behave("/c", "answer", status=500)
    for name in ("a", "b"):
        await_state(web, one, is_down, name=name)
    assert checked(web, one, "d")["state"] == "up"


def test_hcheck_42_on_demand_and_paused(lab):
    """A check now, long before it is due; a pause stays over a reload, and ends."""
    one, two = members(lab, 2)
    web = lab.httpd(balancer([one, two], ["hcmethod=GET11 hcuri=/c hcinterval=1h", ""]),
                    suite=SUITE)
    await_checks(web, one, 1)
    steer(web, one, "pause")
    steer(web, one, "now")
    await_checks(web, one, 2)
    steer(web, two, "now")  # has no checks of its own: a connection
    assert await_checks(web, two, 1)["passed"]
    web.graceful(balancer([one, two], [f"hcmethod=GET11 hcuri=/c2 {FAST}", ""]), need=1)
    assert checked(web, one)["paused"]
    steer(web, one, "now")
    await_checks(web, one, 3)
    assert checks(one, "GET /c2") == 1
    steer(web, one, "resume")
    await_checks(web, one, 6)
    steer(web, one, "pause")


def test_hcheck_42_stopped_and_intervals(lab):
    """A stopped member is not checked; while it is down hcdowninterval= counts, and on the way
    hcfastinterval=."""
    one, two = members(lab, 2)
    web = lab.httpd(balancer([one, two], ["hcmethod=GET11 hcuri=/c hcinterval=1h hcfastinterval=100ms "
                                          "hcdowninterval=200ms hcfails=3 hcpasses=3 retry=0",
                                          f"hcmethod=GET11 hcuri=/c {FAST} status=+S"]), suite=SUITE)
    await_checks(web, one, 1)
    one.behave("/c", "answer", status=500)
    steer(web, one, "now")
    await_state(web, one, is_down)
    await_checks(web, one, 6)
    one.normal()
    await_state(web, one, is_up)
    assert two.requests == 0 and checked(web, two)["checks"] == 0
