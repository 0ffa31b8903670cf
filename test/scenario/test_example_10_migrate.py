# SPDX-License-Identifier: Apache-2.0
"""conf/examples/migrate: one configuration with all that the stock modules have, run on them and
on the suite; both accept it, and do the same with it."""

from collections import Counter

import pytest

from core_help import who
from lab import eventually, layout
from lab.example import adapt, read, suite

NAMES = ("site-1", "site-2", "site-3", "site-4")
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


@pytest.fixture
def seen_by(lab):
    def run(which):
        backends = [lab.backend(name) for name in NAMES]
        for b in backends:
            b.behave("/moved", status=302, headers={"Location": f"{b.url}/there"})
        web = start(lab, which, backends)
        if which == "after":  # the stock's first check may take long
            eventually(lambda: all("/checked/up" in b.stats()["paths"] for b in backends[:2]),
                       15, "members are checked")
        result = behaviour(web, backends)
        web.stop()
        return result
    return run


@pytest.mark.skipif("hcheck" not in suite(), reason="the site has health checks")
def test_the_same_site_before_and_after(lab, seen_by):
    before, after = seen_by("before"), seen_by("after")
    assert after == before
    assert after["shares"] == {"site-1": 8, "site-2": 4}
