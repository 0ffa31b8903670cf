# SPDX-License-Identifier: Apache-2.0
"""Sessions: a client stays with the member that its session id names.

What it is: where the route is looked for, and what becomes of a session whose member cannot
serve it.
What it is not: the corner cases of the syntax, which the unit tests of mod_lbx_sticky have.
"""

import collections

import pytest

from core_help import await_idle, balancer_conf, change, elected, members, routes, who

DOWN = "AH00957|AH01114|AH00959|LBX0182"  # what a refused connection is worth in the log


def sticky(lab, n=3, params="stickysession=S", per_member=None, **options):
    b = members(lab, n)
    conf = balancer_conf(b, params, routes(b) if per_member is None else per_member)
    web = lab.httpd(conf, suite=("core", "sticky"), **options)
    web.expect_log("LBX0312")  # what makes stickiness fail is said once: test_sticky_04_findings
    return web, b


def cookie(route, name="S"):
    return {"Cookie": f"{name}=abc.{route}"}


def test_a_cookie_names_the_member(lab):
    web, _ = sticky(lab)
    client = lab.client(web)
    for route, name in (("r2", "b2"), ("r3", "b3"), ("r2", "b2"), ("r1", "b1")):
        assert who(client, 3, headers=cookie(route)) == [name] * 3


def test_the_url_names_the_member(lab):
    web, _ = sticky(lab)
    client = lab.client(web)
    for path in ("/x;S=abc.r2", "/x;a=1;S=abc.r2;b=2", "/x;S=abc.r2/y?q=1", "/x?S=abc.r2",
                 "/x?a=1&S=abc.r2&b=2", "/x?S=abc%2Er2"):
        assert who(client, 3, path) == ["b2"] * 3, path


def test_cookie_and_url_parameter_have_names_of_their_own(lab):
    web, _ = sticky(lab, params="stickysession=JSESSIONID|jsessionid")
    client = lab.client(web)
    assert set(who(client, 3, headers=cookie("r2", "jsessionid"))) == {"b1", "b2", "b3"}
    assert set(who(client, 3, "/x;JSESSIONID=abc.r2")) == {"b1", "b2", "b3"}
    assert who(client, 3, headers=cookie("r2", "JSESSIONID")) == ["b2"] * 3
    assert who(client, 3, "/x;jsessionid=abc.r3") == ["b3"] * 3


def test_the_url_goes_before_the_cookie(lab):
    web, _ = sticky(lab)
    assert who(web, 3, "/x;S=abc.r3", headers=cookie("r2")) == ["b3"] * 3


@pytest.mark.parametrize("sep, value", [("!", "abc.r1!r2"), ("Off", "r2"), (".", "abc.r2")])
def test_separator(lab, sep, value):
    web, _ = sticky(lab, params=f"stickysession=S stickysessionsep={sep}")
    assert who(web, 3, headers={"Cookie": f"S={value}"}) == ["b2"] * 3


def test_names_and_routes_are_compared_whole(lab):
    web, _ = sticky(lab)
    client = lab.client(web)
    for value in ("XS=abc.r2", "SX=abc.r2", "s=abc.r2", "T=S=abc.r2", "S=abcr2", "S=abc.", "S",
                  "S=abc.r22", "S=abc.r", "S=abc.R2"):
        found = set(who(client, 3, headers={"Cookie": value}))
        assert found == {"b1", "b2", "b3"}, value
    assert who(client, 3, headers=cookie("r2")) == ["b2"] * 3


def test_a_name_within_another_is_no_session(lab):
    web, _ = sticky(lab)
    client = lab.client(web)
    for path in ("/x?this=abc.r2&xS=abc.r2", "/xS=abc.r2", "/x;XS=abc.r2", "/S=abc.r2/y"):
        assert set(who(client, 3, path)) == {"b1", "b2", "b3"}, path
    assert who(client, 3, "/x?S=abc.r2") == ["b2"] * 3


def test_several_cookies(lab):
    """The first route that a member has wins."""
    web, _ = sticky(lab)
    client = lab.client(web)
    for value in ("S=abc.gone; S=def.r2", "other=1; S=abc.r2; more=2", "S=abc.r2; S=def.r3",
                  'S="abc.r2"', "S=node0.abc.r2", "a=1;S=abc.r2", "S = abc.r2"):
        assert who(client, 3, headers={"Cookie": value}) == ["b2"] * 3, value


def test_several_cookie_fields(lab):
    web, _ = sticky(lab)
    assert who(web, 3, headers={"Cookie": ["S=abc.gone", "T=1", "S=abc.r2"]}) == ["b2"] * 3


def test_an_unknown_route_in_the_url_gives_way_to_the_cookie(lab):
    web, _ = sticky(lab)
    assert who(web, 3, "/x?S=abc.gone", headers=cookie("r2")) == ["b2"] * 3


def test_the_client_follows_the_applications_cookie(lab):
    web, b = sticky(lab)
    for m in b:
        m.behave("/login", headers={"Set-Cookie": f"S=xyz.r{m.name[1:]}; Path=/"})
    clients = [lab.client(web) for _ in range(3)]
    homes = [client.get("/login", cookies=True).backend for client in clients]
    assert sorted(homes) == ["b1", "b2", "b3"]
    for client, home in zip(clients, homes):
        assert {client.get("/", cookies=True).backend for _ in range(5)} == {home}


