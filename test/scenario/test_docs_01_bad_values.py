# SPDX-License-Identifier: Apache-2.0
"""Every directive and every parameter of the suite refuses a bad value, and says what is allowed.

What it is: one bad value for each name that the code has, `httpd -t` only.  Names are taken from
the modules' sources, so that a new one is tried without a line here; BAD has those for which
"no-such~value" would be good.
What it is not: all bad values of a name (its own module's scenarios have those).
"""

import re
import sys

import pytest

from lab import layout
from lab.example import suite

sys.path.insert(0, str(layout.ROOT / "test" / "style"))
from manual import things  # noqa: E402
from source import Source, Tree  # noqa: E402

DEFAULT = "no-such~value"
# name -> a value that is bad for it, where it takes any word
BAD = {
    "route": "x" * 64, "redirect": "x" * 64, "stickysession": "x" * 64,
    "hcuri": "/" + "x" * 1100, "hcbody": "x" * 1100, "hchost": "x" * 1100, "hcaddr": "x" * 1100,
    "ProxyHCTemplate": "t hcmethod=no-such~value", "LBXHCTemplate": "t hcmethod=no-such~value",
    "LBXStickyCookie": "ROUTE no-such~value",
    "hcsni": "x" * 1100, "hcheader": "no-colon",
}
# Their values are not for logs.
SECRET = {"LBXStickyKey"}
# Words of which one says what is allowed.
ALLOWED = re.compile(r"must be|must have|allowed|shorter than|at most|one of|length must|unknown|needs|"
                     r"positive|On\|Off|between|is not|expected|must name|takes", re.I)

STOCK_MEMBER = ["loadfactor", "retry", "ttl", "min", "max", "smax", "timeout", "connectiontimeout",
                "ping", "acquire", "iobuffersize", "receivebuffersize", "flushwait", "lbset",
                "responsefieldsize", "status", "route", "redirect", "disablereuse", "enablereuse",
                "keepalive", "flushpackets", "addressttl", "no_such_parameter"]
STOCK_BALANCER = ["lbmethod", "maxattempts", "timeout", "forcerecovery", "failonstatus",
                  "failontimeout", "stickysession", "stickysessionsep", "scolonpathdelim",
                  "nofailover", "growth"]


def code():
    sources = []
    for path in sorted(layout.ROOT.glob("mod_lbx_*/*.[ch]")):
        name = str(path.relative_to(layout.ROOT))
        if path.parent.name[len("mod_lbx_"):] in suite():
            sources.append(Source(name, path.read_text(encoding="utf-8")))
    return things(Tree(sources))


def member(key):
    return f'BalancerMember "http://127.0.0.1:1" {key}={BAD.get(key, DEFAULT)}'


def balancer(key):
    return f"ProxySet {key}={BAD.get(key, DEFAULT)}"


def directive(name):
    return f"{name} {BAD.get(name, DEFAULT)}"


def tried():
    found = code()
    own = sorted(set(found["parameter"]) - set(STOCK_MEMBER) - {"secret"})  # that is mod_proxy's
    return ([(key, member(key)) for key in STOCK_MEMBER + own]
            + [(key, balancer(key)) for key in STOCK_BALANCER]
            + [(name, directive(name)) for name in sorted(found["directive"])])


# several at a time: httpd -t takes 30 ms, a lab ten times that
@pytest.mark.parametrize("part", range(4))
def test_bad_values_are_refused(lab, part):
    web = lab.httpd("", start=False, suite=suite(), modules=("watchdog",))
    wrong = []
    for name, line in tried()[part::4]:
        where = re.match(r"LBXManager|LBXMetrics|ProxyHC|LBXHC", name)
        said = refused(web, line, in_section=not where)
        if said:
            wrong.append(f"{line[:90]}\n    {said}")
    assert not wrong, f"{len(wrong)} are not refused properly:\n" + "\n".join(wrong)


def refused(web, line, in_section):
    """None, or what is wrong with the answer."""
    web.rewrite(f'<Proxy "balancer://app">\n{line}\n</Proxy>' if in_section else line)
    status, said = web.configtest()
    if "not allowed here" in said:
        web.rewrite(f'<Location "/there">\n{line}\n</Location>')
        status, said = web.configtest()
    flat = " ".join(said.split())
    name = re.split(r"[\s]", line)[0]
    value = line.rsplit("=", 1)[-1] if "=" in line else line.split()[-1]
    if status == 0:
        return "accepted"
    if "AH00526" not in flat:
        return f"not a message about a line: {flat[-300:]}"
    if name not in flat:
        return f"the directive is not named: {flat[-300:]}"
    if name in SECRET:
        value = "..."
    if value[:40] not in flat and "length must" not in flat and "Length must" not in flat:
        return f"the value is not named: {flat[-300:]}"
    if not ALLOWED.search(flat.split(name, 1)[1]):
        return f"what is allowed is not said: {flat[-300:]}"
    return None
