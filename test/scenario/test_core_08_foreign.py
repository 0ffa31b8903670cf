# SPDX-License-Identifier: Apache-2.0
"""lbmethod= of somebody else: a third party's provider finds the member, as it always did.

What it is: two providers of the lab's module (one with a finder of its own, one that asks
mod_proxy's proxy_balancer_get_best_worker) and the stock mod_lbmethod_heartbeat.
What it is not: the suite's own methods.
"""

import collections

import pytest

from core_help import (await_idle, balancer_conf, balancer_state, change, elected, members,
                       who)

DOWN = "AH00957|AH01114|AH00959|LBX0182"
NOBODY = "LBX0162: balancer://mycluster: All workers are in error state"


def foreign(lab, method, n=3, params="", per_member="", **options):
    b = members(lab, n)
    return lab.httpd(balancer_conf(b, f"lbmethod={method} {params}", per_member), **options), b


@pytest.mark.parametrize("method, name", [("lab_first", "b1"), ("lab_last", "b3")])
def test_the_provider_decides(lab, method, name):
    web, _ = foreign(lab, method)
    assert who(lab.client(web), 5) == [name] * 5
    await_idle(web)
    assert sorted(elected(web)) == [0, 0, 5]


@pytest.mark.parametrize("method, down, name", [("lab_first", 0, "b2"), ("lab_last", 2, "b2")])
def test_it_fails_over(lab, method, down, name):
    web, b = foreign(lab, method)
    b[down].refuse()
    web.expect_log(DOWN)
    client = lab.client(web)
    assert who(client, 4) == [name] * 4
    await_idle(web)
    assert elected(web)[down] == 1, "a member in error is shown to the provider as such"


@pytest.mark.parametrize("method, order", [("lab_first", (0, 1, 2)), ("lab_last", (2, 1, 0))])
def test_it_sees_what_the_operator_changes(lab, method, order):
    web, b = foreign(lab, method, children=3)
    for i in order[:2]:
        assert set(who(web, 3)) == {b[i].name}
        change(web, b[i], "disabled", "on")
    assert set(who(web, 3)) == {b[order[2]].name}
    change(web, b[order[0]], "disabled", "off")
    assert set(who(web, 3)) == {b[order[0]].name}


@pytest.mark.parametrize("method", ["lab_first", "lab_last"])
def test_nobody_found_is_503_and_said(lab, method):
    web, _ = foreign(lab, method, per_member="status=+D")
    web.expect_log(NOBODY, must=True)
    assert web.get("/").status == 503


def test_mod_proxys_own_rules_hold_for_it(lab):
    """proxy_balancer_get_best_worker looks at lbset, drain and standby itself."""
    web, b = foreign(lab, "lab_first", per_member=["status=+N", "lbset=1", "status=+H"])
    client = lab.client(web)
    assert who(client, 2) == ["b3"] * 2, "the standby of set 0 comes before set 1"
    change(web, b[0], "drain", "off")
    assert who(client, 2) == ["b1"] * 2


def test_its_updatelbstatus_hears_of_sessions(lab):
    web, b = foreign(lab, "lab_first", params="stickysession=S",
                     per_member=["route=r1", "route=r2", "route=r3"], suite=("core", "sticky"))
    assert who(web, 2, headers={"Cookie": "S=abc.r3"}) == ["b3"] * 2
    told = web.await_log("lab_first was told of")
    assert len(told) == 2 and all(told_of.endswith(b[2].url) for told_of in told)
    assert who(web, 1) == ["b1"] and len(web.log_lines("lab_first was told of")) == 2


def test_a_method_can_be_changed_to_a_foreign_one_and_back(lab):
    web, _ = foreign(lab, "byrequests", children=3)
    assert set(who(web, 3)) == {"b1", "b2", "b3"}
    change(web, None, "lbmethod", "lab_last")
    assert who(web, 6) == ["b3"] * 6
    change(web, None, "lbmethod", "byrequests")
    assert set(who(web, 3)) == {"b1", "b2", "b3"}


def test_totals_are_exact_over_three_children(lab):
    web, b = foreign(lab, "lab_last", children=3)
    with lab.load(web, requests=1000, connections=24) as run:
        pass
    assert run.result.backends == {"b3": 1000}, run.result
    await_idle(web)
    assert elected(web) == [0, 0, 1000] == [m.requests for m in b]


def test_an_unknown_method_is_refused_at_the_start(lab):
    b = members(lab, 1)
    web = lab.httpd(balancer_conf(b, "lbmethod=nobody"), start=False)
    code, said = web.configtest()
    assert code != 0 and "unknown lbmethod" in said, said


# -- mod_lbmethod_heartbeat

HEARTBEAT = 'HeartbeatStorage "${LAB_DIR}/heartbeat"\n'


def heartbeat(lab, data):
    b = members(lab, 2)
    web = lab.httpd(HEARTBEAT + balancer_conf(b, "lbmethod=heartbeat"),
                    modules=("lbmethod_heartbeat",), start=False)
    (web.dir / "heartbeat").write_text(data)
    web.start()
    assert balancer_state(web)["method"] == "heartbeat"
    return web, b


def test_heartbeat_chooses_a_server_that_is_ready(lab):
    """A port in the data does not count: the key is the address."""
    web, _ = heartbeat(lab, "127.0.0.1 &ready=75&busy=3&lastseen=0&port=80\n")
    assert len(who(lab.client(web), 10)) == 10
    await_idle(web)
    assert sum(elected(web)) == 10


def test_heartbeat_chooses_by_readiness(lab):
    """The key is the member's host: 127.0.0.1 is ready, 127.0.0.2 is not known."""
    (b,) = members(lab, 1)
    web = lab.httpd(f"""
        {HEARTBEAT}
        <Proxy balancer://mycluster>
            BalancerMember http://127.0.0.2:{b.port}
            BalancerMember {b.url}
            ProxySet lbmethod=heartbeat
        </Proxy>
        ProxyPass / balancer://mycluster/
    """, modules=("lbmethod_heartbeat",), start=False)
    (web.dir / "heartbeat").write_text("127.0.0.1 &ready=75&busy=3&lastseen=0\n")
    web.start()
    assert who(web, 6) == ["b1"] * 6
    await_idle(web)
    assert elected(web) == [0, 6]


def test_heartbeat_without_news_of_any_server_is_503(lab):
    web, _ = heartbeat(lab, "10.255.255.1 &ready=75&busy=3&lastseen=0\n")
    web.expect_log(NOBODY, must=True)
    assert web.get("/").status == 503


def test_heartbeat_forgets_a_server_not_seen_for_long(lab):
    web, _ = heartbeat(lab, "127.0.0.1 &ready=75&busy=3&lastseen=60\n")
    web.expect_log(NOBODY, must=True)
    assert web.get("/").status == 503
    (web.dir / "heartbeat").write_text("127.0.0.1 &ready=75&busy=3&lastseen=1\n")
    assert web.get("/").ok


def test_heartbeat_avoids_a_member_in_error(lab):
    web, b = heartbeat(lab, "127.0.0.1 &ready=75&busy=3&lastseen=0\n")
    b[0].refuse()
    web.expect_log(DOWN)
    found = collections.Counter(lab.client(web).get("/").status for _ in range(12))
    assert found == {200: 12}
