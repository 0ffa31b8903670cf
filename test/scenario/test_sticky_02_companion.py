# SPDX-License-Identifier: Apache-2.0
"""The companion: the cookie that goes with the application's own.

What it is: when it is set and taken back, with which attributes, who sees it.
What it is not: that users stay (test_sticky_01_modes.py).
"""

import pytest

from core_help import balancer_conf, members, who
from lab import eventually
from sticky_help import SUITE, attributes, set_cookies, sticky, users, where

OURS = "S-lbx"


def plain(lab, n=1, more="", params="stickysession=S", **options):
    """Members that set what ?setcookie= says."""
    backends = members(lab, n)
    conf = balancer_conf(backends, params).replace("</Proxy>", f"    {more}\n</Proxy>")
    return lab.httpd(conf, suite=SUITE, **options), backends


def sets(web, line):
    """The companion's line in the answer to an application that sets this one, or None."""
    return set_cookies(web.get(f"/a/b?setcookie={line.replace(';', '%3B').replace(' ', '%20')}")
                       ).get(OURS)


def test_it_takes_over_the_attributes(lab):
    web, _ = plain(lab)
    for line, want in [
        ("S=x", {"path": "/a", "httponly": ""}),
        ("S=x; Path=/", {"path": "/", "httponly": ""}),
        ("S=x; Path=/a; Secure; SameSite=Lax", {"path": "/a", "secure": "", "samesite": "Lax",
                                                "httponly": ""}),
        ("S=x; Path=/; SameSite=None; Secure; Partitioned",
         {"path": "/", "secure": "", "samesite": "None", "partitioned": "", "httponly": ""}),
        ("S=x; Path=/; Domain=example.com; Max-Age=3600",
         {"path": "/", "domain": "example.com", "max-age": "3600", "httponly": ""}),
    ]:
        assert attributes(sets(web, line)) == want, line
    far = attributes(sets(web, "S=x; Path=/; Expires=Fri, 31 Dec 2100 23:59:59 GMT"))
    assert int(far["max-age"]) > 86400


@pytest.mark.parametrize("name", ["__Host-S", "__Secure-S"])
def test_names_that_browsers_take_with_secure_only(lab, name):
    web, _ = plain(lab, params=f"stickysession={name}")
    line = set_cookies(web.get(f"/?setcookie={name}=x%3B%20Path=/"))[f"{name}-lbx"]
    assert "secure" in attributes(line)


@pytest.mark.parametrize("name", ["__Host-WHERE", "__host-WHERE"])
def test_a_name_that_allows_the_whole_site_only(lab, name):
    """Browsers throw it away with another Path or a Domain, whatever the application's has."""
    web, _ = plain(lab, more=f"LBXStickyAuto On name={name}")
    for line in ("S=x; Path=/app", "S=x; Path=/; Domain=example.com", "S=x"):
        got = web.get(f"/app/x?setcookie={line.replace(';', '%3B').replace(' ', '%20')}")
        assert attributes(set_cookies(got)[name]) == {"path": "/", "secure": "", "httponly": ""}, line
    client = lab.client(web)
    client.get("/app/x?setcookie=S=x%3B%20Path=/app")
    assert name in client.jar
    client.get("/app/x?setcookie=S=x%3B%20Path=/app%3B%20Max-Age=0")
    assert name not in client.jar, "it goes all the same"


def test_it_goes_with_the_application_s(lab):
    web, _ = plain(lab)
    client = lab.client(web)
    client.get("/?setcookie=S=x%3B%20Path=/")
    assert OURS in client.jar
    client.get("/?setcookie=S=x%3B%20Path=/other%3B%20Max-Age=0")
    assert OURS in client.jar, "another cookie of the same name was taken back"
    client.get("/?setcookie=S=x%3B%20Path=/%3B%20Max-Age=0")
    assert OURS not in client.jar
    for line in ("S=%3B%20Path=/", "S=x%3B%20Path=/%3B%20Expires=Thu, 01 Jan 1970 00:00:00 GMT"):
        client.get("/?setcookie=S=x%3B%20Path=/")
        client.get("/?setcookie=" + line.replace(" ", "%20"))
        assert OURS not in client.jar, line


