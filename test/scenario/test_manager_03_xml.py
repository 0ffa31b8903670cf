# SPDX-License-Identifier: Apache-2.0
"""?xml=1 for programs, and the optional function balancer_manage for other modules.

What it is: what httpd's own XML cannot do: no Referer, names that would break it; the function's
parameters and results.
What it is not: the comparison with httpd's elements (06).
"""

import xml.etree.ElementTree as xml

from core_help import balancer_state, change, member_state, members, who
from manager_help import SUITE, conf, manager
from page_help import PAGE

HTTPD = "{http://httpd.apache.org}"


def ask(web, path=PAGE + "?xml=1", **kw):
    answer = web.get(path, **kw)
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/xml", answer
    return xml.fromstring(answer.body)


def texts(root, name):
    return [e.text for e in root.iter(HTTPD + name)]


UNEVEN = "LBX0311"  # stickysession=, and members without a route=


def test_any_program_may_ask(lab):
    lab.expected.add(UNEVEN)
    b = members(lab, 2)
    web = lab.httpd(f"""
        <Proxy "balancer://odd">
            BalancerMember "{b[0].url}/a&b'c" route=r1
            BalancerMember "{b[1].url}" connectiontimeout=2 acquire=3500
            ProxySet stickysession=S
        </Proxy>
        """ + conf(b[:1], path=""), suite=SUITE)
    root = ask(web)
    assert texts(root, "name") == ["balancer://odd", f"{b[0].url}/a&b'c", b[1].url,
                                   "balancer://mycluster", b[0].url]
    # whole milliseconds, where httpd has the last three digits only
    assert texts(root, "connectiontimeout") == ["2000"] and texts(root, "acquire") == ["3500"]
    change(web, b[1], "route", "<\"'&\u00e9\u65e5", name="odd")
    assert texts(ask(web), "route")[1] == "<\"'&\u00e9\u65e5"
    assert texts(ask(web, f"{PAGE}/mycluster?xml=1"), "name") == ["balancer://mycluster", b[0].url]


def test_a_member_in_error_has_its_time(lab):
    web, b = manager(lab, 2)
    web.expect_log("AH00957|AH00959|AH01114|LBX0182")
    b[0].refuse()
    assert who(web, 2) == ["b2", "b2"]
    root = ask(web)
    assert texts(root, "status") == ["Init Err ", "Init Ok "]
    [when] = texts(root, "error_time")
    assert when.endswith(" GMT") and texts(root, "elected")[1] == "2"


def test_balancer_manage(lab):
    """As mod_proxy_cluster calls it: a balancer, then a member; neither nonce nor Referer."""
    web, b = manager(lab, 2)

    def manage(**form):
        status, answer = web.lab_post("/-lab/manage", **form)
        assert status == 200
        return answer["rc"]

    assert manage(b="mycluster", b_lbm="bytraffic", b_tmo="10000000", b_max="3",
                  b_ss="JSESSIONID|jsessionid") == 0
    state = balancer_state(web)
    assert (state["method"], state["maxattempts"], state["sticky"]) == (
        "bytraffic", 3, "JSESSIONID")
    assert state["timeout_us"] == 0  # out of range: left out
    assert manage(b="mycluster", w=b[1].url, w_wr="node2", w_status_D="1", w_hm="CPING") == 0
    assert member_state(web, b[1])["run"]["route"] == "node2"
    assert who(web, 2) == ["b1", "b1"]
    assert "set by a module" in web.log_lines("LBX0170")[0]
    for wrong in ({}, {"b": "other"}, {"b": "mycluster", "w": "http://nobody:1"}):
        assert manage(**wrong, b_tmo="5") == 400
    assert balancer_state(web)["timeout_us"] == 0
