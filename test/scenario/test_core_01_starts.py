# SPDX-License-Identifier: Apache-2.0
"""The balancer starts, and a request comes through it as it would through the stock balancer.

What it is: the configurations that everybody begins with, and the ways in which a request (its
path, its body, its Host) reaches a member.
What it is not: which member gets it (test_core_02 and on).
"""

import subprocess

import pytest

from core_help import await_idle, balancer_conf, balancer_state, elected, members, who
from lab import eventually

STOCK = dict(suite=(), modules=("slotmem_shm", "proxy_balancer", "lbmethod_byrequests", "rewrite"))
OURS = dict(modules=("rewrite",))

# as in any tutorial; only the members' host:port and the port to listen on are the lab's
TUTORIAL = """
<VirtualHost *:{port}>
    ServerName your-app.com

    <Proxy balancer://mycluster>
        BalancerMember http://{one}
        BalancerMember http://{two}
        ProxySet lbmethod=byrequests
    </Proxy>

    ProxyPreserveHost On
    ProxyPass / balancer://mycluster/
    ProxyPassReverse / balancer://mycluster/
</VirtualHost>
"""


def tutorial(lab, **options):
    one, two = members(lab, 2)
    text = TUTORIAL.format(port="${LAB_PORT}", one=f"127.0.0.1:{one.port}",
                           two=f"127.0.0.1:{two.port}")
    return lab.httpd(text, **options), one, two


def seen_by_member(lab, conf_of, requests, **options):
    """What a member gets when these paths are asked for: [method, target]..., and the answers'
    statuses; conf_of(member) is the configuration."""
    b = lab.backend()
    client = lab.client(lab.httpd(conf_of(b), **options))
    statuses = [client.get(path).status for path in requests]
    return [a.target for a in b.arrivals()], statuses


def assert_like_stock(lab, conf_of, requests):
    ours = seen_by_member(lab, conf_of, requests, **OURS)
    assert ours == seen_by_member(lab, conf_of, requests, **STOCK)
    return ours


# -- start

def test_one_member_one_request(lab):
    (b,) = members(lab, 1)
    web = lab.httpd(balancer_conf([b]))
    answer = web.get("/")
    assert (answer.status, answer.text) == (200, "b1\n") and b.requests == 1
    await_idle(web)
    assert elected(web) == [1] and balancer_state(web)["requests"] == 1


