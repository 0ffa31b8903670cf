# SPDX-License-Identifier: Apache-2.0
"""The lines that people look for in the log, by the README's chapter on 503: they are there, each
names the member and the cause, and nothing else has to be switched on.

What it is: each row of the table, provoked once.
What it is not: all that the lines may say (test_core_20, 21, 55, 57).
"""

import re

from core_help import balancer_conf, finish, hold, members
from lab import layout
from lab.example import example, suite

README = (layout.ROOT / "README.md").read_text(encoding="utf-8")
NOISE = r"AH00957|AH01114|LBX0182"


def test_refused_connections(lab):
    """Operating system, balancer, member and cause; what was done about it; nobody is left."""
    b = members(lab, 2)
    web = example(lab, "minimal.conf", {f"app-{i}.example.com:8080": m for i, m in enumerate(b, 1)})
    web.expect_log(NOISE)
    for m in b:
        m.refuse()
    assert web.get("/").status == 503
    assert "`(111)Connection refused` beside `AH00957`" in README and "`LBX0182` below it" in README
    lines = web.log_lines("AH00957|LBX0182")
    for i, m in enumerate(b):
        system, ours = lines[2 * i:2 * i + 2]
        assert re.search(rf"\(111\)Connection refused: AH00957: .* 127.0.0.1:{m.port} ", system), system
        assert re.search(rf"LBX0182: balancer://minimal: attempt {i + 1} at {m.url} ended after \d+ms: "
                         r"connect-failure \(111\)Connection refused; ", ours), ours
    assert "trying another member; disabling worker for" in lines[1]
    assert "not retried: maxattempts is used up" in lines[3]


def site(b, own=""):
    """One balancer for each row, all with the same two members."""
    conf = [
        ("error", "forcerecovery=Off", ["retry=60", "status=+D"]),
        ("waited", "forcerecovery=Off timeout=1", "status=+D"),
        ("route", "stickysession=S nofailover=On", ["route=x status=+D", "route=y"]),
        ("room", "", ["maxconn=1", "status=+D"]),
        ("attempts", "", "retry=0"),
    ]
    return "".join(balancer_conf(b, params, each, name=name, path=f"/{name}/")
                   for name, params, each in conf) + """
        <Proxy "balancer://empty">
        </Proxy>
        ProxyPass "/empty/" "balancer://empty/"
    """


def row(text):
    """The README has a row with this in its first cell."""
    assert re.search(rf"(?m)^\| [^|]*{re.escape(text)}", README), f"{text} is not in the README"
    return text


def test_each_cause_of_a_503_has_its_line(lab):
    one, two = members(lab, 2)
    web = lab.httpd(site([one, two]), suite=suite(), modules=("watchdog",))
    web.expect_log(NOISE + "|LBX0160|LBX0161|LBX0162")

    def line(path, text, more=r".*", **headers):
        answer = web.get(path, headers=headers)
        assert answer.status == 503, answer
        found = web.log_lines(rf"\[lbx_core:\w+\] .*LBX\d+: balancer://{path[1:-1]}: .*{re.escape(row(text))}{more}")
        assert found, (path, web.log_lines("LBX"))
        return answer

    line("/empty/", "No workers in balancer")
    line("/waited/", "(waited ", r"1\d\d\dms\)")
    line("/route/", "All workers are in error state for route (x)", Cookie="S=1.x")
    busy = hold(lab, web, "/room/")
    answer = line("/room/", "No worker has room: ", rf"{one.url} .*{two.url} disabled")
    assert answer.headers["Retry-After"]
    finish(busy)
    one.refuse()
    two.refuse()
    row("attempt N at ... ended after ...")
    line("/attempts/", "attempt ", rf"2 at {two.url} ended after")
    web.get("/error/")
    line("/error/", "All workers are in error state: ", rf"{one.url} in error, {two.url} disabled")
