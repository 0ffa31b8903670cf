# SPDX-License-Identifier: Apache-2.0
"""LBXStickyCookie: a cookie for applications without any; LBXStickyRewrite: one inside theirs.

What it is: what the options do.
What it is not: that users stay (test_sticky_01_modes.py).
"""

import pytest

from core_help import balancer_conf, members
from sticky_help import DOWN, SUITE, attributes, set_cookies, sticky, users, where


def inserted(lab, options="", n=2, params="", before="", **more):
    backends = members(lab, n)
    conf = before + balancer_conf(backends, params).replace(
        "</Proxy>", f"    LBXStickyCookie LB {options}\n</Proxy>")
    conf += 'Header always set X-Sticky "expr=%{reqenv:LBX_STICKY}"\n'
    return lab.httpd(conf, suite=SUITE, **more), backends


@pytest.mark.parametrize("options, want", [
    ("", {"path": "/", "httponly": ""}),
    ("path=/app httponly=off", {"path": "/app"}),
    ("domain=example.com samesite=Strict secure", {"path": "/", "domain": "example.com",
                                                   "samesite": "Strict", "secure": "",
                                                   "httponly": ""}),
    ("samesite=None maxage=1h", {"path": "/", "samesite": "None", "secure": "",
                                 "max-age": "3600", "httponly": ""}),
])
def test_attributes(lab, options, want):
    web, _ = inserted(lab, options, n=1)
    answer = web.get("/")
    assert attributes(set_cookies(answer)["LB"]) == want
    assert answer.headers["Cache-Control"] == "private"


@pytest.mark.parametrize("name", ["__Host-LB", "__Secure-LB", "__secure-LB"])
def test_names_that_browsers_take_with_secure_only(lab, name):
    """Also where TLS has ended before."""
    backends = members(lab, 1)
    conf = balancer_conf(backends).replace("</Proxy>", f"    LBXStickyCookie {name}\n</Proxy>")
    line = set_cookies(lab.httpd(conf, suite=SUITE).get("/"))[name]
    assert attributes(line) == {"path": "/", "secure": "", "httponly": ""}


@pytest.mark.parametrize("scheme, secure", [("https://", True), ("", False)])
def test_tls_that_has_ended_before(lab, scheme, secure):
    """ServerName says with which scheme clients see the server."""
    web, _ = inserted(lab, n=1, before=f"ServerName {scheme}www.example.com\n")
    assert ("secure" in attributes(set_cookies(web.get("/"))["LB"])) == secure


def test_only_when_it_has_to_be_and_nobody_else_sees_it(lab):
    web, (one,) = inserted(lab, n=1)
    client = lab.client(web)
    assert "LB" in set_cookies(client.get("/"))
    client.jar.set("other", "1")
    assert "Set-Cookie" not in client.get("/").headers
    assert one.stats()["last_headers"]["cookie"] == "other=1"


def test_not_indirect(lab):
    web, (one,) = inserted(lab, "indirect=off nocache=off", n=1)
    client = lab.client(web)
    assert all("LB" in set_cookies(client.get("/")) for _ in range(2))
    assert "LB=" in one.stats()["last_headers"]["cookie"]
    assert "Cache-Control" not in client.get("/").headers


def test_if(lab):
    web, _ = inserted(lab, "\"if=%{REQUEST_URI} =~ m#^/app#\"")
    assert "Set-Cookie" not in web.get("/").headers
    assert "LB" in set_cookies(web.get("/app"))


@pytest.mark.parametrize("options, mine", [("", True), ("preserve", False)])
def test_a_member_that_sets_it_itself(lab, options, mine):
    web, (one,) = inserted(lab, options, n=1)
    web.expect_log("LBX0312.*sets the cookie LB itself", must=True)
    one.behave("/", "answer", headers={"Set-Cookie": ["LB=own; Path=/", "other=1"]})
    lines = web.get("/").headers.all("Set-Cookie")
    assert "other=1" in lines and ("LB=own; Path=/" in lines) != mine and len(lines) == 2


