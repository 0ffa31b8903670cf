# SPDX-License-Identifier: Apache-2.0
"""Health checks changed while httpd runs: the form's w_h? fields, w_status_C, and PATCH.

What it is: what the checker then does and what the page shows; limits; reloads, stops.
What it is not: that the page looks like httpd's (06); what a check is (the scenarios of hcheck).
"""

import re
import time

from core_help import members, who
from hcheck_help import await_state, checks, is_down, is_up
from lab import eventually
from manager_help import SUITE, call, conf, error, get as api, manager, member, path_of
from page_help import PAGE, get, post, posted

EXPRS = """
    ProxyHCExpr second {%{REQUEST_STATUS} == 204}
    ProxyHCExpr a-first {hc('body') =~ /<ready>/}
"""
COLUMNS = ("HC Method", "HC Interval", "Passes", "Fails", "HC uri", "HC Expr")
NONE = ["NONE", "30000ms", "1", "1", "", ""]


def checked(lab, n=1, params="", per_member="", before=""):
    backends = members(lab, n)
    text = EXPRS + before + conf(backends, params, per_member)
    return text, lab.httpd(text, suite=(*SUITE, "hcheck"), modules=("watchdog",)), backends


def shown(page, b):
    """The columns of checks, without the counts behind."""
    row = page.member(b.url)
    return [re.sub(r" \(\d+\)$", "", row[c]) for c in COLUMNS]


def test_every_field_of_the_form(lab):
    _, web, (b1, b2) = checked(lab, 2)
    inputs = get(web, f"{PAGE}?b=mycluster&w={b1.url}").inputs
    assert {k: v for k, v in inputs.items() if k.startswith("w_h")} == {
        "w_hm": "NONE", "w_hi": "30000", "w_hp": "1", "w_hf": "1", "w_hu": "", "w_he": ""}
    page = posted(web, {"w": b1.url, "w_hm": "GET11", "w_hi": "150", "w_hp": "2", "w_hf": "3",
                        "w_hu": "/health", "w_he": "second"})
    assert page.notes == [] and shown(page, b1) == ["GET11", "150ms", "2", "3", "/health", "second"]
    assert shown(page, b2) == NONE
    # the checker does it: three checks fail the expression, and the member is out
    await_state(web, b1, is_down)
    assert checks(b1, "GET /health") >= 3
    b1.behave("/health", "answer", status=204)
    await_state(web, b1, is_up)
    told = web.log_lines("LBX0170.*set by 127.0.0.1")
    assert [re.search(r"(hc\w+=\S*) \(was (\S*)\)", line).groups() for line in told] == [
        ("hcmethod=GET11", "NONE"), ("hcinterval=150ms", "30"), ("hcpasses=2", "1"),
        ("hcfails=3", "1"), ("hcuri=/health", ""), ("hcexpr=second", "")]
    # units, another path, no expression
    page = posted(web, {"w": b1.url, "w_hi": "2mi", "w_hu": "", "w_he": ""})
    assert shown(page, b1) == ["GET11", "120000ms", "2", "3", "", ""]
    # what is not HTTP has no expression, whatever the form says
    posted(web, {"w": b1.url, "w_he": "a-first"})
    assert shown(posted(web, {"w": b1.url, "w_hm": "TCP", "w_he": "second"}), b1)[0::5] == [
        "TCP", ""]
    assert shown(posted(web, {"w": b1.url, "w_he": "second"}), b1)[5] == ""


def test_no_more_checks_no_more_down(lab):
    """A member that checks have taken out, and is not to be checked any more, is in again."""
    _, web, (b1, b2) = checked(lab, 2, per_member="hcmethod=TCP hcinterval=100ms")
    b1.stop()
    b1.kill()
    await_state(web, b1, is_down)
    posted(web, {"w": b1.url, "w_hm": "NONE"})
    await_state(web, b1, is_up)
    assert shown(get(web), b1)[0] == "NONE"


REFUSED = {"w_hm": ["PROVIDER", "POST", "x", "CPING"], "w_hi": ["99", "0", "-1", "x", "99ms", "1e9"],
           "w_hp": ["0", "-1", "x", "1001", "1.5"], "w_hf": ["0", "-1", "x", "1001"],
           "w_hu": ["/" + "x" * 63, "/a%20b", "/%0d%0aX: y", "/%01"], "w_he": ["nobody", "x" * 70]}


