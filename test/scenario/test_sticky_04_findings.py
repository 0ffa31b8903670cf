# SPDX-License-Identifier: Apache-2.0
"""What makes stickiness fail, said in the log: at configtest, or once while it happens.

What it is: each finding, and that it is not repeated.
What it is not: the findings on the manager's page.
"""

import pytest

from core_help import balancer_conf, members
from sticky_help import SUITE


def web_with(lab, per_member="", params="stickysession=S", n=2, **options):
    backends = members(lab, n)
    return lab.httpd(balancer_conf(backends, params, per_member), suite=SUITE, **options), backends


@pytest.mark.parametrize("routes, number, words", [
    (["route=r", "route=r"], "LBX0310", "the same route=r"),
    (["route=r", ""], "LBX0311", "give one to each member, or to none"),
])
def test_at_configtest(lab, routes, number, words):
    web, _ = web_with(lab, routes, start=False)
    code, said = web.configtest()
    assert code == 0 and said.count(number) == 1 and words in said


def test_a_standby_may_share_a_route(lab):
    web, _ = web_with(lab, ["route=r", "route=r status=+H"], start=False)
    assert web.configtest()[1].strip() == "Syntax OK"


@pytest.mark.parametrize("main, vhost, host", [
    ("LBXStickyCookie balancer://typo LB", "", None),
    ("<Proxy balancer://typo>\nLBXStickyRewrite On\n</Proxy>", "", None),
    ("", "LBXStickyLearn balancer://mycluster cookie:S", "one"),  # the main server has it
])
def test_a_balancer_that_is_not_there(lab, main, vhost, host):
    """A name that is mistyped, or a virtual host that speaks of the main server's."""
    conf = f"{main}\n{balancer_conf(members(lab, 1))}"
    web = lab.httpd(conf, suite=SUITE, start=False, vhost_conf={"one": vhost + "\n"})
    code, said = web.configtest()
    name = "balancer://mycluster" if host else "balancer://typo"
    assert code == 0 and said.count("LBX0321") == 1 and name in said, said


def test_a_balancer_that_is_there(lab):
    """Said in the main server of one that a virtual host has, and in that host."""
    conf = "LBXStickyAuto balancer://mycluster plain=no\n".replace("plain=no", "On plain")
    vhost = balancer_conf(members(lab, 1)) + "LBXStickyRewrite balancer://MyCluster On\n"
    web = lab.httpd(conf, suite=SUITE, start=False, vhost_conf={"one": vhost})
    assert web.configtest()[1].strip() == "Syntax OK"


def said(web, number="LBX0312"):
    return web.log_lines(number)


def test_the_case_of_the_name(lab):
    web, _ = web_with(lab, params="stickysession=JSESSIONID")
    web.expect_log("LBX0312.*jsessionid.*JSESSIONID: case matters", must=True)
    for _ in range(4):
        web.get("/?setcookie=jsessionid=1")
    assert len(said(web)) == 1


def test_a_route_that_no_member_has(lab):
    web, _ = web_with(lab, ["route=a", "route=b"])
    web.expect_log("LBX0312.*the route gone, which no member has", must=True)
    for _ in range(4):
        web.get("/", headers={"Cookie": "S=1.gone"})
    assert len(said(web)) == 1


def test_a_path_that_never_comes_back(lab):
    web, _ = web_with(lab)
    web.expect_log("LBX0312.*Path=/ctx.*ProxyPassReverseCookiePath", must=True)
    for _ in range(4):
        web.get("/app/x?setcookie=S=1%3B%20Path=/ctx")
    assert len(said(web)) == 1
    web.get("/ctx?setcookie=S=1%3B%20Path=/ctx")


def test_ids_with_dots_are_no_routes(lab):
    web, _ = web_with(lab)
    assert web.get("/", headers={"Cookie": "S=s%3Aabc.def"}).status == 200
