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


# -- the table

def shared_memory(web):
    """Bytes of the parent's shared mappings of 2 MB or more."""
    spans = [line.split()[0].split("-") for line in open(f"/proc/{web.pid}/maps")
             if line.split()[1] == "rw-s"]
    sizes = [int(end, 16) - int(start, 16) for start, end in spans]
    return sum(size for size in sizes if size >= 1 << 21)


def test_another_size_of_the_table(lab):
    """What was learned is taken over, and the old table given back; also when nobody learns."""
    backends = members(lab, 3)
    for backend in backends:
        backend.behave("/", "answer", session=f"S={{seq}}of{backend.name}; Path=/")

    def conf(learn):
        return balancer_conf(backends).replace("</Proxy>", f"    {learn}\n</Proxy>")

    def sized(sessions):
        return conf(f"LBXStickyLearn cookie:S sessions={sessions}")

    web = lab.httpd(sized(200000), suite=SUITE)
    at = users(lab, web, 6)
    small = shared_memory(web)
    for size in (400000, 200000, 800000, 300000):
        web.graceful(sized(size), need=1)
        for client, home in at.items():
            assert where(client, 2) == {home}, size
    web.graceful(sized(200000), need=1)
    assert shared_memory(web) == small
    web.graceful(conf("LBXStickyLearn Off"), need=1)
    assert shared_memory(web) < small - (1 << 21)


def test_virtual_hosts_with_balancers_of_one_name(lab):
    """Each has a table of its own, as big as it says, and keeps it."""
    backends = members(lab, 2)
    tell = 'Header always set X-Sticky "expr=%{reqenv:LBX_STICKY}"\n'
    hosts = {name: balancer_conf(backends).replace(
        "</Proxy>", f"    LBXStickyLearn cookie:S sessions={n}\n</Proxy>") + tell
        for name, n in (("one", 64), ("two", 5000))}
    web = lab.httpd(vhost_conf=hosts, suite=SUITE)
    client = lab.client(web)

    def ask(host, session, path="/"):
        headers = {"Host": host, "Cookie": f"S={session}"}
        return client.get(path, headers=headers, cookies=False).headers["X-Sticky"]

    def known(host, n=160):
        return sum(ask(host, f"{host}{i}") == "match" for i in range(n))

    for host in hosts:
        for i in range(160):
            ask(host, "x", f"/?setcookie=S={host}{i}%3B%20Path=/")
    assert 64 <= known("one") <= 128 and known("two") == 160
    assert ask("one", "two9") == ask("two", "one159") == "new", "not the other's"
    web.graceful(need=1)
    assert known("two", 30) == 30
