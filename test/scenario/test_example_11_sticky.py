# SPDX-License-Identifier: Apache-2.0
"""conf/examples/sticky.conf: sessions with and without routes."""

import pytest

from core_help import who
from lab import layout
from lab.example import example

STICKY = layout.SUITE_DIR / "mod_lbx_sticky.so"


def start(lab):
    one, two = lab.backend("one"), lab.backend("two")
    return one, two, example(lab, "sticky.conf", {
        f"app-{i}.example.com:{port}": b for port in (8080, 8081) for i, b in ((1, one), (2, two))})


def test_with_routes(lab):
    one, two, web = start(lab)
    web.expect_log("LBX0182|AH00957|AH00959|AH01114")
    assert set(who(web, 4, "/routed/")) == {"one", "two"}
    for n, name in (("n1", "one"), ("n2", "two")):
        assert set(who(web, 3, "/routed/", headers={"Cookie": f"JSESSIONID=x.{n}"})) == {name}
        assert set(who(web, 3, f"/routed/;jsessionid=x.{n}")) == {name}
    one.refuse()
    assert set(who(web, 3, "/routed/", headers={"Cookie": "JSESSIONID=x.n1"})) == {"two"}


@pytest.mark.skipif(not STICKY.exists() or b"LBXStickyAuto" not in STICKY.read_bytes(),
                    reason="no automatic companion cookie in this build")
def test_without_routes(lab):
    one, two, web = start(lab)
    for b in (one, two):  # a session for everybody who has none, as a servlet container does
        b.behave("/", headers={"Set-Cookie": f"JSESSIONID={b.name}-session; Path=/; HttpOnly"})
    users = [lab.client(web) for _ in range(6)]
    homes = []
    for user in users:
        home = user.get("/account/").backend
        assert set(who(user, 5, "/account/")) == {home}
        homes.append(home)
    assert set(homes) == {"one", "two"}
    assert list(one.stats()["last_headers"]["cookie"].split("; ")) == ["JSESSIONID=one-session"]
