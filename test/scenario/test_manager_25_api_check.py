# SPDX-License-Identifier: Apache-2.0
"""Health through the JSON interface: what checks found, a check now, pausing.

What it is: mod_lbx_manager together with mod_lbx_hcheck, and without it.
What it is not: what checks do (the scenarios of hcheck).
"""

from lab import eventually
from manager_help import SUITE, call, error, get, manager, member, path_of

WITH_CHECKS = (*SUITE, "hcheck")


def test_a_check_now_and_a_pause(lab):
    web, (one,) = manager(lab, 1, per_member="hcmethod=GET hcuri=/healthz hcinterval=600",
                          suite=WITH_CHECKS, modules=("watchdog",))
    eventually(lambda: member(web, one)["health"]["checks"] == 1, 20, what="the first check")
    health = member(web, one)["health"]
    assert (health["method"], health["uri"], health["interval"], health["last_passed"]) == (
        "GET", "/healthz", 600, True)
    path = path_of(web, one) + "/check"
    answer = call(web, "POST", path, {"now": True})
    assert answer.status == 202, answer
    eventually(lambda: member(web, one)["health"]["checks"] == 2, 20, what="another one, at once")
    for paused in (True, False):
        answer = call(web, "POST", path, {"paused": paused})
        assert answer.status == 200 and answer.json()["member"]["health"]["paused"] is paused
    assert [e["text"] for e in get(web, "/events")["events"] if e["kind"] == "change"] == [
        "health checks paused", "health checks go on"]
    assert web.log_lines("LBX0551: .*paused, set by 127.0.0.1")
    error(call(web, "POST", path, {"paused": "yes"}), 422, "paused")
    error(call(web, "POST", path, {"now": False}), 422, "now")
    error(call(web, "POST", path, {"later": True}), 422, "later")
    assert get(web, path_of(web, one))["member"]["figures"]["checks_total"]["passed"] >= 2


def test_without_the_health_checker(lab):
    web, (one,) = manager(lab, 1)
    assert member(web, one)["health"] is None
    error(call(web, "POST", path_of(web, one) + "/check", {"now": True}), 501)
