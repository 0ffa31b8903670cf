# SPDX-License-Identifier: Apache-2.0
"""Bad requests to the JSON interface: each is told what is wrong, and changes nothing.

What it is: 400 to 422 with a body that programs can read, hostile bodies, other sites' pages.
What it is not: the legacy form.
"""

import itertools
import json

import pytest

from manager_help import API, balancer, call, error, get, manager, member, path_of


def state(web):
    b = balancer(web)
    return [b[k] for k in ("lbmethod", "timeout", "maxattempts", "nofailover", "stickysession")] + [
        [m[k] for k in m["configured"]] for m in b["members"]]


def test_each_kind_of_error(lab):
    web, (one,) = manager(lab, 1)
    client = lab.client(web)
    path = path_of(client, one)
    before = state(web)
    for method, where, data, headers, status, field in [
            ("PATCH", path, "", {}, 400, None),
            ("PATCH", path, "{", {}, 400, None),
            ("PATCH", path, "[]", {}, 400, None),
            ("PATCH", path, "null", {}, 400, None),
            ("PATCH", path, "{}", {}, 422, None),
            ("PATCH", path, '{"drain":true} x', {}, 400, None),
            ("PATCH", path, '{"drain":true,"drain":false}', {}, 400, None),
            ("PATCH", path, '{"drain":NaN}', {}, 400, None),
            ("PATCH", path, '{"loadfactor":1e999}', {}, 400, None),
            ("PATCH", path, '{"loadfactor":1e30}', {}, 422, "loadfactor"),
            ("PATCH", path, '{"loadfactor":-1}', {}, 422, "loadfactor"),
            ("PATCH", path, '{"loadfactor":0.99}', {}, 422, "loadfactor"),
            ("PATCH", path, '{"loadfactor":100.01}', {}, 422, "loadfactor"),
            ("PATCH", path, '{"loadfactor":1.001}', {}, 422, "loadfactor"),
            ("PATCH", path, '{"loadfactor":"2"}', {}, 422, "loadfactor"),
            ("PATCH", path, '{"loadfactor":null}', {}, 422, "loadfactor"),
            ("PATCH", path, '{"lbset":1.5}', {}, 422, "lbset"),
            ("PATCH", path, '{"lbset":99999999999999999999}', {}, 400, None),
            ("PATCH", path, '{"drain":1}', {}, 422, "drain"),
            ("PATCH", path, '{"drain":"on"}', {}, 422, "drain"),
            ("PATCH", path, '{"route":1}', {}, 422, "route"),
            ("PATCH", path, json.dumps({"route": "x" * 64}), {}, 422, "route"),
            ("PATCH", path, json.dumps({"route": "x" * 600}), {}, 422, "route"),
            ("PATCH", path, json.dumps({"route": "a\nb"}), {}, 422, "route"),
            ("PATCH", path, '{"route":"a\\u0000b"}', {}, 400, None),
            ("PATCH", path, b'{"route":"\xff"}', {}, 400, None),
            ("PATCH", path, '{"state":"up"}', {}, 422, "state"),
            ("PATCH", path, '{"lbmethod":"byrequests"}', {}, 422, "lbmethod"),
            ("PATCH", path, "[" * 100000, {}, 400, None),
            ("PATCH", path, '{"a":' * 100000, {}, 400, None),
            ("PATCH", "/balancers/mycluster", '{"drain":true}', {}, 422, "drain"),
            ("PATCH", "/balancers/mycluster", '{"lbmethod":"bystars"}', {}, 422, "lbmethod"),
            ("PATCH", "/balancers/mycluster", '{"members":[]}', {}, 422, "members"),
            ("PATCH", "/balancers/mycluster", '{"members":{"x":{}}}', {}, 422, "members"),
            ("PATCH", "/balancers/mycluster", '{"members":{"http://x":{"drain":true}}}', {}, 404, None),
            ("PATCH", "/balancers/other", '{"timeout":1}', {}, 404, None),
            ("GET", "/balancers/mycluster/members/0123456789abcdef", None, {}, 404, None),
            ("GET", "/nothing", None, {}, 404, None),
            ("PUT", path, '{"drain":true}', {}, 405, None),
            ("POST", path, '{"drain":true}', {}, 405, None),
            ("DELETE", "/balancers/mycluster", None, {}, 405, None),
            ("PATCH", "/events", "{}", {}, 405, None),
            ("GET", "/balancers?x=1", None, {}, 400, "x"),
            ("GET", "/balancers?dry-run=1", None, {}, 400, "dry-run"),
            ("PATCH", path + "?dryrun=1", '{"drain":true}', {}, 400, "dryrun"),
            ("PATCH", path + "?dry-run=yes", '{"drain":true}', {}, 400, "dry-run"),
            ("PATCH", path + "?wait=drained&timeout=-1", '{"drain":true}', {}, 400, "timeout"),
            ("PATCH", path, '{"drain":true}', {"Content-Type": "text/plain"}, 415, None),
            ("PATCH", path, '{"drain":true}', {"Content-Type": "application/jsonx"}, 415, None),
            ("PATCH", path, '{"drain":true}',
             {"Content-Type": "application/x-www-form-urlencoded"}, 415, None)]:
        message = error(call(client, method, where, data, headers), status, field)
        assert message, (method, where, data)
        assert status != 405 or call(client, method, where, data).headers.get("Allow")
    assert state(web) == before and get(web, "/events")["events"] == []
    charset = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert call(client, "PATCH", path, {"drain": False}, charset).status == 200


AUTH = """
    AuthType Basic
    AuthName "ops"
    AuthBasicProvider file
    AuthUserFile "${LAB_DIR}/users"
    Require %s
    ErrorDocument 401 /balancer-manager.html
    ErrorDocument 403 "<b>go away</b>"
"""


