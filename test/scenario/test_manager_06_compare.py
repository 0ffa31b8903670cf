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
from core_help import members
from page_help import PAGE, referer

STOCK = dict(suite=(), modules=("slotmem_shm", "proxy_ajp", "proxy_balancer",
                                "lbmethod_byrequests", "lbmethod_bytraffic",
                                "lbmethod_bybusyness"))
OURS = dict(suite=("core", "sticky", "manager"), modules=("proxy_ajp",))
HTTPD = "{http://httpd.apache.org}"


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


def ask(web, query=""):
    answer = web.get(PAGE + query, headers=referer(web))
    assert answer.status == 200, answer
    return answer


def same_machine(web, text):
    """Without what differs between two httpds of one kind."""
    text = text.replace(str(web.dir), "DIR").replace(str(web.port), "PORT")
    text = re.sub(r"(<select name='b_lbm' id='b_lbm'>)((?:<option .*\n)+)", lambda found: found[1]
                  + "".join(sorted(found[2].splitlines(True))), text)  # stock's order is chance
    return re.sub(r"\[p[0-9a-f]+_(\w+)\]", r"[pID_\1]", text)


def without_additions(text):
    """Ours, without what is documented to be more, and with what is documented to differ."""
    text = re.sub(r"<meta name='viewport'[^>]*>\n<link [^>]*>\n<script [^>]*></script>\n", "", text)
    text = re.sub(r"<div class='lbx-(more|note)'.*?</div>\n", "", text, flags=re.S)
    text = re.sub(r"<th>State</th><th>Limit</th><th>Failed</th><th>5xx</th>", "", text)
    text = re.sub(r"(<td>[^<]*</td>){4}</tr>\n(?=<tr>\n<td><a |</table>)", "</tr>\n", text)
    text = text.replace(" accept-charset='UTF-8'", "")
    text = re.sub(r"<option value='lab_.*\n", "", text)  # the lab module's own methods
    text = re.sub(r"(<tr><td>Add New Worker:.*?</td></tr>)", "", text)
    return text


def stocks(text):
    """Stock's, without what ours does otherwise: no inline style; forms go to the address
    without a host; a nonce is quoted like all other values."""
    text = re.sub(r"<style type='text/css'>.*?</style>\n", "", text, flags=re.S)
    text = re.sub(r'action="http://[^/]*', 'action="', text)
    text = re.sub(r"id='nonce' value='([^']*)'", r"id='nonce' value=" + r'"\1"', text)
    text = re.sub(r"(type=text value=)'([^']*)'", r'\1"\2"', text)
    text = re.sub(r"(<tr><td>Add New Worker:.*?</td></tr>)", "", text)
    return text


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
    texts[0] = re.sub(r"(</httpd:timeout>)      (<httpd:maxatt|<httpd:lbm)", r"\1\n      \2",
                      texts[0])
    texts[0] = re.sub(r"(</httpd:ping>)        <", r"\1\n        <", texts[0])
    assert texts[0] == texts[1]
    root = xml.fromstring(texts[1])
    assert root.tag == HTTPD + "manager"
    assert [b.findtext(HTTPD + "name") for b in root.iter(HTTPD + "balancer")] == [
        "balancer://one", "balancer://two", "balancer://three"]


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
