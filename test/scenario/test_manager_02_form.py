# SPDX-License-Identifier: Apache-2.0
"""The form that httpd's manager has: every parameter, its limits, and who may post it.

What it is: posts like those of browsers and scripts; what the suite then has in force; the log.
What it is not: hostile requests in bulk (11); Ansible (05).
"""

from core_help import balancer_state, member_state, who
from manager_help import get as api, manager
from page_help import PAGE, get, post, posted, referer

CHANGED = "LBX0170"


def run(web, b=None):
    """What is in force of the balancer, or a member."""
    if b:
        return member_state(web, b)["run"]
    state = balancer_state(web)
    return {k: state[k] for k in ("method", "timeout_us", "maxattempts", "nofailover", "sticky")}


def test_every_parameter_of_a_member(lab):
    web, (b1, b2) = manager(lab, 2)
    page = posted(web, {"w": b1.url, "w_lf": "2.5", "w_ls": "3", "w_wr": "r1", "w_rr": "r2"})
    row = page.member(b1.url)
    assert (row["Factor"], row["Set"], row["Route"], row["RouteRedir"]) == ("2.50", "3", "r1", "r2")
    assert page.notes == [] and page.inputs["w"] == b1.url  # the form is there again
    flags = {"I": "Ign", "N": "Drn", "D": "Dis", "H": "Stby", "R": "Spar", "S": "Stop"}
    for letter, text in flags.items():
        for value, shown in (("1", True), ("0", False), ("17", True), ("", False)):
            page = posted(web, {"w": b1.url, f"w_status_{letter}": value})
            assert (text in page.member(b1.url)["Status"]) is shown, (letter, value)
    page = posted(web, {"w": b1.url, "w_wr": "", "w_rr": "", "w_ls": "0"})
    row = page.member(b1.url)
    assert (row["Set"], row["Route"], row["RouteRedir"]) == ("0", "", "")
    assert run(web, b2) == member_state(web, b2)["conf"]
    assert who(web, 4) and "2.5" in web.log_lines(CHANGED)[0]


def test_every_parameter_of_a_balancer(lab):
    web, _ = manager(lab, 3)
    page = posted(web, {"b_lbm": "bytraffic", "b_tmo": "7", "b_max": "1", "b_sforce": "1",
                        "b_ss": "JS|js"})
    assert page.tables[0][1][1:6] == ["JS|js", "On", "7", "1", "bytraffic"]
    assert page.notes == []
    page = posted(web, {"b_ss": "ONE", "b_sforce": "0", "b_tmo": "0"})
    assert page.tables[0][1][1:4] == ["ONE", "Off", "0"]
    page = posted(web, {"b_ss": ""})  # nothing is asked for
    assert page.tables[0][1][1] == "ONE"
    page = posted(web, {"b_ss": "-"})
    assert page.tables[0][1][1] == " (None) "


def test_a_member_is_added(lab):
    """b_wyes=1 and b_nwrkr: disabled until somebody enables it; what cannot be added is 400."""
    web, (b1, b2) = manager(lab, 2, params="growth=1")
    assert "b_nwrkr" in get(web, f"{PAGE}?b=mycluster").inputs
    new = lab.backend("new")
    add = {"b_wyes": "1", "b_nwrkr": new.url}
    assert post(web, {"b_nwrkr": new.url}).status == 200  # not sure
    assert len(get(web).tables[1]) == 3
    assert posted(web, add).member(new.url)["Status"] == "Init Dis "
    assert "new" not in who(web, 4)
    posted(web, {"w": new.url, "w_status_D": "0"})
    assert "new" in who(web, 3)
    for url in (new.url, "nonsense", "http://", "ftp", "http://a\"b/"):
        assert post(web, {"b_wyes": "1", "b_nwrkr": url}).status == 400, url
    assert len(get(web).tables[1]) == 4


def test_what_is_shown_can_be_posted_back(lab):
    """The form as it stands changes nothing, whatever its fields show."""
    web, (b1, _) = manager(lab, 2, "stickysession=A|b", ["route=x loadfactor=1.15 status=+N", "route=y"])
    for query in ("", f"&w={b1.url}"):
        inputs = get(web, f"{PAGE}?b=mycluster{query}").inputs
        page = posted(web, {k: v for k, v in inputs.items() if k not in ("b_nwrkr", "b_wyes")})
        assert page.notes == []
    assert not web.log_lines(CHANGED)


REFUSED = {
    "w_lf": "0.99 100.01 0 -1 NaN inf 1e999 1e1 0x10 1,5 x 99999999999999999999".split(),
    "w_ls": "100 -1 x 1.5 99999999999999999999".split(),
    "w_wr": ["x" * 64, "y" * 600],
    "w_rr": ["x" * 64],
    "w_status_D": ["x", "1x", "on"],
    "b_lbm": ["nobody", "x" * 100],
    "b_tmo": "7201 -1 1.5 x 5s".split(),
    "b_max": "100 x -2".split(),
    "b_ss": ["x" * 64, "a|" + "y" * 64],
}


