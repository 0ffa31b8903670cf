# SPDX-License-Identifier: Apache-2.0
"""In each mode: a client stays with its member, whatever children come and go.

What it is: many users over several children, a graceful reload and a killed child in between; a
member that dies; and the guide's own configuration.
What it is not: what cookies look like (test_sticky_02_companion, _03_cookie).
"""

import collections

import pytest

from core_help import balancer_conf, change, members, who
from lab import eventually
from sticky_help import DOWN, MODES, SUITE, conf_of, sticky, users, where


@pytest.mark.parametrize("mode", MODES)
def test_users_stay(lab, mode):
    web, backends = sticky(lab, mode, children=3)
    with lab.load(web, requests=900, connections=60, cookies=True) as run:
        run.await_count(200)
        web.graceful(conf_of(backends, mode), need=1)
        run.await_count(500)
        web.kill_child()
    wrong = {user: dict(seen) for user, seen in run.result.users.items() if len(seen) > 1}
    assert not wrong and len(run.result.users) == 60, run.result
    assert min(collections.Counter(next(iter(s)) for s in run.result.users.values()).values()) >= 10


@pytest.mark.parametrize("mode", MODES)
def test_a_dead_members_users_move_once(lab, mode):
    web, backends = sticky(lab, mode, per_member="retry=0")
    web.expect_log(DOWN)
    at = users(lab, web, 9)
    assert sorted(collections.Counter(at.values()).values()) == [3, 3, 3], "new ones even out"
    backends[0].refuse()
    if mode == "route":  # the application on the new member knows nothing of the session
        for backend in backends:
            backend.behave("/", "answer",
                           headers={"Set-Cookie": f"S=n.r{backend.name[1:]}; Path=/"})
    for client, home in at.items():
        found = where(client, 3)
        assert len(found) == 1, "it moves once"
        assert home == "b1" or found == {home}, "nobody else moves"
        at[client] = next(iter(found))
    backends[0].accept_again()
    for client, home in at.items():
        assert where(client, 2) == {home}, "and stays there"
    assert "b1" in who(web, 9), "though it is back"


def test_the_guides_configuration(lab):
    """stickysession=JSESSIONID, no route=, and an application that sets a plain JSESSIONID."""
    backends = members(lab, 2)
    for backend in backends:
        backend.behave("/", "answer", session="JSESSIONID={seq}ABCDEF; Path=/; HttpOnly")
    web = lab.httpd(balancer_conf(backends, "stickysession=JSESSIONID"), suite=SUITE)
    at = users(lab, web, 8)
    assert collections.Counter(at.values()) == {"b1": 4, "b2": 4}
    for client, home in at.items():
        assert where(client, 5) == {home}
    assert set(who(web, 4)) == {"b1", "b2"}, "without a cookie: balanced"


@pytest.mark.parametrize("mode", MODES)
def test_nofailover_refuses_the_dead_members_users_only(lab, mode):
    web, backends = sticky(lab, mode, n=2, params="nofailover=On", per_member="retry=0")
    web.expect_log(f"{DOWN}|LBX0160")
    at = users(lab, web, 4)
    backends[0].refuse()
    for client, home in at.items():
        assert client.get("/").status == (503 if home == "b1" else 200)
    backends[0].accept_again()
    for client, home in at.items():
        assert where(client, 2) == {home}, "still its own"


@pytest.mark.parametrize("mode", [m for m in MODES if m not in ("route", "learned")])
def test_after_a_full_restart(lab, mode):
    """The secret is kept in a file of the runtime directory."""
    web, backends = sticky(lab, mode)
    at = users(lab, web, 6)
    web.stop()
    web.start()
    for client, home in at.items():
        assert where(client, 2) == {home}


@pytest.mark.parametrize("mode", MODES)
def test_a_draining_member_keeps_its_users_until_draintimeout(lab, mode):
    web, backends = sticky(lab, mode, n=2, per_member="draintimeout=700ms")
    at = users(lab, web, 4)
    if mode == "route":
        for b in backends:
            b.behave("/", "answer", headers={"Set-Cookie": f"S=n.r{b.name[1:]}; Path=/"})
    change(web, backends[0], "drain", "on")
    ours = [client for client, home in at.items() if home == "b1"]
    assert who(web, 3) == ["b2"] * 3, "nobody new"
    eventually(lambda: where(ours[0]) == {"b2"}, what="then they move")
    assert all(where(client, 2) == {"b2"} for client in ours)
    change(web, backends[0], "drain", "off")
    assert all(where(client, 2) == {"b2"} for client in ours), "and stay there"


def test_a_draining_member_keeps_its_users(lab):
    web, backends = sticky(lab, "companion", n=2)
    at = users(lab, web, 4)
    change(web, backends[0], "drain", "on")
    for client, home in at.items():
        assert where(client, 3) == {home}
