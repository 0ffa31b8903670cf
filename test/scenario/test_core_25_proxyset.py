# SPDX-License-Identifier: Apache-2.0
"""Where parameters of balancers and members may stand, and that each arrives.

What it is: each place that mod_proxy's directives allow, and each parameter, as far as the state
or a request shows it.
What it is not: values that are refused (test_core_26), or what the parameters do.
"""

import collections

import pytest

from core_help import balancer_conf, balancer_state, members, who

NAME = "balancer://mycluster"
WANTED = "timeout=7 maxattempts=3 nofailover=On"
PASS = f'ProxyPass "/" "{NAME}/"\n'


def section(backends, inside="", inline=""):
    each = "\n".join(f'BalancerMember "{b.url}"' for b in backends)
    return f'<Proxy "{NAME}" {inline}>\n{each}\n{inside}\n</Proxy>\n'


PLACES = {
    "in <Proxy>": lambda b: section(b, f"ProxySet {WANTED}") + PASS,
    "in <Proxy> before the members":
        lambda b: f'<Proxy "{NAME}">\nProxySet {WANTED}\nBalancerMember "{b[0].url}"\n'
                  f'BalancerMember "{b[1].url}"\n</Proxy>\n' + PASS,
    "in two lines":
        lambda b: section(b, "ProxySet timeout=7\nProxySet maxattempts=3 nofailover=On") + PASS,
    "in a second <Proxy>":
        lambda b: section(b) + PASS + f'<Proxy "{NAME}">\nProxySet {WANTED}\n</Proxy>\n',
    "with the name": lambda b: section(b) + PASS + f'ProxySet "{NAME}" {WANTED}\n',
    "with the name, before ProxyPass":
        lambda b: section(b) + f'ProxySet "{NAME}" {WANTED}\n' + PASS,
    "in <Location> with the name":
        lambda b: section(b) + f'<Location "/">\nProxyPass "{NAME}/"\n'
                               f'ProxySet "{NAME}" {WANTED}\n</Location>\n',
    "in the <Proxy> line": lambda b: section(b, inline=WANTED) + PASS,
    "at ProxyPass": lambda b: section(b) + f'ProxyPass "/" "{NAME}/" {WANTED}\n',
    "at ProxyPass before <Proxy>": lambda b: f'ProxyPass "/" "{NAME}/" {WANTED}\n' + section(b),
    "at ProxyPass in <Location>":
        lambda b: section(b) + f'<Location "/">\nProxyPass "{NAME}/" {WANTED}\n</Location>\n',
    "here and there":
        lambda b: section(b, "ProxySet timeout=7", "maxattempts=3")
        + f'{PASS.strip()} nofailover=On\n',
    "keys in capitals":
        lambda b: section(b, "ProxySet TIMEOUT=7 MaxAttempts=3 noFailover=on") + PASS,
}


@pytest.mark.parametrize("place", PLACES)
def test_parameters_of_the_balancer(lab, place):
    backends = members(lab, 2)
    web = lab.httpd(PLACES[place](backends))
    state = balancer_state(web)
    assert (state["timeout_us"], state["maxattempts"], state["nofailover"]) == (7_000_000, 3, 1)
    assert collections.Counter(who(web, 4)) == {"b1": 2, "b2": 2}


def test_the_last_word_counts(lab):
    web = lab.httpd(section(members(lab, 2), "ProxySet timeout=3\nProxySet timeout=4", "timeout=2")
                    + f'{PASS.strip()} timeout=5\nProxySet "{NAME}" timeout=7\n')
    assert balancer_state(web)["timeout_us"] == 7_000_000


def one_balancer_each(lab, params, per_member=""):
    """An httpd with a balancer for each text in params (or per_member): "b0" below /b0/..."""
    backends = members(lab, 2)
    return lab.httpd("".join(
        balancer_conf(backends, own, member, name=f"b{i}", path=f"/b{i}/")
        for i, (own, member) in enumerate([(p, "") for p in params]
                                          + [("", m) for m in per_member])))


ARRIVES = [
    ("stickysession=S", "sticky", "S"),
    ("stickysession=JSESSIONID|jsessionid", "sticky", "JSESSIONID"),
    (f"stickysession={'s' * 63}", "sticky", "s" * 63),
    ("nofailover=Off", "nofailover", 0),
    ("timeout=1", "timeout_us", 1_000_000),
    ("maxattempts=0", "maxattempts", 0),
    ("maxattempts=200", "maxattempts", 200),
    ("lbmethod=byrequests", "method", "byrequests"),
    ("lbmethod=bybusyness", "method", "bybusyness"),
    ("lbmethod=bytraffic", "method", "bytraffic"),
    ("lbmethod=lab_first", "method", "lab_first"),  # a provider of another module
    ("nonce=abcdef", "nonce", "abcdef"),
    ("nonce=None", "nonce", ""),
    ("growth=100", "growth", 100),
    ("", "growth", 0),
    ("", "maxattempts", -1),
]