def test_without_the_application_s_it_says_nothing(lab):
    web, backends = sticky(lab)
    client, = users(lab, web, 1)
    token = client.jar.get(OURS)
    found = {web.get("/", headers={"Cookie": f"{OURS}={token}"}).backend for _ in range(6)}
    assert found == {"b1", "b2", "b3"}


def test_members_do_not_see_it(lab):
    web, (one,) = plain(lab)
    client = lab.client(web)
    client.get("/?setcookie=S=x%3B%20Path=/")
    client.jar.set("other", "1")
    client.get("/")
    assert sorted(one.stats()["last_headers"]["cookie"].split("; ")) == ["S=x", "other=1"]
    token = client.jar.get(OURS)
    web.get("/", headers={"Cookie": f"{OURS}={token}"})
    assert "cookie" not in one.stats()["last_headers"]


def test_not_where_the_application_says_it_itself(lab):
    web, backends = sticky(lab, "route", more="LBXStickyAuto On")
    answer = web.get("/")
    assert set(set_cookies(answer)) == {"S"}


def test_off(lab):
    web, _ = plain(lab, more="LBXStickyAuto Off")
    assert sets(web, "S=x; Path=/") is None


def test_a_name_of_its_own(lab):
    web, _ = plain(lab, more="LBXStickyAuto On name=WHERE")
    assert set(set_cookies(web.get("/?setcookie=S=x"))) == {"S", "WHERE"}


def test_plain_shows_the_route(lab):
    backends = members(lab, 2)
    conf = balancer_conf(backends, "stickysession=S", ["route=left", ""])
    web = lab.httpd(conf.replace("</Proxy>", "LBXStickyAuto On plain\n</Proxy>"), suite=SUITE)
    web.expect_log("LBX0311", must=True)
    lines = {set_cookies(web.get("/?setcookie=S=x"))[OURS].split(";")[0] for _ in range(4)}
    assert "left" in lines and len(lines) == 2
    automatic, = lines - {"left"}
    assert len(automatic) == 16, "equal on every node: it is made of the member's name"


def test_an_answer_that_re_pins_is_not_for_caches(lab):
    web, backends = sticky(lab, n=2)
    web.expect_log("AH00957|AH01114|LBX0182")
    at = users(lab, web, 2)
    client = next(c for c, home in at.items() if home == "b1")
    backends[0].refuse()
    answer = client.get("/")
    assert answer.backend == "b2" and OURS in set_cookies(answer)
    assert answer.headers["Cache-Control"] == "private"
    assert OURS not in set_cookies(client.get("/")), "once"


# -- values

def test_forged_foreign_and_damaged_values_are_new_clients(lab):
    web, _ = sticky(lab)
    client, = users(lab, web, 1)
    token = client.jar.get(OURS)
    for value in [token[:-1], token[:-1] + ("A" if token[-1] != "A" else "B"), token + "A", "x",
                  "", "b1", "A" * 28, token[::-1], '"' + token, "A" * 4000]:
        got = {web.get("/", headers={"Cookie": f"S=1; {OURS}={value}"}).backend for _ in range(3)}
        assert got == {"b1", "b2", "b3"}, value
    assert where(client, 3) == {next(iter(where(client)))}


def test_of_several_the_newest_counts(lab):
    web, backends = sticky(lab)
    first, = users(lab, web, 1)
    home = next(iter(where(first)))
    old = first.jar.get(OURS)
    eventually(lambda: first.get("/?setcookie=S=2%3B%20Path=/").status == 200
               and first.jar.get(OURS) != old, 5, "a second later, the value is another")
    new = first.jar.get(OURS)
    for cookie in (f"{OURS}={old}; {OURS}={new}", f"{OURS}={new}; {OURS}={old}"):
        assert web.get("/", headers={"Cookie": f"S=1; {cookie}"}).backend == home


