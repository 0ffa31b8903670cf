# SPDX-License-Identifier: Apache-2.0
"""The manager's page as scripts read it: links, tables, terms, flags; one balancer by its address.

What it is: the rules of known scripts (positions, links only for balancers and members, tables two
by two), restated; what a browser is told to refuse.
What it is not: the comparison with httpd's own page (06); what the page's script does (browser).
"""

import re

from core_help import change, finish, hold, member_state, members
from manager_help import LOCATION, SUITE, conf, manager
from page_help import PAGE, get

BALANCER = ["MaxMembers", "StickySession", "DisableFailover", "Timeout", "FailoverAttempts",
            "Method", "Path", "Active"]
MEMBER = ["Worker URL", "Route", "RouteRedir", "Factor", "Set", "Status", "Elected", "Busy", "Load",
          "To", "From"]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
UNEVEN = "LBX0311"  # stickysession=, and members without a route=


def two_balancers(b, name="two"):
    return f"""
        <Proxy "balancer://{name}">
            BalancerMember "{b[0].url}" route=x
            BalancerMember "{b[1].url}" route=y status=+D
        </Proxy>
        ProxyPass "/{name}/" "balancer://{name}/"
    """


def as_scripts_read(page):
    """py-balancer-manager's rules: two terms, heads and tables in pairs, cells by position."""
    assert re.match(r"Server Version: Apache/\d+\.\d+\.\d+", page.terms[0])
    assert re.match(r"Server Built: \d{4}-\d\d-\d\dT", page.terms[1])
    heads = [h for h in page.heads if "Edit " not in h]
    assert len(page.tables) == 2 * len(heads)
    found = {}
    for head, about, table in zip(heads, page.tables[::2], page.tables[1::2]):
        assert about[0] == BALANCER and table[0][:11] == MEMBER
        name = re.search(r"balancer://(\S+)", head)[1]
        assert re.fullmatch(r"\d* \[\d* Used\]", about[1][0])
        assert about[1][2] in ("On", "Off") and about[1][7] == "Yes"
        int(about[1][3]), int(about[1][4])
        for row in table[1:]:
            assert len(row) == len(table[0])
            float(row[3]), int(row[4]), int(row[6]), int(row[7]), int(row[8])
            assert row[5].endswith(" ") and all(len(cell) for cell in row[9:11])
        found[name] = table[1:]
    return found


def test_what_scripts_read(lab):
    lab.expected.add(UNEVEN)
    web, b = manager(lab, 3, "stickysession=JS|js timeout=3 lbmethod=bybusyness",
                     ["route=r1 redirect=r2 loadfactor=2", "lbset=1 status=+H", "status=+N"])
    page = get(web)
    rows = as_scripts_read(page)["mycluster"]
    assert [row[:6] for row in rows] == [
        [b[0].url, "r1", "r2", "2.00", "0", "Init Ok "],
        [b[1].url, "", "", "1.00", "1", "Init Stby Ok "],
        [b[2].url, "", "", "1.00", "0", "Init Drn Ok "]]
    assert page.tables[0][1] == ["3 [3 Used]", "JS|js", "Off", "3", "2", "bybusyness", "/", "Yes"]
    nonce = re.fullmatch(rf"{PAGE}\?b=mycluster&nonce=({UUID})", page.links[0][0])[1]
    assert page.links[0][1] == "balancer://mycluster"
    assert page.links[1:] == [(f"{PAGE}?b=mycluster&w={m.url}&nonce={nonce}", m.url) for m in b]
    assert page.member(b[2].url)["State"] == "draining, safe to stop"

    held = hold(lab, web)  # at b1, the only one who may be asked
    row = get(web).member(b[0].url)
    assert (row["Elected"], row["Busy"]) == ("1", "1")
    finish(held)
    change(web, b[0], "drain", "off")
    for field in ("disabled", "stopped", "ignore-errors", "spare", "shutdown"):
        change(web, b[0], field, "on")
    assert get(web).member(b[0].url)["Status"] == "Init Ign Shut Dis Stop Spar "


