# SPDX-License-Identifier: Apache-2.0
"""LBXStickyLearn: sessions that are learned from answers.

What it is: where ids are looked for, how long they are remembered, and by whom.
What it is not: the table itself (unit tests), that users stay (test_sticky_01_modes.py).
"""

import time

import pytest

from core_help import balancer_conf, members
from lab import eventually
from sticky_help import SUITE, set_cookies, sticky, users, where


def learning(lab, args, n=3, more="", **options):
    backends = members(lab, n)
    conf = balancer_conf(backends).replace("</Proxy>", f"    LBXStickyLearn {args}\n</Proxy>")
    conf += 'Header always set X-Sticky "expr=%{reqenv:LBX_STICKY}"\n'
    return lab.httpd(more + conf, suite=SUITE, **options), backends


def result(web, **kw):
    return web.get("/", **kw).headers["X-Sticky"]


def test_it_sets_no_cookie_and_logs_no_id(lab):
    web, _ = sticky(lab, "learned", loglevel="debug")
    client, = users(lab, web, 1)
    assert set(set_cookies(web.get("/"))) == {"S"}
    where(client, 2)
    assert client.jar.get("S") not in web.error_log()


def test_a_header(lab):
    web, backends = learning(lab, "header:X-Session")
    for backend in backends:
        backend.behave("/login", "answer", headers={"X-Session": f"of-{backend.name}"})
    home = web.get("/login").backend
    session = {"X-Session": f"of-{home}"}
    assert {web.get("/", headers=session).backend for _ in range(4)} == {home}
    assert result(web) == "new"


def test_an_id_that_the_client_chose(lab):
    """Of a path parameter or an expression: whoever answers first keeps it."""
    web, _ = learning(lab, "path:sid")
    home = web.get("/x;sid=abc").backend
    assert {web.get("/y;sid=abc").backend for _ in range(4)} == {home}
    assert len({web.get(f"/y;sid=other{i}").backend for i in range(3)}) > 1
    web, _ = learning(lab, '"expr:%{HTTP:Authorization}"')
    home = web.get("/", headers={"Authorization": "Bearer a"}).backend
    assert {web.get("/", headers={"Authorization": "Bearer a"}).backend for _ in range(4)} == {home}


def test_the_application_ends_it(lab):
    web, _ = learning(lab, "cookie:S")
    client = lab.client(web)
    client.get("/?setcookie=S=one%3B%20Path=/")
    assert result(web, headers={"Cookie": "S=one"}) == "match"
    client.get("/?setcookie=S=one%3B%20Path=/%3B%20Max-Age=0")
    assert result(web, headers={"Cookie": "S=one"}) == "new"


def test_idle_sessions_are_forgotten(lab):
    web, _ = learning(lab, "cookie:S idle=1s")
    web.get("/?setcookie=S=one%3B%20Path=/")
    began = time.monotonic()
    assert result(web, headers={"Cookie": "S=one"}) == "match"
    eventually(lambda: time.monotonic() - began > 2.5, 6, "time passes")
    assert result(web, headers={"Cookie": "S=one"}) == "new"


@pytest.mark.parametrize("store, module", [("shmcb", "socache_shmcb")])
def test_a_store(lab, store, module):
    """Shared by several children; that it forgets at a graceful restart is said beforehand."""
    backends = members(lab, 3)
    for backend in backends:
        backend.behave("/", "answer", session=f"S={{seq}}{backend.name}; Path=/")
    conf = balancer_conf(backends).replace("</Proxy>",
                                           f"    LBXStickyLearn cookie:S store={store}\n</Proxy>")
    web = lab.httpd(conf, suite=SUITE, modules=[module], children=3, start=False)
    web.expect_log("LBX0319")
    code, said = web.configtest()
    assert code == 0 and "LBX0319" in said and "begins empty" in said
    web.start()
    at = users(lab, web, 9)
    for client, home in at.items():
        assert where(client, 3) == {home}


@pytest.mark.parametrize("args, allowed", [
    ("", "must be cookie:NAME"), ("S", "must be cookie:NAME"), ("cookie:", "must be cookie:NAME"),
    ("cookie:S idle=0", "1s to 720h"), ("cookie:S idle=x", "1s to 720h"),
    ("cookie:S sessions=1", "from 64"), ("cookie:S sessions=x", "from 64"),
    ("cookie:S store=nowhere", "loaded provider"), ("cookie:S more", "must be cookie:NAME"),
    ('"expr:%{broken"', "not an expression"),
])
def test_a_bad_value_is_refused(lab, args, allowed):
    web, _ = learning(lab, args, start=False)
    code, said = web.configtest()
    assert code != 0 and "LBXStickyLearn" in said and allowed in said


@pytest.mark.parametrize("where_to", ["sessions=64", "store=shmcb"])
def test_made_up_ids_are_not_learned(lab, where_to):
    web, _ = learning(lab, f"cookie:S {where_to}", modules=["socache_shmcb"])
    web.expect_log("LBX0319")
    web.get("/?setcookie=S=honest%3B%20Path=/")
    client = lab.client(web)
    for i in range(300):
        client.get("/", headers={"Cookie": f"S=made-up-{i}"})
    assert result(web, headers={"Cookie": "S=made-up-299"}) == "new"
    assert result(web, headers={"Cookie": "S=honest"}) == "match"


def test_a_store_has_room_for_many(lab):
    """shmcb puts entries into compartments by the first byte of their key."""
    web, _ = learning(lab, "cookie:S store=shmcb", modules=["socache_shmcb"])
    web.expect_log("LBX0319")
    client = lab.client(web)
    for i in range(300):
        client.get(f"/?setcookie=S=many-{i}%3B%20Path=/", headers={"Cookie": f"S=many-{i}"})
    found = [client.get("/", headers={"Cookie": f"S=many-{i}"}).headers["X-Sticky"]
             for i in range(300)]
    assert set(found) == {"match"}
