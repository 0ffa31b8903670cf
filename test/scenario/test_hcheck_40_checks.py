# SPDX-License-Identifier: Apache-2.0
"""Active checks: each method, what a good answer is, and how a verdict comes about.

What it is: real members that really refuse, hang and answer wrongly.
What it is not: TLS (41), children, reloads and schedules (42), values that are refused (43).
"""

from __future__ import annotations

import pytest
from core_help import members, who
from hcheck_help import (FAST, SUITE, Listener, await_checks, await_state, balancer, checked,
                         checks, is_down, is_up)

from lab import eventually


@pytest.mark.parametrize("method, request_line", [
    ("OPTIONS", "OPTIONS *"), ("HEAD", "HEAD /check"), ("GET", "GET /check"),
    ("OPTIONS11", "OPTIONS *"), ("HEAD11", "HEAD /check"), ("GET11", "GET /check"), ("TCP", None)])
def test_hcheck_40_down_until_it_answers(lab, method, request_line):
    one, two = members(lab, 2)
    web = lab.httpd(balancer([one, two], f"hcmethod={method} hcuri=/check {FAST}"), suite=SUITE)
    if request_line:
        eventually(lambda: checks(one, request_line) > 0, what=f"{request_line} reaches the member")
    one.refuse()
    await_state(web, one, is_down)
    assert set(who(web, 4)) == {"b2"}
    # one that was under way is broken off
    lines = web.await_log(r"member \S+:%d is down .*(no connection, Connection refused"
                          r"|connection closed, .*reset by peer)" % one.port)
    assert len(lines) == 1 and ":notice]" in lines[0], lines
    one.accept_again()
    await_state(web, one, is_up)
    assert set(who(web, 4)) == {"b1", "b2"}
    kinds = [e["kind"] for e in web.lab_state("/-lab/events")["events"]
             if e["who"] == "health" and str(one.port) in e["member"]]
    assert kinds[:2] == ["down", "up"], kinds


def test_hcheck_40_causes(lab):
    """Status, body, expression, headers, silence, garbage: each verdict says what was wrong."""
    names = ["status", "listed", "body", "expr", "header", "hang", "close", "garbage", "good"]
    by = {name: lab.backend(name) for name in names}
    by["status"].behave("/", "answer", status=500)
    by["listed"].behave("/", "answer", status=302)
    by["body"].behave("/", "answer", body="not ready")
    by["expr"].behave("/", "answer", body="maintenance")
    by["header"].behave("/", "answer", headers={"X-State": "drain"})
    by["hang"].behave("/", "hang")
    by["close"].behave("/", "close")
    by["garbage"].behave("/", "garbage", data="nonsense\r\n\r\n", end="close")
    by["good"].behave("/", "answer", status=404, body="all is well", headers={"X-State": "open"})
    get = "hcmethod=GET11 hcinterval=100ms hctimeout=500ms"
    own = [f"{get}", f"{get} hcstatus=200-299,404", f'{get} "hcbody=is ready"',
           f"{get} hcexpr=working", f"{get} hcexpr=open", *[get] * 3,
           f'{get} hcstatus=200,404 "hcbody=is well" hcexpr=open']
    web = lab.httpd("ProxyHCExpr working {hc('body') !~ /maintenance/}\n"
                    "ProxyHCExpr open {resp('X-State') == 'open' && %{REQUEST_STATUS} =~ /^[24]/}\n"
                    + balancer(list(by.values()), own), suite=SUITE)
    for name, cause, text in [
            ("status", "status", "status 500"), ("listed", "status", "status 302"),
            ("body", "body", "'is ready' is not in the answer's body"), ("expr", "body", "working"),
            ("header", "body", "open"), ("hang", "timeout", "no answer within 500ms"),
            ("close", "connection closed", ""), ("garbage", "", "")]:
        await_state(web, by[name], is_down)
        found = checked(web, by[name])
        assert found["state"] == "down" and cause in found["cause"], (name, found)
        assert text in found["text"], (name, found)
    assert await_checks(web, by["good"], 3)["state"] == "up"
    assert checked(web, by["good"])["failed"] == 0
    # what is mended is back
    by["body"].behave("/", "answer", body="it is ready")
    by["expr"].normal()
    by["hang"].normal()
    for name in ("body", "expr", "hang"):
        await_state(web, by[name], is_up)


def test_hcheck_40_consecutive(lab):
    """hcfails=3 and a member that fails every 4th check: it stays up.  hcpasses=3 likewise."""
    one, two = members(lab, 2)
    one.behave("/", "answer", status=200)
    web = lab.httpd(balancer([one, two], "hcmethod=GET11 hcuri=/c hcinterval=100ms hcfails=3 "
                                         "hcpasses=3"), suite=SUITE)
    for _ in range(4):
        before = checked(web, one)
        one.behave("/c", "answer", status=500, times=1)
        eventually(lambda: checked(web, one)["failed"] > before["failed"], what="a failed check")
        eventually(lambda: checked(web, one)["passes_in_row"] >= 3, what="good ones after it")
    assert checked(web, one)["failed"] >= 4 and not web.log_lines("is down")
    one.behave("/c", "answer", status=500)
    await_state(web, one, is_down)
    assert checked(web, one)["fails_in_row"] >= 3
    one.behave("/c", "answer", status=200)
    await_state(web, one, is_up)
    assert checked(web, one)["passes_in_row"] >= 3
    assert len(web.log_lines("is down")) == 1