def test_limits(lab):
    _, web, (b1,) = checked(lab, 1, per_member="hcmethod=GET hcinterval=600 hcuri=/u hcexpr=second")
    before = shown(get(web), b1)
    for key, values in REFUSED.items():
        for value in values:
            page = posted(web, {"w": b1.url, key: value})
            assert shown(page, b1) == before, (key, value)
            assert page.notes and page.notes[0].startswith("No"), (key, value, page.notes)
    assert shown(posted(web, {"w": b1.url, "w_hu": "/" + "x" * 62}), b1)[4] == "/" + "x" * 62
    path = path_of(web, b1)
    for field, value, says in [
            ("hcmethod", "CPING", "only for ajp"), ("hcinterval", 0.05, "at least 100ms"),
            ("hcinterval", None, "number of seconds"), ("hcpasses", 0, "from 1 to 1000"),
            ("hcexpr", "nobody", "the name of a ProxyHCExpr"), ("hcuri", "/a b", "63 characters")]:
        assert says in error(call(web, "PATCH", path, {"loadfactor": 9, field: value}), 422, field)
    error(call(web, "PATCH", path, {"hcport": 80}), 422, "hcport")
    assert member(web, b1)["loadfactor"] == 1


def test_json(lab):
    """With other fields, as a whole, on a condition; what is like the file's is no change."""
    _, web, (b1, b2) = checked(lab, 2)
    path = path_of(web, b1)
    etag = call(web, "GET", path).headers["ETag"]
    body = {"hcmethod": "HEAD", "hcinterval": 2.5, "hcpasses": 4, "hcuri": "/j", "loadfactor": 2}
    assert call(web, "PATCH", path + "?dry-run=1", body).status == 200
    assert member(web, b1)["health"]["method"] == "NONE"
    answer = call(web, "PATCH", path, body, {"If-Match": etag})
    now = answer.json()["member"]
    assert answer.status == 200 and now["loadfactor"] == 2
    assert [now["health"][k] for k in ("method", "interval", "passes", "uri", "expr")] == [
        "HEAD", 2.5, 4, "/j", ""]
    assert now["params"] == {"hcmethod": "HEAD", "hcinterval": "2500ms", "hcpasses": "4",
                             "hcuri": "/j"}
    assert call(web, "PATCH", path, {"hcpasses": 5}, {"If-Match": etag}).status == 412
    call(web, "PATCH", "/balancers/mycluster", {"members": {b1.url: {"hcmethod": "NONE",
                                                                     "hcuri": None}}})
    assert member(web, b1)["params"] == {"hcinterval": "2500ms", "hcpasses": "4"}
    events = [e["text"] for e in api(web, "/events")["events"] if e["kind"] == "change"]
    assert "hcinterval: 30 -> 2500ms" in events and "hcuri: /j -> " in events


def test_over_a_reload(lab):
    """As for any other value: what is not edited in the file stays, an edit wins; an expression
    that is gone takes the change with it."""
    text, web, (b1, b2) = checked(lab, 2, per_member="hctemplate=tp",
                            before="ProxyHCTemplate tp hcmethod=HEAD hcinterval=70 hcuri=/t\n")
    posted(web, {"w": b1.url, "w_hm": "GET", "w_hi": "50s", "w_he": "second", "w_hp": "7"})
    posted(web, {"w": b1.url, "w_status_D": "1"})
    posted(web, {"w": b2.url, "w_hu": ""})  # the template's is taken back
    web.graceful()
    assert shown(get(web), b1) == ["GET", "50000ms", "7", "1", "/t", "second"]
    assert shown(get(web), b2) == ["HEAD", "70000ms", "1", "1", "", ""]
    posted(web, {"w": b2.url, "w_hu": "/t"})  # like the file's: nothing is changed any more
    assert member(web, b2)["params"] == {"hctemplate": "tp"}
    assert web.log_lines(r"LBX0124: .*hcmethod=GET set at run time stays \(configuration file: HEAD")
    web.graceful(text.replace("hcinterval=70", "hcinterval=80")
                 .replace("ProxyHCExpr second", "ProxyHCExpr third"))
    assert shown(get(web), b1) == ["GET", "80000ms", "7", "1", "/t", ""]
    assert web.log_lines("LBX0123: .*hcinterval=50 set at run time is dropped, 80 is in force: "
                         "the configuration file was edited")
    assert web.log_lines("LBX0123: .*hcexpr=second set at run time is dropped, nothing is in force")


