# SPDX-License-Identifier: Apache-2.0
"""conf/examples/migrate: one configuration with all that the stock modules have, run on them and
on the suite; both accept it, do the same with it, and their managers say the same of it."""

import re
import xml.etree.ElementTree as xml
from collections import Counter
from html import unescape

import pytest

from compare_help import (HTTPD, any_count, ask, checks_without_additions, one_space, same_machine,
                          stocks, stocks_checks, three_digits, without_additions)
from core_help import who
from lab import eventually, layout
from lab.example import adapt, read, suite
from test_docs_01_bad_values import NONE_SUCH, STOCK_BALANCER, STOCK_MEMBER

NAMES = ("site-1", "site-2", "site-3", "site-4")
HEALTH = ("hcmethod", "hcuri", "hcinterval", "hcpasses", "hcfails", "hcexpr", "hctemplate")
DIRECTIVES = ("BalancerPersist", "BalancerGrowth", "BalancerInherit", "ProxyPassInherit", "ProxyStatus",
              "ProxyHCExpr", "ProxyHCTemplate", "ProxyHCTPsize", "BalancerMember", "ProxyPass")
# what the stock modules say for themselves
STOCK_NOISE = r"AH0\d+|AH1\d+|LBX"


def start(lab, which, backends, more=""):
    loads = read(f"migrate/{which}.conf")
    if which == "after":
        loads = "\n".join(line for line in loads.splitlines() if not line.startswith("Load")
                          or any(f"lbx_{m}_module" in line for m in suite()))
    text = adapt(read("migrate/site.conf"),
                 {f"{n}.example.com:8080": b for n, b in zip(NAMES, backends)}, {})
    web = lab.httpd(f'Define STOCK_DIR "{layout.modules_dir()}"\n'
                    f'Define LBX_DIR "{layout.SUITE_DIR}"\n{loads}\n{text}\n{more}', suite=(),
                    modules=("watchdog", "authz_host", "status"), start=False)
    web.expect_log(STOCK_NOISE)
    status, said = web.configtest()
    assert (status, said.strip()) == (0, "Syntax OK"), said
    return web.start()


def ports(text, backends):
    """The addresses that stand in the file."""
    for name, b in zip(NAMES, backends):
        text = text.replace(f"127.0.0.1:{b.port}", name).replace(f"port>{b.port}<", f"port>{name}<")
    return text


def behaviour(web, backends):
    """What a client sees, in an order that does not depend on chance."""
    seen = {"shares": Counter(who(web, 12, "/site/"))}
    for route in ("s1", "s2", "s3", "s4", "s9"):
        for cookie, path in ((f"JSESSIONID=abc.{route}", "/site/"),
                             ("", f"/site/;jsessionid=abc.{route}")):
            headers = {"Cookie": cookie} if cookie else {}
            found = set(who(web, 3, path, headers=headers))
            # no such member: anybody who is in use
            seen[path, cookie] = found if route != "s9" else found <= {"site-1", "site-2"}
    seen["busy"] = set(who(web, 9, "/checked/"))
    seen["traffic"] = Counter(who(web, 10, "/traffic/"))
    seen["redirect"] = web.get("/site/moved").headers.get("Location")
    return seen


def test_the_site_has_all_that_stock_has():
    text = read("migrate/site.conf")
    missing = [key for key in {*STOCK_MEMBER, *STOCK_BALANCER} - NONE_SUCH
               | {"upgrade", "secret", *HEALTH} if f" {key}=" not in text]
    missing += [name for name in DIRECTIVES if not re.search(rf"^{name}\s", text, re.M)]
    assert not missing


def started(lab, which, backends):
    web = start(lab, which, backends)
    if which == "after":  # the stock's first check may take long
        eventually(lambda: all("/checked/up" in b.stats()["paths"] for b in backends[:2]),
                   15, "members are checked")
    return web


def site(lab):
    backends = [lab.backend(name) for name in NAMES]
    for b in backends:
        b.behave("/moved", status=302, headers={"Location": f"{b.url}/there"})
    return backends


def pages(web):
    """What the manager says before the first request: the page, each form, the XML."""
    def comparable(text):
        return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "NONCE",
                      any_count(same_machine(web, text)))
    page = ask(web).text
    links = [unescape(link) for link in re.findall(r"<a href=['\"][^?'\"]*(\?b=[^'\"]*)", page)]
    texts = {comparable(link): comparable(ask(web, link).text) for link in links}
    return {"": comparable(page), **texts, "?xml=1": one_space(comparable(ask(web, "?xml=1").text))}


def told(web):
    """What it says of members after requests: what an operator's script reads first.  `Load` is
    the method's own affair."""
    return {(b.findtext(HTTPD + "name"), w.findtext(HTTPD + "name")):
            {key: w.findtext(HTTPD + key) for key in ("status", "elected", "busy", "route", "loadfactor")}
            for b in xml.fromstring(ask(web, "?xml=1").body).iter(HTTPD + "balancer")
            for w in b.iter(HTTPD + "worker") if "checked" not in b.findtext(HTTPD + "name")}


@pytest.mark.skipif("hcheck" not in suite(), reason="the site has health checks")
def test_the_same_site_before_and_after(lab):
    seen, managers, counts = {}, {}, {}
    for which in ("before", "after"):
        backends = site(lab)
        web = started(lab, which, backends)
        managers[which] = {ports(q, backends): ports(text, backends)
                           for q, text in pages(web).items()}
        seen[which] = behaviour(web, backends)
        counts[which] = {(b, ports(w, backends)): v for (b, w), v in told(web).items()}
        web.stop()
    assert seen["after"] == seen["before"]
    assert seen["after"]["shares"] == {"site-1": 8, "site-2": 4}
    assert counts["after"] == counts["before"] and len(counts["after"]) == 8
    before, after = managers["before"], managers["after"]
    assert list(after) == list(before) and len(after) == 1 + 3 + 11 + 1
    for query, text in before.items():
        if query == "?xml=1":
            assert three_digits(after[query]) == text
        else:
            assert checks_without_additions(without_additions(after[query])) \
                == stocks_checks(stocks(text)), query