def test_keys_are_shared_and_rotated(lab):
    """A second node with the same key knows the first one's clients; so does one that has it as
    previous=, and one with another key does not."""
    backends = members(lab, 2)
    for backend in backends:
        backend.behave("/", "answer", session="S={seq}; Path=/")

    def node(key):
        conf = balancer_conf(backends, "stickysession=S")
        return lab.httpd(conf + f"LBXStickyKey balancer://mycluster {key}\n", suite=SUITE)

    old, new = "a-secret-of-some-length", "another-secret-as-long"
    first = node(old)
    at = users(lab, first, 4)

    def knows(web):
        return all({web.get("/", headers={"Cookie": f"S=1; {OURS}={c.jar.get(OURS)}"}).backend
                    for _ in range(4)} == {home} for c, home in at.items())

    assert knows(node(old)) and knows(node(f"{new} previous={old}")) and not knows(node(new))


def test_the_secret_is_for_nobody_else(lab):
    web, _ = sticky(lab)
    found = list(web.dir.rglob("lbx-sticky.key"))
    assert len(found) == 1 and found[0].stat().st_mode & 0o777 == 0o600


# -- bad values

@pytest.mark.parametrize("line, allowed", [
    ("LBXStickyAuto", "must be On"), ("LBXStickyAuto Maybe", "must be On"),
    ("LBXStickyAuto Off plain", "must be On"), ("LBXStickyAuto On name=a;b", "must be On"),
    ("LBXStickyRewrite", "must be On or Off"), ("LBXStickyRewrite 1", "must be On or Off"),
    ("LBXStickyKey", "must be a secret"), ("LBXStickyKey short", "at least 16 characters"),
    ("LBXStickyKey previous=sixteen-characters", "one secret first"),
    ("LBXStickyKey file:/does/not/exist", "can be read"),
    ("LBXStickyCookie", "must be the name of a cookie"),
    ("LBXStickyCookie a=b", "must be the name of a cookie"),
    ("LBXStickyCookie " + "x" * 64, "shorter than 64"),
    ("LBXStickyCookie LB color=red", "must be path="), ("LBXStickyCookie LB path=x", "begins with /"),
    ("LBXStickyCookie LB path=/;x", "begins with /"), ("LBXStickyCookie LB domain=", "a domain"),
    ("LBXStickyCookie LB secure=maybe", "On, Off or Auto"),
    ("LBXStickyCookie LB httponly=x", "On or Off"), ("LBXStickyCookie LB samesite=x", "Lax, Strict"),
    ("LBXStickyCookie LB maxage=0", "a time from 1s"), ("LBXStickyCookie LB maxidle=x", "a time"),
    ("LBXStickyCookie LB maxlife=401d", "a time from"), ("LBXStickyCookie LB path", "begins with /"),
    ("LBXStickyCookie LB indirect=x", "On or Off"), ("LBXStickyCookie LB preserve=x", "On or Off"),
    ("LBXStickyCookie LB nocache=x", "On or Off"), ("LBXStickyCookie LB plain=x", "On or Off"),
    ('LBXStickyCookie LB "if=%{broken"', "an expression"),
    ("LBXStickyCookie __Host-LB path=/x", "no domain= and no path="),
    ("LBXStickyCookie __host-LB domain=x", "no domain= and no path="),
    ("LBXStickyCookie __Secure-LB secure=Off", "must not be Off"),
    ("LBXStickyCookie LB samesite=None secure=Off", "must not have secure=Off"),
])
def test_a_bad_value_is_refused(lab, line, allowed):
    conf = balancer_conf(members(lab, 1)).replace("</Proxy>", f"{line}\n</Proxy>")
    code, said = lab.httpd(conf, suite=SUITE, start=False).configtest()
    assert code != 0 and line.split()[0] in said and allowed in said