def test_without_the_sticky_module_stickysession_does_nothing(lab):
    b = members(lab, 2)
    web = lab.httpd(balancer_conf(b, "stickysession=S", routes(b)))
    web.expect_log("LBX0171: balancer://mycluster: stickysession=S has no effect", must=True)
    assert who(web, 4, headers=cookie("r2")) == ["b1", "b2"] * 2


# -- beside others

def test_sessions_stay_while_others_rotate(lab):
    web, _ = sticky(lab)
    owner, stranger = lab.client(web), lab.client(web)
    mine = []
    for _ in range(15):
        mine += who(owner, 1, headers=cookie("r2"))
        who(stranger, 2)
    assert set(mine) == {"b2"}
    await_idle(web)
    assert elected(web) == [15, 15, 15], "newcomers even out what sessions load on one member"


def test_many_users_over_three_children_stay(lab):
    web, b = sticky(lab, children=3)
    headers = {"Cookie": [f"S=u.r{n}" for n in (1, 2, 3)]}  # the n-th request has the n-th of them
    with lab.load(web, requests=1500, connections=24, headers=headers) as run:
        pass
    assert run.result.all_ok, run.result
    homes = collections.Counter((s.n % 3, s.backend) for s in run.result.samples)
    assert homes == {(0, "b1"): 500, (1, "b2"): 500, (2, "b3"): 500}
    await_idle(web)
    assert elected(web) == [500, 500, 500] == [m.requests for m in b]


# -- when the member cannot

def test_a_session_moves_when_its_member_is_down(lab):
    web, b = sticky(lab)
    b[1].refuse()
    web.expect_log(DOWN)
    client = lab.client(web)
    found = [client.get("/", headers=cookie("r2")) for _ in range(4)]
    assert {a.status for a in found} == {200} and {a.backend for a in found} == {"b1", "b3"}


def test_redirect_names_the_member_to_go_to(lab):
    web, b = sticky(lab, per_member=["route=r1 redirect=r3 status=+D", "route=r2", "route=r3"])
    client = lab.client(web)
    assert who(client, 4, headers=cookie("r1")) == ["b3"] * 4
    change(web, b[0], "disabled", "off")
    assert who(client, 4, headers=cookie("r1")) == ["b1"] * 4


def test_redirect_is_followed_in_a_chain_and_a_circle_ends(lab):
    web, b = sticky(lab, per_member=["route=r1 redirect=r2 status=+D",
                                     "route=r2 redirect=r3 status=+D", "route=r3 redirect=r1"])
    client = lab.client(web)
    assert who(client, 3, headers=cookie("r1")) == ["b3"] * 3
    change(web, b[2], "disabled", "on")
    web.expect_log("LBX0162", must=True)
    assert client.get("/", headers=cookie("r1")).status == 503


def test_redirect_does_not_concern_others(lab):
    web, _ = sticky(lab, per_member=["route=r1 redirect=r3", "route=r2", "route=r3"])
    assert set(who(web, 3)) == {"b1", "b2", "b3"}


def test_nofailover_keeps_a_session_from_other_members(lab):
    web, b = sticky(lab, params="stickysession=S nofailover=On")
    b[1].refuse()
    web.expect_log(DOWN)
    web.expect_log(r"LBX0160: balancer://mycluster: All workers .* for route \(r2\)", must=True)
    client = lab.client(web)
    assert [client.get("/", headers=cookie("r2")).status for _ in range(3)] == [503] * 3
    assert b[0].requests == b[2].requests == 0
    assert set(who(client, 4)) == {"b1", "b3"}
    assert who(client, 2, headers=cookie("r3")) == ["b3"] * 2
    assert set(who(client, 4, headers=cookie("gone"))) == {"b1", "b3"}


def test_nofailover_lets_newcomers_fail_over(lab):
    web, b = sticky(lab, n=2, params="stickysession=S nofailover=On")
    b[0].refuse()
    web.expect_log(DOWN)
    assert who(lab.client(web), 3) == ["b2"] * 3


def test_a_draining_member_keeps_its_sessions_and_gets_nobody_new(lab):
    web, b = sticky(lab)
    client = lab.client(web)
    change(web, b[1], "drain", "on")
    assert who(client, 4, headers=cookie("r2")) == ["b2"] * 4
    assert collections.Counter(who(client, 8)) == {"b1": 4, "b3": 4}
    assert set(who(client, 4, headers=cookie("gone"))) == {"b1", "b3"}
    change(web, b[1], "drain", "off")
    assert "b2" in who(client, 3)


@pytest.mark.parametrize("status", ["+D", "+S"])
def test_a_disabled_or_stopped_member_loses_its_sessions(lab, status):
    web, _ = sticky(lab, per_member=["route=r1", f"route=r2 status={status}", "route=r3"])
    assert set(who(web, 4, headers=cookie("r2"))) == {"b1", "b3"}


def test_a_standby_is_reached_by_its_route_only_after_its_namesake(lab):
    web, b = sticky(lab, per_member=["route=r1 status=+H", "route=r2", "route=r1"])
    client = lab.client(web)
    assert who(client, 3, headers=cookie("r1")) == ["b3"] * 3
    change(web, b[2], "disabled", "on")
    assert who(client, 3, headers=cookie("r1")) == ["b1"] * 3
    assert who(client, 3) == ["b2"] * 3


def test_a_members_lbset_is_no_obstacle_to_its_sessions(lab):
    web, _ = sticky(lab, per_member=["route=r1", "route=r2 lbset=1", "route=r3"])
    client = lab.client(web)
    assert who(client, 3, headers=cookie("r2")) == ["b2"] * 3
    assert set(who(client, 4)) == {"b1", "b3"}