@pytest.mark.parametrize("rule, headers, status", [
    ("valid-user", {}, 401), ("valid-user", {"Authorization": "Basic YTpi"}, 401),
    ("all denied", {}, 403)], ids=["no-user", "wrong-password", "denied"])
def test_who_is_not_let_in(lab, rule, headers, status):
    """httpd's own 401 and 403 are JSON as well, whatever ErrorDocument says; the page is a page."""
    web, (one,) = manager(lab, 1, location=AUTH % rule, start=False, path="/app",
                          modules=("auth_basic", "authn_core", "authn_file", "authz_user"))
    (web.dir / "users").write_text("a:$apr1$x$y\n")
    (web.dir / "htdocs" / "balancer-manager.html").write_text("<b>own</b>")
    web.expect_log("AH0161[78]|AH01630")
    web.start()
    for method, path, data in [("GET", "/balancers", None), ("PATCH", "/balancers/x", {"a": 1}),
                               ("GET", "/nothing", None), ("DELETE", "/", None)]:
        answer = call(web, method, path, data, headers)
        assert error(answer, status), answer
        assert (answer.headers.get("WWW-Authenticate") == 'Basic realm="ops"') is (status == 401)
        assert answer.headers["Cache-Control"] == "no-store" and b"<" not in answer.body
    head = call(web, "HEAD", "/balancers", None, headers)
    assert head.status == status and head.headers["Content-Type"] == "application/json"
    page = web.get("/balancer-manager", headers=headers)
    assert page.status == status and "<b>" in page.text


def test_httpds_limits_are_json(lab):
    """A body that LimitRequestBody refuses, a header that is no header."""
    web, (one,) = manager(lab, 1, location="LimitRequestBody 100")
    path = path_of(web, one)
    web.expect_log("AH01587|AH00588|AH01588")
    answer = call(web, "PATCH", path, '{"route":"' + "x" * 200 + '"}')
    assert error(answer, 413)


def test_too_much(lab):
    web, (one,) = manager(lab, 1)
    path = path_of(web, one)
    error(call(web, "PATCH", path, '{"route":"' + "x" * 600000 + '"}'), 413)
    error(call(web, "PATCH", path, " " * 600000 + "{}", chunked=True), 413)
    many = {"members": {one.url: {"drain": True}, **{f"http://{i}": {"drain": True}
                                                    for i in range(5000)}}}
    error(call(web, "PATCH", "/balancers/mycluster", many), 404)
    assert not member(web, one)["drain"]


def test_other_sites_pages(lab):
    web, (one,) = manager(lab, 1)
    path = path_of(web, one)
    own = f"http://localhost:{web.port}"
    hosted = {"Host": f"localhost:{web.port}"}
    for headers in ({"Origin": "http://evil.test"}, {"Origin": "null"}, {"Referer": "http://evil.test/"},
                    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                    {"Origin": f"{own}1"}, {"Origin": own + ".evil.test"}):
        error(call(web, "PATCH", path, {"drain": True}, {**hosted, **headers}), 403)
        error(call(web, "DELETE", path, None, {**hosted, **headers}), 403)
    assert not member(web, one)["drain"]
    assert call(web, "PATCH", path, {"lbset": 1}, hosted).status == 200
    assert call(web, "PATCH", path, {"lbset": 2}, {**hosted, "Referer": own + "/x"}).status == 200


def test_a_browser_needs_the_nonce(lab):
    web, (one,) = manager(lab, 1)
    path, nonce = path_of(web, one), balancer(web)["nonce"]
    ours = {"Sec-Fetch-Site": "same-origin"}
    for wrong in ({}, {"X-LBX-Nonce": ""}, {"X-LBX-Nonce": nonce[:-1]}, {"X-LBX-Nonce": nonce + "0"},
                  {"X-LBX-Nonce": nonce + "%00"}, {"X-LBX-Nonce": "0" * len(nonce)}):
        error(call(web, "PATCH", path, {"drain": True}, {**ours, **wrong}), 403)
        error(call(web, "DELETE", path, None, {**ours, **wrong}), 403)
    assert not member(web, one)["drain"]
    assert call(web, "PATCH", path, {"drain": True}, {**ours, "X-LBX-Nonce": nonce}).status == 200


def test_hostile_requests(lab):
    """Some hundred bodies and paths: no crash, no change, nothing comes back unescaped."""
    web, (one,) = manager(lab, 1)
    client = lab.client(web)
    path = path_of(client, one)
    before = state(web)
    evil = ['"><script>alert(1)</script>', "\\u0000", "%00", "\\n\\r", "\\ud800", "' OR 1=1", "../../etc",
            "a" * 5000, "\\u202e"]
    keys = ["route", "redirect", "lbmethod", "members", "url", "__proto__", "drain"]
    for key, value in itertools.product(keys, evil):
        for body in (f'{{"{key}":"{value}"}}', f'{{"{value}":"{key}"}}', f'{{"members":{{"{value}":'
                     f'{{"{key}":true}}}}}}'):
            for where in (path, "/balancers/mycluster"):
                answer = call(client, "PATCH", where + "?dry-run=1", body)
                assert answer.status in (200, 400, 404, 422), (body, answer)
                assert b"<script" not in answer.body
    for where in ("%3Cscript%3E", "%00", "%0a", "balancers/%3Cscript%3E", "balancers/" + "x" * 3000,
                  "balancers/mycluster/members/%3Cscript%3E", "events?after=%3Cscript%3E",
                  "balancers?%3Cscript%3E=1", "schema/%3Cscript%3E"):
        answer = client.get(f"{API}/{where}")
        assert 400 <= answer.status < 500 and b"<script" not in answer.body, (where, answer)
    assert state(web) == before