def test_over_a_stop(lab):
    """BalancerPersist: changed checks of a member of the file and of one that was added."""
    text, web, (b1,) = checked(lab, 1, before="BalancerPersist On\n", per_member="hcuri=/f")
    new = lab.backend("new")
    assert call(web, "POST", "/balancers/mycluster/members", {"url": new.url, "hcinterval": "9"}).status == 201
    for b in (b1, new):
        assert call(web, "PATCH", path_of(web, b), {"hcmethod": "GET", "hcuri": "/p", "hcexpr": "a-first",
                                                    "disabled": True}).status == 200
    by_form = lab.backend("form")
    assert post(web, {"b_wyes": "1", "b_nwrkr": by_form.url}).status == 200
    for kill in (False, True):
        web.kill9() if kill else web.stop()
        web.start()
        assert get(web).member(by_form.url)["Status"] == "Init Dis "
        assert shown(get(web), b1) == ["GET", "30000ms", "1", "1", "/p", "a-first"]
        assert shown(get(web), new) == ["GET", "9000ms", "1", "1", "/p", "a-first"]
        assert member(web, new)["added"] and member(web, new)["disabled"]
    web.stop()
    web.rewrite(text.replace("hcuri=/f", "hcuri=/g"))
    web.start()
    assert shown(get(web), b1)[4] == "/g"
    assert web.log_lines("LBX0193: .*hcuri=/p of the last run is dropped: the configuration file was edited")


def settle(web, b):
    """Longer than the checker waits before it makes up for what others have left undone."""
    began = time.monotonic()
    eventually(lambda: time.monotonic() > began + 1.0 or "HcFl" not in
               get(web).member(b.url)["Status"])


def test_the_checkers_word_by_hand(lab):
    """w_status_C: out until the next check passes or the operator takes it back; the same in every
    process, without checks too."""
    _, web, (b1, b2) = checked(lab, 2, per_member=["hcmethod=TCP hcinterval=600", ""])
    eventually(lambda: member(web, b1)["health"]["checks"], what="the first check")
    for b in (b1, b2):
        assert "HcFl" in posted(web, {"w": b.url, "w_status_C": "1"}).member(b.url)["Status"]
        health = member(web, b)["health"]
        assert (health["state"], health["cause"]) == ("down", "operator")
        other = {b1: "b2", b2: "b1"}[b]
        assert set(who(web, 4)) == {other}
        assert web.log_lines(f"LBX0510: .*{b.url}: health-failed=on .was off., set by 127.0.0.1")
        settle(web, b)  # the checker leaves it as it is
        assert "HcFl" in get(web).member(b.url)["Status"]
        assert "HcFl" not in posted(web, {"w": b.url, "w_status_C": "0"}).member(b.url)["Status"]
        assert set(who(web, 4)) == {"b1", "b2"}
        assert posted(web, {"w": b.url, "w_status_C": "0"}).notes == []
    posted(web, {"w": b1.url, "w_status_C": "1"})
    assert call(web, "POST", path_of(web, b1) + "/check", {"now": True}).status == 202
    await_state(web, b1, is_up)


def test_without_the_checker(lab):
    web, (b1,) = manager(lab, 1, per_member="status=+C")
    page = posted(web, {"w": b1.url, "w_hm": "TCP"})
    assert page.notes == ["Not changed: health checks need mod_lbx_hcheck, which is not loaded"]
    assert "w_hm" not in page.inputs
    error(call(web, "PATCH", path_of(web, b1), {"hcmethod": "TCP"}), 422, "hcmethod")
    assert "HcFl" not in posted(web, {"w": b1.url, "w_status_C": "0"}).member(b1.url)["Status"]
    assert post(web, {"w": b1.url, "w_status_C": "1"}).status == 200


def test_who_did_it_is_kept(lab):
    """Events are forgotten after 256 others; who disabled a member is not."""
    web, (b1, b2) = manager(lab, 2)
    posted(web, {"w": b1.url, "w_status_D": "1"})
    since = member(web, b1)["since"]
    for i in range(130):
        assert call(web, "PATCH", "/balancers/mycluster", {"members": {
            b2.url: {"lbset": i % 9 + 1, "redirect": f"r{i}"}}}).status == 200
    assert not [e for e in api(web, "/events")["events"] if "disabled" in e["text"]]
    web.graceful()
    now = member(web, b1)
    assert (now["state"], now["cause"]["who"]) == ("disabled", "127.0.0.1")
    assert abs(now["since"] - since) < 1 and now["cause"]["at"] == now["since"]
    assert re.fullmatch(r"disabled for \d+ s, safe to stop",
                        get(web).member(b1.url)["State"])