def test_dates_end(lab):
    """A value that is older than it may be is that of a new client."""
    web, backends = inserted(lab, "plain maxidle=1h maxlife=1d")
    now = int(web.get("/").headers["Set-Cookie"].split(";")[0].split("~")[1], 16)
    route = web.get("/").headers["Set-Cookie"][3:].split("~")[0]

    def found(issued, seen):
        cookie = f"LB={route}~{issued:x}~{seen:x}"
        return web.get("/", headers={"Cookie": cookie}).headers["X-Sticky"]

    assert found(now, now) == "match" and found(now - 80000, now - 10) == "match"
    assert found(now - 80000, now - 3700) == "expired", "idle for too long"
    assert found(now - 90000, now - 10) == "expired", "alive for too long"
    assert found(now + 90000, now + 90000) == "expired", "not from the day after tomorrow"
    assert web.get("/", headers={"Cookie": f"LB=nobody~{now:x}~{now:x}"}
                   ).headers["X-Sticky"] == "unknown"


def test_a_tired_value_is_set_anew(lab):
    web, _ = inserted(lab, "plain maxidle=1h maxlife=1d", n=1)
    value = web.get("/").headers["Set-Cookie"].split(";")[0]
    route, issued, seen = value[3:].split("~")
    tired = f"LB={route}~{int(issued, 16) - 100:x}~{int(seen, 16) - 1000:x}"
    again = web.get("/", headers={"Cookie": tired}).headers["Set-Cookie"]
    assert int(again.split("~")[1], 16) == int(issued, 16) - 100, "its life goes on"
    assert int(again.split(";")[0].split("~")[2], 16) >= int(seen, 16)
    assert "Set-Cookie" not in web.get("/", headers={"Cookie": value}).headers


def test_the_application_s_route_goes_first(lab):
    backends = members(lab, 2)
    conf = balancer_conf(backends, "stickysession=S", ["route=r1", "route=r2"]).replace(
        "</Proxy>", "    LBXStickyCookie LB\n</Proxy>")
    web = lab.httpd(conf, suite=SUITE)
    client = lab.client(web)
    client.jar.set("S", "x.r2")
    assert where(client, 3) == {"b2"}
    client.jar.set("S", "x.r1")
    assert where(client, 3) == {"b1"}


def test_its_name_is_the_application_s(lab):
    web, _ = inserted(lab, params="stickysession=LB", n=1)
    web.expect_log("LBX0315", must=True)
    assert web.get("/").status == 200


# -- rewritten

def test_the_member_sees_its_own_value(lab):
    web, backends = sticky(lab, "rewritten", n=2)
    client, = users(lab, web, 1)
    value = client.jar.get("S")
    number, _, route = value.partition(".")
    assert number.isdigit() and len(route) == 16
    home = next(b for b in backends if {b.name} == where(client))
    assert home.stats()["last_headers"]["cookie"] == f"S={number}"


def test_with_routes_of_their_own(lab):
    backends = members(lab, 2)
    conf = balancer_conf(backends, "stickysession=S stickysessionsep=!", ["route=r1", "route=r2"])
    web = lab.httpd(conf.replace("</Proxy>", "LBXStickyRewrite On\n</Proxy>"), suite=SUITE)
    client = lab.client(web)
    answer = client.get('/?setcookie=S="a.b"%3B%20Path=/%3B%20HttpOnly')
    assert answer.headers["Set-Cookie"] == f'S="a.b!r{answer.backend[1]}"; Path=/; HttpOnly'
    client.get("/")
    by_name = {b.name: b for b in backends}
    assert by_name[answer.backend].stats()["last_headers"]["cookie"] == 'S="a.b"'
    gone = client.get("/?setcookie=S=x%3B%20Path=/%3B%20Max-Age=0").headers["Set-Cookie"]
    assert gone.startswith("S=x;"), "taken back as it is"


def rewriting(lab, cookie, **options):
    backends = members(lab, 2)
    for backend in backends:
        backend.behave("/", "answer", session=cookie)
    conf = balancer_conf(backends, "stickysession=S", "retry=0").replace(
        "</Proxy>", "    LBXStickyRewrite On\n</Proxy>")
    web = lab.httpd(conf, suite=SUITE, **options)
    web.expect_log(DOWN)
    return web, backends


def begun(lab, web, path="/"):
    """A client of the first member."""
    clients = [lab.client(web) for _ in range(2)]
    client, = (c for c in clients if c.get(path).backend == "b1")
    return client