def test_each_parameter_arrives(lab):
    web = one_balancer_each(lab, [param for param, _, _ in ARRIVES])
    found = [(param, key, balancer_state(web, f"b{i}")[key])
             for i, (param, key, _) in enumerate(ARRIVES)]
    assert found == ARRIVES


def test_parameters_that_the_state_does_not_show_are_accepted(lab):
    params = ["stickysessionsep=.", "stickysessionsep=Off", "scolonpathdelim=On",
              "failonstatus=503", "'failonstatus=500,502 503'", "failontimeout=On",
              "forcerecovery=Off", "forcerecovery=On"]
    web = one_balancer_each(lab, params)
    found = {param: set(who(web, 2, f"/b{i}/")) for i, param in enumerate(params)}
    assert found == {param: {"b1", "b2"} for param in params}


@pytest.mark.parametrize("n", [0, 10, 1000])
def test_balancergrowth_is_accepted(lab, n):
    web = lab.httpd(f"BalancerGrowth {n}\n" + balancer_conf(members(lab, 2)))
    assert set(who(web, 2)) == {"b1", "b2"}


# -- members

MEMBER_PLACES = {
    "in <Proxy>": lambda b: section(b) + PASS,
    "outside with the balancer's name":
        lambda b: "".join(f'BalancerMember "{NAME}" "{m.url}"\n' for m in b) + PASS,
    "after ProxyPass": lambda b: PASS + section(b),
    "one in <Proxy>, one outside":
        lambda b: section(b[:1]) + f'BalancerMember "{NAME}" "{b[1].url}"\n' + PASS,
    "in two <Proxy>": lambda b: section(b[:1]) + section(b[1:]) + PASS,
    "with a capital in the name":
        lambda b: section(b).replace("mycluster", "MyCluster") + PASS,
}


@pytest.mark.parametrize("place", MEMBER_PLACES)
def test_members(lab, place):
    backends = members(lab, 2)
    web = lab.httpd(MEMBER_PLACES[place](backends))
    assert [m["name"] for m in balancer_state(web)["members"]] == [b.url for b in backends]
    assert collections.Counter(who(web, 4)) == {"b1": 2, "b2": 2}


MEMBER_ARRIVES = [
    ("loadfactor=2.5", "weight", 250),
    ("loadfactor=1", "weight", 100),
    ("loadfactor=100", "weight", 10000),
    ("LoadFactor=3", "weight", 300),
    ("lbset=99", "lbset", 99),
    ("route=r1", "route", "r1"),
    ("route=a.b-c_d", "route", "a.b-c_d"),
    (f"route={'r' * 63}", "route", "r" * 63),
    ("redirect=r2", "redirect", "r2"),
]


def test_each_parameter_of_a_member_arrives(lab):
    web = one_balancer_each(lab, [], [param for param, _, _ in MEMBER_ARRIVES])
    found = [(param, key, balancer_state(web, f"b{i}")["members"][1]["run"][key])
             for i, (param, key, _) in enumerate(MEMBER_ARRIVES)]
    assert found == MEMBER_ARRIVES


def test_a_parameter_of_a_member_after_the_balancers_name(lab):
    one, = members(lab, 1)
    web = lab.httpd(f'BalancerMember "{NAME}" "{one.url}" loadfactor=3 retry=5\n' + PASS)
    member = balancer_state(web)["members"][0]
    assert member["run"]["weight"] == 300 and member["retry_us"] == 5_000_000


def test_parameters_of_a_members_connection_are_accepted(lab):
    params = ["retry=0", "ttl=1", "min=0", "max=20", "smax=10", "acquire=100", "acquire=1s",
              "timeout=5", "connectiontimeout=500ms", "ping=1", "iobuffersize=8192",
              "receivebuffersize=0", "keepalive=On", "disablereuse=On", "enablereuse=On",
              "addressttl=60", "flushpackets=auto", "flushwait=20", "upgrade=websocket",
              "responsefieldsize=16384", "secret=hush"]
    web = one_balancer_each(lab, [], params)
    found = {param: set(who(web, 2, f"/b{i}/")) for i, param in enumerate(params)}
    assert found == {param: {"b1", "b2"} for param in params}