def test_no_slotmem_module_is_needed(lab):
    web = lab.httpd(balancer_conf(members(lab, 2)))
    loaded = subprocess.run([*web.argv, "-M"], text=True, check=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    assert "lbx_core_module" in loaded and "slotmem" not in loaded
    assert who(web, 2) == ["b1", "b2"]


def test_each_request_of_a_connection_is_balanced_anew(lab):
    web = lab.httpd(balancer_conf(members(lab, 2)))
    assert who(lab.client(web), 4) == ["b1", "b2", "b1", "b2"]


# -- the tutorial

def test_tutorial_passes_configtest(lab):
    web, _, _ = tutorial(lab, start=False)
    code, said = web.configtest()
    assert code == 0 and "Syntax OK" in said, said


def test_tutorial_balances(lab):
    web, one, two = tutorial(lab)
    client = lab.client(web, host="your-app.com")
    assert who(client, 6) == ["b1", "b2"] * 3
    assert (one.requests, two.requests) == (3, 3)


def test_tutorial_preserves_the_host(lab):
    web, one, _ = tutorial(lab)
    assert web.get("/", headers={"Host": "your-app.com"}).backend == "b1"
    assert one.stats()["last_headers"]["host"] == "your-app.com"


def test_without_preserving_the_member_is_the_host(lab):
    (b,) = members(lab, 1)
    assert lab.httpd(balancer_conf([b])).get("/", headers={"Host": "your-app.com"}).ok
    assert b.stats()["last_headers"]["host"] == f"127.0.0.1:{b.port}"


def test_tutorial_rewrites_a_redirect_of_either_member(lab):
    web, one, two = tutorial(lab)
    for b in (one, two):
        b.behave("/", status=302, headers={"Location": f"{b.url}/login?x=1"})
    client = lab.client(web, host=f"your-app.com:{web.port}")
    found = [client.get("/") for _ in range(2)]
    assert [(a.status, a.backend) for a in found] == [(302, "b1"), (302, "b2")]
    assert {a.headers["Location"] for a in found} == {
        f"http://your-app.com:{web.port}/login?x=1"}


def test_tutorial_leaves_a_redirect_elsewhere_alone(lab):
    web, one, _ = tutorial(lab)
    one.behave("/", status=302, headers={"Location": "http://sso.example/login"})
    assert web.get("/").headers["Location"] == "http://sso.example/login"


def test_cookie_path_and_domain_of_a_member_are_rewritten(lab):
    (b,) = members(lab, 1)
    b.behave("/", headers={"Set-Cookie": "S=1; Path=/sub/; Domain=in.example"})
    web = lab.httpd("ProxyPassReverseCookiePath /sub/ /app/\n"
                    "ProxyPassReverseCookieDomain in.example out.example\n"
                    + balancer_conf([b]))
    assert web.get("/").headers["Set-Cookie"] == "S=1; Path=/app/; Domain=out.example"


# -- what reaches the member

def test_paths_and_queries_arrive_as_with_stock(lab):
    found, _ = assert_like_stock(
        lab, lambda b: "AllowEncodedSlashes NoDecode\n" + balancer_conf([b]),
        ["/", "/a/b", "/a//b/", "/a/../b", "/?x=1&y=2", "/a?x=%20%26&x=/?", "/a?", "/a%20b",
         "/a%2Fb", "/caf%C3%A9", "/a;p=1;q=2/b", "/a%3Fb?c", "/a+b", "/%7Euser", "/a%25b", "/@:!"])
    assert found[:2] == ["/", "/a/b"] and "/a?x=%20%26&x=/?" in found


@pytest.mark.parametrize("rule", [
    "ProxyPass /app balancer://mycluster/sub",
    "ProxyPass /app/ balancer://mycluster/sub/",
    "ProxyPass /app balancer://mycluster",
    "ProxyPassMatch ^/app/(.*)$ balancer://mycluster/m/$1",
    "<Location /app>\nProxyPass balancer://mycluster/sub\n</Location>",
])
def test_a_path_below_the_balancer_arrives_as_with_stock(lab, rule):
    assert_like_stock(lab, lambda b: balancer_conf([b], path="") + rule,
                      ["/app/x", "/app/x/y?q=1", "/app/a%20b", "/app/"])


def test_proxypass_sub_path_literally(lab):
    (b,) = members(lab, 1)
    web = lab.httpd(balancer_conf([b], path="") + "ProxyPass /app balancer://mycluster/sub")
    assert web.get("/app/x?q=1").ok and web.get("/other").status == 404
    assert [a.target for a in b.arrivals()] == ["/sub/x?q=1"]


def test_a_member_with_a_path_of_its_own(lab):
    (b,) = members(lab, 1)
    web = lab.httpd(f"""
        <Proxy balancer://mycluster>
            BalancerMember {b.url}/inner
        </Proxy>
        ProxyPass / balancer://mycluster/
    """)
    assert web.get("/x?q=1").ok
    assert [a.target for a in b.arrivals()] == ["/inner/x?q=1"]


def test_nocanon_passes_the_raw_path_as_stock_does(lab):
    found, _ = assert_like_stock(
        lab, lambda b: "AllowEncodedSlashes NoDecode\n" + balancer_conf([b], pass_params="nocanon"),
        ["/a%2Fb", "/a%3fb%5Bc", "/%7Euser", "/a//b?x=%5B"])
    assert found[1] == "/a%3fb%5Bc"


def test_rewrite_rule_reaches_the_balancer(lab):
    assert_like_stock(lab, lambda b: balancer_conf([b], path="") + """
        RewriteEngine On
        RewriteRule "^/app/(.*)$" "balancer://mycluster/r/$1" [P,QSA]
    """, ["/app/x", "/app/y?q=1", "/app/a%20b", "/index.html"])


def test_rewrite_rule_balances(lab):
    web = lab.httpd(balancer_conf(members(lab, 3), path="")
                    + "RewriteEngine On\nRewriteRule ^/(app) balancer://mycluster/$1 [P]", **OURS)
    assert sorted(who(web, 3, "/app")) == ["b1", "b2", "b3"]


def test_sethandler_reaches_the_balancer(lab):
    web = lab.httpd(balancer_conf(members(lab, 2), path="") + """
        <Location "/app">
            SetHandler "proxy:balancer://mycluster"
        </Location>
    """)
    assert who(web, 4, "/app") == ["b1", "b2"] * 2
    assert web.get("/index.html").text == "lab\n"


def test_a_balancer_without_members_is_503(lab):
    web = lab.httpd("ProxyPass /app balancer://nobody/\n" + balancer_conf(members(lab, 1)))
    web.expect_log("LBX0161: balancer://nobody: No workers in balancer", must=True)
    assert web.get("/app").status == 503 and web.get("/").ok


def test_an_unknown_balancer_fails_as_with_stock(lab):
    lab.expect_log("AH00898: .*DNS lookup failure|AH01144|AH00961|AH00894")
    _, statuses = assert_like_stock(lab, lambda b: balancer_conf([b], path="") + """
        RewriteEngine On
        RewriteRule "^/app" "balancer://nobody/" [P]
    """, ["/app"])
    assert statuses[0] >= 500


# -- methods and bodies

@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_request_bodies_arrive_whole(lab, chunked):
    b = lab.backend()
    b.behave("/", "echo")
    client = lab.client(lab.httpd(balancer_conf([b])))
    for size in (0, 1, 1024, 1 << 20):
        body = bytes(range(256)) * (size // 256) or b"x" * size
        answer = client.post("/", body, chunked=chunked)
        assert answer.status == 200 and answer.body == body, (size, answer)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_answers_come_back_whole(lab, framing):
    b = lab.backend()
    b.behave("/", framing=framing)
    client = lab.client(lab.httpd(balancer_conf([b])))
    for size in (0, 1, 1024, 1 << 20):
        answer = client.get(f"/?size={size}")
        assert answer.raw_close is None and len(answer.body) == size, (size, answer)


def test_head_has_the_length_and_no_body(lab):
    web = lab.httpd(balancer_conf(members(lab, 1)))
    client = lab.client(web)
    answer = client.head("/?size=1000")
    assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "1000", b"")
    assert not client.get("/").new_connection


def test_other_methods_pass(lab):
    (b,) = members(lab, 1)
    client = lab.client(lab.httpd(balancer_conf([b])))
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"):
        assert client.request(method, "/").status == 200
    assert [a.method for a in b.arrivals()] == ["PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"]


def test_a_members_own_status_passes_and_is_no_reason_to_ask_another(lab):
    b = members(lab, 2)
    client = lab.client(lab.httpd(balancer_conf(b)))
    for n, status in enumerate((201, 204, 304, 404, 418, 500, 502), 1):
        for m in b:
            m.behave("/", status=status)
        assert client.get("/").status == status
        assert sum(m.requests for m in b) == n, status


def test_an_upgrade_becomes_a_tunnel(lab):
    b = lab.backend()
    b.behave("/ws", "upgrade")
    web = lab.httpd(balancer_conf([b], per_member="upgrade=websocket"))
    client = lab.client(web)
    answer = client.get("/ws", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert answer.status == 101 and answer.headers["Upgrade"] == "websocket", answer
    for text in (b"hello", b"\x00" * 5000):
        client.send(text)
        assert client.recv(len(text)) == text
    client.close()
    eventually(lambda: b.in_flight == 0, what="the tunnel's end reaches the member")
    await_idle(web)
