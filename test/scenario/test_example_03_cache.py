# SPDX-License-Identifier: Apache-2.0
"""conf/examples/cache.conf: mod_cache in front of a balancer."""

from core_help import who
from lab import eventually
from lab.example import example


def start(lab):
    backends = [lab.backend("one"), lab.backend("two")]
    fresh = {"Cache-Control": "max-age=600", "Set-Cookie": "JSESSIONID=secret.p1; Path=/portal"}
    for b in backends:
        b.behave("/static", headers=fresh, body="body { }")
        b.behave("/icons", headers=fresh, body="icon")
        b.behave("/page", headers=fresh)
        b.behave("/private", headers={"Cache-Control": "private", "Set-Cookie": "JSESSIONID=x.p1"})
    where = lab.dir / "cache"
    where.mkdir()
    where.chmod(0o777)  # httpd's children run as another user
    web = example(lab, "cache.conf", {"portal-1.example.com:8080": backends[0],
                                      "portal-2.example.com:8080": backends[1]},
                  defines={"LBX_CACHE": where})
    return web, *backends


def hit(web, path, **kw):
    answer = web.get(path, **kw)
    return answer if (answer.headers.get("X-Cache") or "").startswith("HIT") else None


def test_static_files_come_from_the_cache_without_cookies(lab):
    web, one, two = start(lab)
    for path in ("/portal/static/site.css", "/portal/icons/logo"):
        mine = {"Cookie": "JSESSIONID=mine.p2"}
        web.get(path, headers=mine)
        answer = eventually(lambda p=path: hit(web, p, headers=mine), what=f"{path} is cached")
        assert not answer.headers.all("Set-Cookie"), answer
        asked = one.requests + two.requests
        assert all(hit(web, path) for _ in range(5))
        assert one.requests + two.requests == asked
    stored = b"".join(p.read_bytes() for p in (lab.dir / "cache").rglob("*") if p.is_file())
    assert b"site.css" in stored and b"secret" not in stored
    # the member never learns whose session asks for a file
    assert "cookie" not in one.stats()["last_headers"]


def test_everything_else_is_sticky_as_ever(lab):
    web, one, two = start(lab)
    assert set(who(web, 6, "/portal/page", headers={"Cookie": "JSESSIONID=a.p2"})) == {"two"}
    assert set(who(web, 6, "/portal/private", headers={"Cookie": "JSESSIONID=a.p1"})) == {"one"}
    assert web.get("/portal/page").headers["Set-Cookie"]


def test_the_cache_answers_when_nobody_else_does(lab):
    web, one, two = start(lab)
    web.expect_log("LBX016|LBX018|AH00957|AH00959|AH01114|AH01102|AH00898")
    path = "/portal/static/site.css"
    web.get(path)
    eventually(lambda: hit(web, path), what="it is cached")
    one.refuse()
    assert set(who(web, 4, "/portal/page")) == {"two"}  # health is what it is
    two.refuse()
    assert web.get("/portal/page").status == 503
    assert hit(web, path).text == "body { }"
