# SPDX-License-Identifier: Apache-2.0
"""`make order`: the modules of the suite load in any order, and none needs a sibling.

Every order of every subset of the built modules is put to `httpd -t`; every subset with
core is started and asked for a page.  Also what must *not* start: core before mod_proxy,
and a stock module that the suite replaces beside core.  How requests are balanced is
not looked at here.
"""
import concurrent.futures
import itertools
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "setup"))
from report import Report  # noqa: E402
from webserver import BASE_MODULES, Problem, Server, built, free_ports, load  # noqa: E402

SUITE = [m for m in ("core", "sticky", "hcheck", "manager") if built(m)]

# Stock module -> our modules one of which must speak up when it is loaded beside core.
REPLACED = {
    "proxy_balancer": r"mod_lbx_core",
    "lbmethod_byrequests": r"mod_lbx_core",
    "lbmethod_bybusyness": r"mod_lbx_core",
    "lbmethod_bytraffic": r"mod_lbx_core",
    "proxy_hcheck": r"mod_lbx_(core|hcheck)",
}


def configuration(web, names, port=None, member=None):
    """Stock modules, then ours in the order of names, then a balancer if core is there."""
    text = web.base() + "".join(load(f"lbx_{n}") for n in names)
    if port is None:
        port, member = 8080, 8081
    text += web.backend("member", member) + f"Listen 127.0.0.1:{port}\n"
    if "core" in names:
        text += (f"<VirtualHost 127.0.0.1:{port}>\n<Proxy balancer://c>\n"
                 f"    BalancerMember http://127.0.0.1:{member}\n</Proxy>\n"
                 "ProxyPass / balancer://c/\n</VirtualHost>\n")
    return text


def subsets():
    for size in range(len(SUITE) + 1):
        yield from itertools.combinations(SUITE, size)


def accepts(names, status, said):
    """Good: the syntax is OK; or, without core, one line that says core is missing."""
    return status == 0 or ("core" not in names and re.search(r"mod_lbx_core", said))


def every_order(web, report):
    orders = [o for s in subsets() for o in itertools.permutations(s)]

    def one(number):
        conf = os.path.join(web.dir, f"order-{number}.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(texts[number])
        return web.syntax(conf)

    texts = [configuration(web, o) for o in orders]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for names, (status, said) in zip(orders, pool.map(one, range(len(orders)))):
            report.check(f"httpd -t with {', '.join(names) or 'none of ours'}",
                         accepts(names, status, said), said)


def every_start(report):
    for names in subsets():
        if "core" not in names:
            continue
        what = f"start and one request with {', '.join(names)}"
        with Server() as web:
            port, member = free_ports(2)
            web.write(configuration(web, names, port, member))
            try:
                web.start(port)
                answer = web.get(port)
                if report.check(what, answer == (200, "member"), f"answer: {answer}\n{web.log()}"):
                    report.check(f"clean stop after {what}", web.stop(), web.log())
            except (Problem, OSError) as problem:
                report.check(what, False, str(problem))


def core_before_proxy(web, report):
    """mod_proxy's hooks are real symbols: what uses them cannot be loaded before it."""
    modules = [m for m in BASE_MODULES if not m.startswith("proxy")]
    web.write(web.base(modules + ["lbx_core", "proxy", "proxy_http"]))
    status, said = web.syntax()
    report.check("core before mod_proxy is refused", status != 0 and "proxy" in said,
                 f"exit status {status}\n{said}")


def stock_beside_core(web, report):
    """One line that names both modules and the LoadModule line to remove."""
    for stock, ours in REPLACED.items():
        for first, second in ((stock, "lbx_core"), ("lbx_core", stock)):
            web.write(web.base(BASE_MODULES + [first, second]) + "Listen 127.0.0.1:8080\n")
            status, said = web.syntax()
            wanted = (ours, rf"\bmod_{stock}\b", rf"LoadModule\s+{stock}_module\b")
            told = any(all(re.search(w, line) for w in wanted) for line in said.splitlines())
            report.check(f"mod_{stock} beside core ({first} first) is refused by name",
                         status != 0 and told, f"exit status {status}\n{said}")


def main():
    report = Report("order")
    if "core" not in SUITE:
        print("order: mod_lbx_core is not built yet")
        report.finish()
    with Server() as web:
        every_order(web, report)
        core_before_proxy(web, report)
        stock_beside_core(web, report)
    every_start(report)
    report.finish()


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        sys.exit(f"order: {problem}\n0 passed, 1 failed")