def test_hcheck_40_what_is_sent(lab):
    """Path, Host and headers; a member with a path; another port; templates."""
    app, other, host = lab.backend("app"), lab.backend("other"), lab.backend("host")
    at = lab.backend("at")
    conf = f"""
        ProxyHCTemplate usual hcmethod=GET hcinterval=100ms hcuri=/usual
        LBXHCTemplate long hcmethod=HEAD11 hcinterval=100ms hcuri=/{'x' * 200}
        <Proxy "balancer://mycluster">
            BalancerMember "{app.url}/app/" hctemplate=usual
            BalancerMember "{other.url}" hctemplate=long
            BalancerMember "{host.url}" hctemplate=usual hcuri=?q=1 hchost=www.example.org \
"hcheader=X-Probe: yes please" "hcheader2=X-Other: 2"
            BalancerMember "http://localhost:{lab.port()}" hctemplate=usual hcport={at.port} \
hcaddr=127.0.0.1
        </Proxy>
        ProxyPass "/" "balancer://mycluster/"
    """
    web = lab.httpd(conf, suite=SUITE)
    eventually(lambda: checks(app, "GET /app/usual"), what="the member's own path goes before")
    eventually(lambda: checks(other, f"HEAD /{'x' * 200}"), what="a long hcuri")
    eventually(lambda: checks(host, "GET /?q=1"), what="a query alone")
    eventually(lambda: checks(at, "GET /usual"), what="hcport=")
    headers = {k.lower(): v for k, v in dict(host.stats()["last_headers"]).items()}
    assert headers["host"] == "www.example.org" and headers["x-probe"] == "yes please"
    assert headers["x-other"] == "2"
    assert all(m["inelig"] == 0 for b in web.lab_state()["balancers"] for m in b["members"])


def test_hcheck_40_unix_socket(lab):
    one, two = lab.backend("b1", unix=True), lab.backend("b2", unix=True)
    web = lab.httpd(balancer([one, two], f"hcmethod=GET11 hcuri=/c {FAST}"), suite=SUITE)
    eventually(lambda: checks(one, "GET /c") and checks(two, "GET /c"), what="both are checked")
    one.kill()
    await_state(web, one, is_down)
    assert is_up_now(web, two)
    one.restart()
    await_state(web, one, is_up)


def is_up_now(web, member):
    return checked(web, member)["state"] == "up"


def test_hcheck_40_hung_members_hold_nobody_up(lab):
    """A third of the members hangs: they are down, and the others have had many checks."""
    good, hung = members(lab, 4), [lab.backend(f"h{i}") for i in range(2)]
    for h in hung:
        h.stop()
    web = lab.httpd(balancer(good + hung, "hcmethod=GET11 hcuri=/c hcinterval=200ms hctimeout=5s"),
                    suite=SUITE)
    for member in good:
        await_checks(web, member, 10, within=20)
    for h in hung:
        assert checked(web, h)["checks"] <= checked(web, good[0])["checks"] // 4
        h.cont()


def ajp(conn):
    """CPONG for each CPING."""
    while conn.recv(5) == b"\x12\x34\x00\x01\x0a":
        conn.sendall(b"AB\x00\x01\x09")


def test_hcheck_40_cping(lab):
    """A good answer, none, a wrong one, and a port where nobody is."""
    with Listener(lab, ajp, "ajp") as good, \
            Listener(lab, lambda c: c.recv(9) and c.recv(9), "ajp") as silent, \
            Listener(lab, lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "ajp") as wrong:
        web = lab.httpd(balancer([good, silent, wrong],
                                 "hcmethod=CPING hcinterval=100ms hctimeout=500ms"),
                        suite=SUITE, modules=("proxy_ajp",))
        await_state(web, silent, is_down)
        await_state(web, wrong, is_down)
        assert checked(web, silent)["cause"] == "timeout"
        assert "CPONG" in checked(web, wrong)["text"] or checked(web, wrong)["cause"] == "body"
        assert await_checks(web, good, 3)["failed"] == 0
        web.stop()


def test_hcheck_40_http2(lab):
    """An h2c:// member: prior knowledge, as requests have it."""
    origin = lab.httpd("Protocols h2c http/1.1\nAlias /c ${LAB_DIR}/htdocs/index.html\n"
                       "<Directory ${LAB_DIR}/htdocs>\nRequire all granted\n</Directory>\n"
                       'CustomLog ${LAB_DIR}/logs/h2.log "%H %m %U"', suite=(), modules=("http2",))
    web = lab.httpd(f"""
        <Proxy "balancer://mycluster">
            BalancerMember "h2c://127.0.0.1:{origin.port}" hcmethod=GET11 hcuri=/c {FAST}
        </Proxy>
    """, suite=SUITE, modules=("http2", "proxy_http2"))
    seen = origin.dir / "logs" / "h2.log"
    eventually(lambda: seen.exists() and "HTTP/2.0 GET /c" in seen.read_text(), what="a check by h2")
    assert await_checks(web, origin_member(origin), 2)["failed"] == 0


def origin_member(origin):
    return type("Member", (), {"port": origin.port, "path": None})