def test_a_page_of_one_balancer(lab):
    """.../NAME has one balancer's links and tables only: for scripts that know no more."""
    b = members(lab, 2)
    web = lab.httpd(conf(b[:1]) + two_balancers(b), suite=SUITE)
    whole = get(web)
    assert list(as_scripts_read(whole)) == ["mycluster", "two"]
    for path in (f"{PAGE}/two", f"{PAGE}/TWO", f"{PAGE}/two/"):
        page = get(web, path)
        assert list(as_scripts_read(page)) == ["two"]
        assert [href.partition("?")[0] for href, _ in page.links] == [path] * 3
        assert f'src="{PAGE}/-/lbx.js"' in page.text  # whatever the address
    # what is no balancer's name is the page itself, as it always was
    assert list(as_scripts_read(get(web, f"{PAGE}/three"))) == ["mycluster", "two"]
    assert 'src="/balancer-manager/-/lbx.js"' in get(web, "//balancer-manager//").text


def test_forms_are_for_what_was_named(lab):
    lab.expected.add(UNEVEN)
    web, b = manager(lab, 2, "stickysession=JS", ["route=r1 status=+D", ""])
    assert get(web).inputs == {}
    page = get(web, f"{PAGE}?b=mycluster&w={b[0].url}")
    assert page.inputs == {
        "w_lf": "1.00", "w_ls": "0", "w_wr": "r1", "w_rr": "", "w_status_I": "0",
        "w_status_N": "0", "w_status_D": "1", "w_status_H": "0", "w_status_R": "0",
        "w_status_S": "0", "w": b[0].url, "b": "mycluster", "nonce": page.nonce()}
    as_scripts_read(page)
    page = get(web, f"{PAGE}?b=mycluster")
    page.inputs.pop("b_nwrkr", None), page.inputs.pop("b_wyes", None)
    assert page.inputs == {
        "b_lbm": "byrequests", "b_tmo": "0", "b_max": "1", "b_sforce": "0", "b_ss": "JS",
        "b": "mycluster", "nonce": page.nonce()}
    for nobody in ("b=other", "b=mycluster&w=http://nobody:1", "b=mycluster&b=x", "b=%00", "w=x"):
        assert "w_lf" not in get(web, f"{PAGE}?{nobody}").inputs


def test_each_virtual_host_shows_what_it_uses(lab):
    b = members(lab, 2)
    with_page = LOCATION % ""
    web = lab.httpd(vhost_conf={
        "one.test": with_page + two_balancers(b, "red"),
        "two.test": with_page + two_balancers(b, "blue"),
    }, suite=SUITE)
    for host, name in (("one.test", "red"), ("two.test", "blue")):
        page = get(web, headers={"Host": host})
        assert list(as_scripts_read(page)) == [name]
        assert f"<h1>Load Balancer Manager for {host}</h1>" in page.text


def test_what_a_browser_is_told(lab):
    web, b = manager(lab, 1)
    answer = web.get(PAGE)
    rules = answer.headers["Content-Security-Policy"]
    assert rules.startswith("default-src 'none';") and "unsafe" not in rules
    assert answer.headers["Content-Type"] == "text/html; charset=ISO-8859-1"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    text = answer.text
    assert "<style" not in text and " style=" not in text and not re.search(r"\son\w+=", text)
    assert re.findall(r"<script[^>]*>([^<]*)</script>", text) == [""]
    for link in re.findall(r'(?:src|href)="([^"?]*/-/[^"]*)"', text):
        assert web.get(link).status == 200, link


def test_names_are_shown_as_they_are(lab):
    """What is not ASCII, and what HTML has a meaning for, comes through whole."""
    web, b = manager(lab, 1)
    route = "a&b<c>\"'\u00e9\u65e5"
    change(web, b[0], "route", route)
    page = get(web, f"{PAGE}?b=mycluster&w={b[0].url}")
    assert page.member(b[0].url)["Route"] == route and page.inputs["w_wr"] == route
    assert member_state(web, b[0])["run"]["route"] == route
