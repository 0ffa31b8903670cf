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
    "route": "x" * 64, "redirect": "x" * 64, "stickysession": "x" * 64, "upgrade": "x" * 16,
    "nonce": "x" * 37, "stickysessionsep": "two",
    "hcuri": "/" + "x" * 1100, "hcbody": "x" * 1100, "hchost": "x" * 1100, "hcaddr": "x" * 1100,
    "ProxyHCTemplate": "t hcmethod=no-such~value", "LBXHCTemplate": "t hcmethod=no-such~value",
    "LBXStickyCookie": "ROUTE no-such~value",
    "hcsni": "x" * 1100, "hcheader": "no-colon",
}
# directive -> what else may stand in it -> arguments of which that one is bad
OPTIONS = {
    "LBXRetryBudget": {"min": "50% min=few"},
    "LBXRetryBackoff": {"max": "25ms max=2s"},
    "LBXQueue": {"max": "timeout=1s max=0", "timeout": "max=1 timeout=3h"},
    "LBXEject": {"consecutive": "consecutive=0", "failures": "failures=3", "ratio": "ratio=101%",
                 "min": "ratio=50% min=few", "window": "ratio=50% window=soon",
                 "status": "consecutive=3 status=200"},
    "LBXOutlier": {"success-rate": "success-rate=much", "failure-percentage": "failure-percentage=0",
                   "latency": "latency=1", "hosts": "success-rate hosts=0",
                   "volume": "success-rate volume=few", "interval": "success-rate interval=10ms",
                   "base": "success-rate base=2d", "max": "success-rate base=60s max=30s"},
    "LBXSlowStart": {"aggression": "30s aggression=11", "minimum": "30s minimum=0%"},
    "LBXStickyAuto": {"name": "On name=a;b"},
    "LBXStickyCookie": {"path": "R path=here", "domain": "R domain=a;b", "secure": "R secure=perhaps",
                        "httponly": "R httponly=perhaps", "samesite": "R samesite=Odd",
                        "maxage": "R maxage=0", "maxidle": "R maxidle=soon",
                        "maxlife": "R maxlife=401d", "indirect": "R indirect=perhaps",
                        "preserve": "R preserve=perhaps", "nocache": "R nocache=perhaps",
                        "plain": "R plain=perhaps", "if": "R if=%{"},
    "LBXStickyLearn": {"cookie": "cookie:", "header": "header:", "path": "path:",
                       "expr": "expr:%{REQUEST_URI", "idle": "cookie:S idle=800h",
                       "sessions": "cookie:S sessions=1", "store": "cookie:S store=nowhere"},
    "LBXStickyKey": {"file": "file:no/such/file", "previous": "0123456789abcdef0 previous=short"},
    "LBXHCSpread": {}, "ProxyHCExpr": {},
}
# Their values are not for logs.
SECRET = {"LBXStickyKey"}
# Words of which one says what is allowed.
ALLOWED = re.compile(r"must be|must have|allowed|shorter than|at most|one of|length must|unknown|needs|"
                     r"positive|On\|Off|between|is not|expected|must name|takes", re.I)

NONE_SUCH = {"no_such_parameter", "nosuchparameter"}
STOCK_MEMBER = ["loadfactor", "retry", "ttl", "min", "max", "smax", "timeout", "connectiontimeout",
                "ping", "acquire", "iobuffersize", "receivebuffersize", "flushwait", "lbset",
                "responsefieldsize", "status", "route", "redirect", "disablereuse", "enablereuse",
                "keepalive", "flushpackets", "addressttl", "upgrade", *NONE_SUCH]
STOCK_BALANCER = ["lbmethod", "maxattempts", "timeout", "forcerecovery", "failonstatus",
                  "failontimeout", "stickysession", "stickysessionsep", "scolonpathdelim",
                  "nofailover", "growth", "nonce", *NONE_SUCH]
STOCK_SERVER = ["BalancerPersist", "BalancerInherit", "BalancerGrowth", "ProxyPassInherit"]


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
    own = sorted(set(found["parameter"]) - set(STOCK_MEMBER) - set(STOCK_BALANCER) - {"secret"})  # that is mod_proxy's
    return ([(key, member(key)) for key in STOCK_MEMBER + own]
            + [(key, balancer(key)) for key in STOCK_BALANCER]
            + [(key, f"ProxyPass / balancer://app/ {key}={BAD.get(key, DEFAULT)}")
               for key in STOCK_BALANCER]
            + [(name, directive(name)) for name in sorted(found["directive"]) + STOCK_SERVER]
            + [(name, f"{name} {args}") for name, options in OPTIONS.items()
               for args in options.values() if name in found["directive"]])


# several at a time: httpd -t takes 30 ms, a lab ten times that
@pytest.mark.parametrize("part", range(4))
def test_bad_values_are_refused(lab, part):
    web = lab.httpd("", start=False, suite=suite(), modules=("watchdog",))
    wrong = []
    for name, line in tried()[part::4]:
        where = re.match(r"LBXManager|LBXMetrics|ProxyHC|LBXHC|Balancer(?!Member)|ProxyPass", line)
        said = refused(web, line, in_section=not where)
        if said:
            wrong.append(f"{line[:90]}\n    {said}")
    assert not wrong, f"{len(wrong)} are not refused properly:\n" + "\n".join(wrong)


def test_the_options_of_cookies_are_tried():
    assert set(code()["option"]) == set(OPTIONS["LBXStickyCookie"])


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_each_option_has_its_bad_value(lab, name):
    """A directive's message names what may stand in it: OPTIONS has all of that."""
    web = lab.httpd("", start=False, suite=suite(), modules=("watchdog",))
    said = ""
    for args in [BAD.get(name, DEFAULT), *OPTIONS[name].values()]:
        web.rewrite(f'<Proxy "balancer://app">\n{name} {args}\n</Proxy>')
        said += " ".join(web.configtest()[1].split(": must be ", 1)[-1].split()) + " "
    said = re.sub(r"must be (?:a|an|the|one|On|Lax|Off) |Syntax error.*?httpd.conf:", "", said)
    named = set(re.findall(r"\b([a-z][a-z-]+)(?:\[?=|:[A-Z])", said.replace(f"{name} ", "")))
    assert named - {"expr", "no-such"} <= set(OPTIONS[name]) | {"expr"}, (named, said)


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
        value = "file:" if "file:" in line else "..."
    if value[:40] not in flat and "length must" not in flat and "Length must" not in flat:
        return f"the value is not named: {flat[-300:]}"
    if not ALLOWED.search(flat.split(name, 1)[1]):
        return f"what is allowed is not said: {flat[-300:]}"
    return None
