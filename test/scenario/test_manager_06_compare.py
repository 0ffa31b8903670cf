# SPDX-License-Identifier: Apache-2.0
"""The page, the forms and the XML beside those of httpd's own manager on the same configuration.

What it is: two httpds that differ in their LoadModule lines; whatever differs in what they answer
is named here.
What it is not: proof that a certain program copes (05), or that a change works (02).
"""

import re
import xml.etree.ElementTree as xml

import pytest

from lab import Client
from compare_help import (HTTPD, any_count, ask, checks_without_additions, one_space, same_machine, stocks,
                          stocks_checks, without_additions)
from core_help import members
from page_help import PAGE, referer

STOCK = dict(suite=(), modules=("slotmem_shm", "proxy_ajp", "proxy_balancer",
                                "lbmethod_byrequests", "lbmethod_bytraffic",
                                "lbmethod_bybusyness"))
OURS = dict(suite=("core", "sticky", "manager"), modules=("proxy_ajp",))


def conf(b):
    return f"""
        <Location "{PAGE}">
            ProxyPass "!"
            SetHandler balancer-manager
        </Location>
        <Proxy "balancer://one">
            BalancerMember "{b[0].url}" route=a loadfactor=2 retry=5 min=2 smax=3 max=4 ttl=60 \\
                timeout=7 acquire=500 receivebuffersize=4096 iobuffersize=16384 keepalive=On \\
                disablereuse=On
            BalancerMember "{b[1].url}/p" redirect=a status=+D+H lbset=3
            BalancerMember "ajp://127.0.0.1:{b[2].port}" flushpackets=auto flushwait=20 ping=200ms
            ProxySet stickysession=JS|js lbmethod=bytraffic timeout=3 maxattempts=2 \\
                nofailover=On scolonpathdelim=On nonce=11111111-2222-3333-4444-555555555555
        </Proxy>
        <Proxy "balancer://two">
            BalancerMember "{b[3].url}"
            ProxySet nonce=None
        </Proxy>
        <Proxy "balancer://three">
            BalancerMember "unix:${{LAB_DIR}}/s|http://localhost/" status=+N+R
            BalancerMember "{b[4].url}" status=+S+I+C loadfactor=1.5
            ProxySet stickysession=one nonce=mynonce growth=2
        </Proxy>
        ProxyPass "/one" "balancer://one"
        ProxyPass "/two" "balancer://two"
    """


@pytest.fixture
def both(lab):
    lab.expected.add("LBX0311")  # stickysession=, and members without a route=
    text = conf(members(lab, 5))
    return lab.httpd(text, **STOCK), lab.httpd(text, **OURS)


def members_of(web, name):
    """w= of each member as stock links it."""
    return re.findall(rf"\?b={name}&amp;w=([^&]*)&amp;", ask(web).text)


def assert_same(both, query=lambda web: ""):
    stock, ours = both
    theirs, own = ask(stock, query(stock)), ask(ours, query(ours))
    assert own.headers["Content-Type"] == theirs.headers["Content-Type"]
    assert without_additions(same_machine(ours, own.text)) \
        == stocks(same_machine(stock, theirs.text))


def test_the_page(both):
    assert_same(both)


@pytest.mark.parametrize("name, nonce", [("one", "11111111-2222-3333-4444-555555555555"),
                                         ("three", "mynonce")])
def test_the_forms(both, name, nonce):
    assert_same(both, lambda web: f"?b={name}&nonce={nonce}")
    links = members_of(both[0], name)
    assert links == members_of(both[1], name) and len(links) >= 2
    for link in links:
        assert_same(both, lambda web, link=link: f"?b={name}&w={link}&nonce={nonce}")


def test_the_xml(both):
    stock, ours = both
    texts = [same_machine(web, ask(web, "?xml=1").text) for web in both]
    assert one_space(texts[0]) == texts[1]
    root = xml.fromstring(texts[1])
    assert root.tag == HTTPD + "manager"
    assert [b.findtext(HTTPD + "name") for b in root.iter(HTTPD + "balancer")] == [
        "balancer://one", "balancer://two", "balancer://three"]


EXPRS = """
    ProxyHCExpr zz {%{REQUEST_STATUS} =~ /^[234]/}
    ProxyHCExpr in-a {hc('body') !~ /<b>x/}
"""


def checks_conf(b, exprs):
    """hcinterval= is long: the counts in the columns stay what they are."""
    return f"""
        <Location "{PAGE}">
            ProxyPass "!"
            SetHandler balancer-manager
        </Location>
        {exprs}
        ProxyHCTemplate tp hcmethod=GET hcuri=/q hcinterval=700 hcpasses=3
        <Proxy "balancer://one">
            BalancerMember "{b[0].url}" hctemplate=tp {"hcexpr=zz" if exprs else ""}
            BalancerMember "{b[1].url}" hcmethod=OPTIONS11 hcinterval=800 hcfails=7
            BalancerMember "{b[2].url}" hctemplate=tp {"hcexpr=in-a" if exprs else ""}
            ProxySet nonce=11111111-2222-3333-4444-555555555555
        </Proxy>
        <Proxy "balancer://two">
            BalancerMember "{b[3].url}"
            ProxySet nonce=two
        </Proxy>
        ProxyPass "/one" "balancer://one"
    """


def add(how, *modules):
    suite = (*how["suite"], "hcheck") if how["suite"] else ()
    return dict(suite=suite, modules=(*how["modules"], "watchdog", *(() if suite else modules)))


@pytest.mark.parametrize("exprs", [EXPRS, ""], ids=["exprs", "no-exprs"])
def test_health_checks(lab, exprs):
    """The columns, the table of expressions, the form's part; and what stock makes of a form."""
    text = checks_conf(members(lab, 4), exprs)
    stock, ours = lab.httpd(text, **add(STOCK, "proxy_hcheck")), lab.httpd(text, **add(OURS))

    def same(query, method="get", **form):
        pages = []
        for web in (stock, ours):
            answer = web.post(PAGE, form=form, headers=referer(web)) if form else ask(web, query)
            assert answer.status == 200
            pages.append(any_count(answer.text))
        assert checks_without_additions(without_additions(same_machine(ours, pages[1]))) \
            == stocks_checks(stocks(same_machine(stock, pages[0])))

    same("")
    links = members_of(stock, "one")
    nonce = "11111111-2222-3333-4444-555555555555"
    for link in links:
        same(f"?b=one&w={link}&nonce={nonce}")
    form = dict(b="one", w=links[1], nonce=nonce)
    same("", **form, w_hm="HEAD", w_hi="100000", w_hp="5", w_hf="6", w_hu="/new")
    same("", **form, w_hi="99", w_hp="0", w_hf="-1", w_hm="NOTHING")  # ignored
    if exprs:
        same("", **form, w_he="in-a")
        same("", **form, w_hm="TCP", w_he="in-a")
    same("", **form, w_hu="", w_hi="2mi", w_status_C="1")
    same("", **form, w_status_C="0", w_hm="NONE")


def test_other_addresses_and_methods(both):
    both[0].expect_log("AH10187")  # stock's demand for a Referer
    for web in both:
        longer = web.get(PAGE + "/some/path", headers=referer(web))
        assert longer.status == 200 and "LoadBalancer Status" in longer.text
        assert lab_request(web, "PUT", PAGE).status == 405
        head = lab_request(web, "HEAD", PAGE)
        assert head.status == 200 and not head.body


def lab_request(web, method, path):
    client = Client(web.port, keepalive=False)
    try:
        return client.request(method, path)
    finally:
        client.close()
