# SPDX-License-Identifier: Apache-2.0
"""What log formats, Header and other modules learn of the choice: BALANCER_* and two notes.

What it is: the names and values of the stock balancer, of which log formats all over the world
are made.
What it is not: how a route is found (test_core_06).
"""

import pytest

from core_help import balancer_conf, change, hold, members, routes
from lab import eventually

NAMES = ("BALANCER_NAME", "BALANCER_WORKER_NAME", "BALANCER_WORKER_ROUTE",
         "BALANCER_ROUTE_CHANGED", "BALANCER_SESSION_STICKY", "BALANCER_SESSION_ROUTE")

# what is not set is "(null)" for Header
TELL = "\n".join(f'Header always set {name.replace("_", "-")} "%{{{name}}}e"' for name in NAMES)
NOTES = """
Header always set N-Sticky "expr=%{note:session-sticky}"
Header always set N-Route "expr=%{note:session-route}"
"""
STICKY = ("core", "sticky")


def environment(answer):
    """The values of NAMES in this order, "" for those not set."""
    found = [answer.headers.get(name.replace("_", "-"), "") for name in NAMES]
    return ["" if value == "(null)" else value for value in found]


def test_the_choice_is_told_to_header(lab):
    b = members(lab, 2)
    web = lab.httpd(TELL + "\n" + balancer_conf(b, per_member=routes(b)))
    for m in b:
        assert environment(web.get("/")) == [
            "balancer://mycluster", m.url, f"r{m.name[1:]}", "", "", ""]


def test_the_choice_is_told_to_the_access_log(lab):
    b = members(lab, 2)
    web = lab.httpd('CustomLog "${LAB_DIR}/logs/choice.log" '
                    '"%U %{BALANCER_NAME}e %{BALANCER_WORKER_NAME}e %{BALANCER_WORKER_ROUTE}e" '
                    'env=!lab_internal\n'
                    + balancer_conf(b, per_member=["route=r1", ""]))
    log = web.dir / "logs" / "choice.log"
    assert web.get("/one").ok and web.get("/two").ok
    eventually(lambda: log.read_text().count("\n") == 2)
    assert log.read_text().splitlines() == [f"/one balancer://mycluster {b[0].url} r1",
                                            f"/two balancer://mycluster {b[1].url} "]


def test_a_members_path_belongs_to_its_name(lab):
    (b,) = members(lab, 1)
    web = lab.httpd(f"""
        {TELL}
        <Proxy balancer://mycluster>
            BalancerMember {b.url}/app
        </Proxy>
        ProxyPass / balancer://mycluster/
    """)
    assert environment(web.get("/"))[1] == f"{b.url}/app"


def test_nothing_is_told_of_requests_that_go_elsewhere(lab):
    web = lab.httpd(TELL + "\n" + balancer_conf(members(lab, 2), path="/app/"))
    assert environment(web.get("/index.html")) == [""] * len(NAMES)


def test_nothing_is_told_when_nobody_could_be_chosen(lab):
    web = lab.httpd(TELL + "\n" + balancer_conf(members(lab, 2), per_member="status=+D"))
    web.expect_log("LBX0162: balancer://mycluster: All workers are in error state", must=True)
    answer = web.get("/")
    assert answer.status == 503 and environment(answer) == [""] * len(NAMES)


def test_a_failover_tells_of_the_member_that_answered(lab):
    b = members(lab, 2)
    b[0].refuse()
    web = lab.httpd(TELL + "\n" + balancer_conf(b, per_member=routes(b)))
    web.expect_log("AH00957|AH01114|AH00959|LBX0182")
    answer = web.get("/")
    assert answer.backend == "b2"
    assert environment(answer)[1:3] == [b[1].url, "r2"]


@pytest.mark.parametrize("headers, told", [
    ({}, ["b1", "r1", "1", "", ""]),
    ({"Cookie": "S=abc.r1"}, ["b1", "r1", "", "S", "r1"]),
    ({"Cookie": "S=abc.r2"}, ["b2", "r2", "", "S", "r2"]),
    ({"Cookie": "S=abc.gone"}, ["b1", "r1", "1", "S", "gone"]),
    ({"Cookie": "S=abc"}, ["b1", "r1", "1", "", ""]),
], ids=["none", "r1", "r2", "unknown", "routeless"])
def test_a_session_is_told(lab, headers, told):
    """BALANCER_ROUTE_CHANGED is 1 whenever sticky is on and the session did not decide, also for
    clients that have none yet: applications count new sessions by it."""
    b = members(lab, 2)
    web = lab.httpd(TELL + NOTES + balancer_conf(b, "stickysession=S", routes(b)), suite=STICKY)
    web.expect_log("LBX0312")  # a route that no member has: test_sticky_04_findings
    answer = web.get("/", headers=headers)
    assert [answer.backend, *environment(answer)[2:]] == told
    assert [answer.headers.get("N-Sticky", ""), answer.headers.get("N-Route", "")] == told[3:]


def test_the_url_parameter_is_named_as_the_one_it_came_from(lab):
    b = members(lab, 2)
    web = lab.httpd(TELL + "\n" + balancer_conf(b, "stickysession=S|s", routes(b)), suite=STICKY)
    assert environment(web.get("/x;s=abc.r2"))[3:] == ["", "s", "r2"]
    assert environment(web.get("/x?s=abc.r2"))[3:] == ["", "s", "r2"]
    assert environment(web.get("/", headers={"Cookie": "S=abc.r2"}))[3:] == ["", "S", "r2"]


def test_a_redirected_session_is_told_as_changed(lab):
    b = members(lab, 2)
    web = lab.httpd(TELL + "\n" + balancer_conf(
        b, "stickysession=S", ["route=r1 redirect=r2 status=+D", "route=r2"]), suite=STICKY)
    answer = web.get("/", headers={"Cookie": "S=abc.r1"})
    assert environment(answer)[2:] == ["r2", "1", "S", "r1"]


def test_a_session_that_fails_over_is_told_as_changed(lab):
    b = members(lab, 2)
    b[0].refuse()
    web = lab.httpd(TELL + "\n" + balancer_conf(b, "stickysession=S", routes(b)), suite=STICKY)
    web.expect_log("AH00957|AH01114|AH00959|LBX0182")
    for _ in range(2):  # in the request that finds out, and in the one that knows
        answer = web.get("/", headers={"Cookie": "S=abc.r1"})
        assert environment(answer)[2:] == ["r2", "1", "S", "r1"]


def test_a_route_changed_meanwhile_is_told_as_it_was(lab):
    """The text belongs to the request: an edit while it runs does not show."""
    b = members(lab, 2)
    web = lab.httpd(TELL + "\n" + balancer_conf(b, per_member=routes(b)))
    held = hold(lab, web)
    change(web, b[0], "route", "other")
    held.send(b"y")
    answer = held.recv(1 << 16).decode()
    assert "BALANCER-WORKER-ROUTE: r1\r\n" in answer, answer
    assert environment(web.get("/"))[2] == "r2"
    assert environment(web.get("/"))[2] == "other"
