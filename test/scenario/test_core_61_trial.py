# SPDX-License-Identifier: Apache-2.0
"""Without a health checker: a member whose failure kept requests waiting is tried out by one
request when retry= is over, of all processes; the others go elsewhere until it has answered.

What it is: that a member that hangs costs one request for each retry=, and comes back.
What it is not: the checker's probes (test_hcheck_20_recovery.py).
"""

import re

import pytest

from core_help import balancer_conf, member_state, members, who
from lab import eventually

NOISE = "LBX0182|LBX0184|AH01102|AH00898"
OVER = "LBX0130: .*marked for retry"


def start(lab, backends, per_member="retry=1", params="failontimeout=On", try_ms=300,
          suite=("core",)):
    web = lab.httpd(balancer_conf(backends, params, per_member)
                    + f"LBXTryTimeout balancer://mycluster {try_ms}ms\n", children=2,
                    suite=suite, loglevel="info lbx_core:debug")
    web.expect_log(NOISE)
    return web


def waits_after(web, line):
    """Requests that waited in vain, after the first line of the log that has this."""
    lines = web.log_lines(f"LBX0182.* timeout |{line}")
    first = next(i for i, one in enumerate(lines) if re.search(line, one))
    return sum("LBX0182" in one for one in lines[first:])


@pytest.mark.parametrize("session", [False, True], ids=["", "session"])
def test_a_member_that_hangs_costs_one_request_for_each_retry(lab, session):
    one, two = members(lab, 2)
    web = start(lab, (one, two), ["retry=1 route=r1", "retry=1 route=r2"],
                "failontimeout=On" + (" stickysession=S timeout=20" if session else ""),
                suite=("core", "sticky"))
    who(web, 4)
    one.stop()
    path = "/?S=x.r1" if session else "/"
    with lab.load(web, path, rate=150, seconds=60, connections=12) as run:
        web.await_log(OVER, 10, count=2)
        one.cont()
        eventually(lambda: not member_state(web, one)["error_at_us"]
                   and one.requests > 20, 10, "all use it again")
        run.stop()
    assert run.result.all_ok, run.result
    assert 1 <= waits_after(web, OVER) <= len(web.log_lines(OVER))


def test_a_standby_serves_while_the_member_is_tried_out(lab):
    one, two = members(lab, 2)
    web = start(lab, (one, two), ["retry=1", "status=+H"], try_ms=1500)
    one.behave("/", "hang", times=1)
    assert who(web, 1) == ["b2"]
    web.await_log("LBX0184")
    one.behave("/", delay_ms=1000)
    with lab.load(web, rate=30, seconds=60, connections=4) as run:
        eventually(lambda: one.in_flight, 5, "a request tries b1")
        assert who(web, 3) == ["b2"] * 3 and one.in_flight == 1
        eventually(lambda: one.in_flight > 1, 5, "all use it again")
        run.stop()
    assert run.result.all_ok, run.result


def test_alone_it_is_used_by_all(lab):
    """Rather a member that somebody tries out than nobody."""
    one, = members(lab, 1)
    web = start(lab, (one,), params="failontimeout=On maxattempts=0")
    for _ in range(4):  # all of them at once find it in error, and end that
        one.behave("/", "hang", times=1)
        assert web.get("/").status == 502
        one.behave("/", delay_ms=100)
        with lab.load(web, requests=10, connections=10) as run:
            pass
        assert run.result.all_ok, run.result


def test_a_refused_connection_has_no_trial(lab):
    """It costs nobody anything: all come back at once."""
    one, two = members(lab, 2)
    web = start(lab, (one, two))
    web.expect_log("AH00957|AH01114|AH00959")
    one.refuse()
    who(web, 4)
    one.accept_again()
    one.behave("/", delay_ms=250)
    two.behave("/", delay_ms=250)
    eventually(lambda: web.get("/").ok and web.log_lines(OVER), 5, "retry= is over")
    with lab.load(web, requests=8, connections=8) as run:
        pass
    assert run.result.all_ok and one.max_in_flight >= 3, one.max_in_flight