@pytest.mark.parametrize("line, want", [
    ("Path=/app; SameSite=Lax", {"path": "/app", "samesite": "Lax"}),
    ("Path=/app; Max-Age=3600", {"path": "/app"}),  # how long is that client's own
    ("Path=/app/; Domain=example.com; Secure; HttpOnly; SameSite=None; Partitioned",
     {"path": "/app/", "domain": "example.com", "secure": "", "httponly": "", "samesite": "None",
      "partitioned": ""}),
])
def test_a_moved_session_s_cookie_is_set_as_the_application_does(lab, line, want):
    """Else the client would have two of them, and send the old one first."""
    web, backends = rewriting(lab, f"S={{seq}}; {line}", children=2)
    for client in (one := [lab.client(web, host="www.example.com") for _ in range(2)]):
        client.get("/app/x")
    client, = (c for c in one if "b1" in where(c, 1, "/app/x"))
    backends[0].refuse()
    assert attributes(set_cookies(client.get("/app/x"))["S"]) == want
    backends[0].accept_again()
    assert where(client, 4, "/app/x") == {"b2"}, "it stays"
    assert not set_cookies(client.get("/app/x")), "and is told once"


def test_attributes_that_are_not_for_this_url_are_not_taken(lab):
    """Two applications behind one balancer."""
    web, backends = rewriting(lab, "S={seq}; Path=/")
    for backend in backends:
        backend.behave("/b", "answer", headers={"Set-Cookie": "S=other; Path=/b; SameSite=Lax"})
    client = begun(lab, web, "/a")
    web.get("/b")
    backends[0].refuse()
    assert attributes(set_cookies(client.get("/a"))["S"]) == {"path": "/", "httponly": ""}
    assert where(client, 2, "/a") == {"b2"}


@pytest.mark.parametrize("theirs", [
    "Path=/; Domain=tenant1.example; Max-Age=2592000; SameSite=Lax",
    "Path=/; Max-Age=2592000", "Path=/; Expires=Fri, 31 Dec 2100 23:59:59 GMT",
])
def test_another_users_cookie_decides_nothing_of_ours(lab, theirs):
    """A Domain that the browser would refuse, or a "remember me" that was not asked for."""
    web, backends = rewriting(lab, "S={seq}; Path=/; HttpOnly")
    for backend in backends:
        backend.behave("/login", "answer", headers={"Set-Cookie": f"S=aaa; {theirs}"})
    client = begun(lab, web)
    web.get("/login", headers={"Host": "www.tenant1.example"})
    backends[0].refuse()
    host = {"Host": "www.tenant2.example"}
    line = attributes(set_cookies(client.get("/", headers=host))["S"])
    assert not {"domain", "max-age", "expires"} & set(line), line
    assert line["path"] == "/" and not set_cookies(client.get("/", headers=host)), "once"


def test_only_what_a_member_may_have_set_is_set_again(lab):
    """The value is the client's word: it comes back as it was, or not at all."""
    web, backends = rewriting(lab, "S={seq}; Path=/")
    route = begun(lab, web).jar.get("S").rpartition(".")[2]
    backends[0].refuse()

    def again(value):
        answer = web.get("/", headers={"Cookie": f"S={value}"})
        assert answer.backend == "b2"
        return set_cookies(answer).get("S", "").partition(";")[0].rpartition(".")[0]

    for value in ('1"2', "1<2", "1 2", "1\\2", "1\xe92", "<script>", ""):
        assert again(f"{value}.{route}") == "", value
    assert again(f"1!2.{route}") == "1!2"
    assert again(f'"1!2.{route}"') == '"1!2', "quoted as before"
    assert backends[1].stats()["last_headers"]["cookie"] == 'S="1!2"'


def test_applications_that_write_routes_themselves_keep_theirs(lab):
    """What they set is theirs; what is put behind it is ours, and goes on the way back."""
    backends = members(lab, 2)
    for n, backend in enumerate(backends, 1):
        backend.behave("/", "answer", session=f"S={{seq}}.r{n}; Path=/")
    conf = balancer_conf(backends, "stickysession=S", ["route=r1", "route=r2"])
    web = lab.httpd(conf.replace("</Proxy>", "LBXStickyRewrite On\n</Proxy>"), suite=SUITE)
    client, = users(lab, web, 1)
    home, = where(client, 3)
    seen = {b.name: b for b in backends}[home].stats()["last_headers"]["cookie"]
    assert seen == f"S=1.r{home[1:]}" and client.jar.get("S") == f"1.r{home[1:]}.r{home[1:]}"


def test_rewritten_where_the_whole_value_would_be_the_route(lab):
    web, backends = sticky(lab, "rewritten", n=2, params="stickysessionsep=Off")
    client, = users(lab, web, 1)
    home, = where(client, 3)
    seen = {b.name: b for b in backends}[home].stats()["last_headers"]["cookie"]
    assert seen == f"S={client.jar.get('S').partition('.')[0]}"