def test_what_is_refused_changes_nothing(lab):
    """200 as ever, the reason on the page, and the good ones beside it in force."""
    web, (b1,) = manager(lab, 1, "stickysession=S", "route=r1 loadfactor=2")
    for key, values in REFUSED.items():
        before = run(web, b1), run(web)
        for value in values:
            page = posted(web, {"w": b1.url, key: value})
            assert (run(web, b1), run(web)) == before, (key, value)
            assert page.notes and page.notes[0].startswith("Not changed: "), (key, value)
        field, name = ("w_rr", "redirect") if key == "w_wr" else ("w_wr", "route")
        posted(web, {"w": b1.url, key: values[0], field: f"good{key}"})
        assert run(web, b1)[name] == f"good{key}"


def test_text_decoded_twice(lab):
    """httpd decodes values twice, so that some clients encode twice; most encode once."""
    web, (b1,) = manager(lab, 1)
    for body, route in (("w_wr=a%2Fb", "a/b"), ("w_wr=a%252Fb", "a/b"), ("w_wr=a+b", "a+b"),
                        ("w_wr=50%25", "50%"), ("w_wr=%25zz", "%zz")):
        nonce = get(web).nonce()
        for member in (b1.url, b1.url.replace("/", "%2F"), b1.url.replace("/", "%252F"),
                       b1.url + "/some/path"):
            text = f"b=mycluster&w={member}&nonce={nonce}&w_wr=&{body.replace('w_wr', 'w_rr')}"
            assert web.post(PAGE, text, headers=referer(web)).status == 200
            assert run(web, b1)["redirect"] == route, (body, member)
            web.post(PAGE, text.replace(body[5:], ""), headers=referer(web))


def test_nothing_changes_by_a_link(lab):
    web, (b1,) = manager(lab, 1)
    nonce = get(web).nonce()
    for method in ("get", "head"):
        client = lab.client(web)
        answer = getattr(client, method)(
            f"{PAGE}?b=mycluster&w={b1.url}&nonce={nonce}&w_status_D=1&b_tmo=7",
            headers=referer(web))
        assert answer.status == 200
    # the query of a post is not its body
    web.post(f"{PAGE}?b=mycluster&w={b1.url}&nonce={nonce}&w_status_D=1", "", headers=referer(web))
    assert not web.log_lines(CHANGED)


def test_who_did_it(lab):
    web, (b1,) = manager(lab, 1)
    posted(web, {"w": b1.url, "w_status_D": "1"})
    assert web.log_lines(rf"LBX0170: balancer://mycluster member {b1.url}: disabled=1? ?.*"
                         r"set by 127\.0\.0\.1")
    [event] = [e for e in api(web, "/events")["events"] if e["kind"] == "change"]
    assert event["who"] == "127.0.0.1" and event["text"] == "disabled: off -> on"
    page = get(web)
    assert "disabled: off -&gt; on by 127.0.0.1" in page.text


def test_rights_of_a_location(lab):
    """read: no form, no nonce; operate: members; admin, also where nothing is said: all."""
    more = "".join(f"""
        <Location "/{right}">
            ProxyPass "!"
            SetHandler balancer-manager
            LBXManagerAccess {right}
        </Location>
        """ for right in ("read", "operate", "admin"))
    web, (b1, b2) = manager(lab, 2, more=more)
    nonce = get(web).nonce()
    member, balancer = {"w": b1.url, "w_status_D": "1"}, {"b_tmo": "5"}
    for right, allowed in (("read", (403, 403)), ("operate", (200, 403)), ("admin", (200, 200))):
        page = get(web, f"/{right}?b=mycluster&w={b1.url}")
        assert ("w_lf" in page.inputs) is (right != "read")
        assert ("b_lbm" in get(web, f"/{right}?b=mycluster").inputs) is (right == "admin")
        assert (page.nonce() == nonce) is (right != "read")
        assert (nonce in web.get(f"/{right}?xml=1").text) is (right != "read")
        for values, status in zip((member, balancer), allowed):
            before = run(web, b1), run(web)
            answer = web.post(f"/{right}", form={"b": "mycluster", "nonce": nonce, **values},
                              headers=referer(web))
            assert answer.status == status, (right, values)
            assert ((run(web, b1), run(web)) != before) is (status == 200)
            post(web, {"w": b1.url, "w_status_D": "0"})
            post(web, {"b_tmo": "0"})


def test_a_nonce_can_be_switched_off(lab):
    web, (b1,) = manager(lab, 1, "nonce=None")
    answer = post(web, {"w": b1.url, "w_status_D": "1", "nonce": None})
    assert answer.status == 200 and run(web, b1)["admin"]
    web2, (b1,) = manager(lab, 1, "nonce=mine")
    for nonce, works in (("other", False), ("", False), (None, False), ("min", False),
                         ("mine2", False), ("mineminemine", False), ("mine", True)):
        post(web2, {"w": b1.url, "w_status_D": "1", "nonce": nonce})
        assert bool(run(web2, b1)["admin"]) is works, nonce


def test_bad_access_is_refused_at_the_start(lab):
    web, _ = manager(lab, 1, location="LBXManagerAccess all", start=False)
    code, said = web.configtest()
    assert code and "LBXManagerAccess all: must be read, operate or admin" in said
