# SPDX-License-Identifier: Apache-2.0
"""Balancers of the main server in virtual hosts.

What it is: one state where nothing is added, an own version where something is; what
BalancerInherit and ProxyPassInherit do.
What it is not: what persistence writes, or what a restart keeps.
"""

import collections

import pytest

from core_help import balancer_conf, elected, members
from lab import eventually

ONE, TWO = "one.example", "two.example"
PASS = 'ProxyPass "/" "balancer://mycluster/"'


def two_hosts(lab, backends, one=PASS, two=PASS, main=None):
    if main is None:
        main = balancer_conf(backends, path="")
    return lab.httpd(main, vhost_conf={ONE: one, TWO: two})


def at(web, host, n=1, path="/"):
    """Who answers n requests to this virtual host."""
    found = []
    for _ in range(n):
        answer = web.get(path, headers={"Host": host})
        assert answer.status == 200, answer
        found.append(answer.backend)
    return found


def shares(web, host, n=6):
    return dict(collections.Counter(at(web, host, n)))


def sets(web, host=None):
    """The balancers of all servers, or those that this virtual host can use."""
    answer = web.get("/-lab?own" if host else "/-lab", headers={"Host": host or ONE})
    return answer.json()["balancers"]


def change_at(web, host, **form):
    answer = web.post("/-lab", headers={"Host": host},
                      form={"balancer": "balancer://mycluster", **form})
    assert answer.status == 200, answer


def extra(backend, params=""):
    """What a virtual host says to have one more member."""
    more = f"ProxySet {params}" if params else ""
    return f'<Proxy "balancer://mycluster">\nBalancerMember "{backend.url}"\n{more}\n</Proxy>\n'


# -- one balancer

def test_a_balancer_of_the_main_server_is_one_for_all(lab):
    web = two_hosts(lab, members(lab, 2))
    assert [(s["name"], s["scope"]) for s in sets(web)] == [("balancer://mycluster", "main")]
    assert sets(web, ONE) == sets(web, TWO) == sets(web)


def test_requests_rotate_over_both_hosts(lab):
    web = two_hosts(lab, members(lab, 3))
    found = [at(web, host)[0] for host in (ONE, TWO) * 6]
    assert found == found[:3] * 4 and sorted(found[:3]) == ["b1", "b2", "b3"]
    assert elected(web) == [4, 4, 4]


def test_a_change_made_at_one_host_holds_at_the_other(lab):
    backends = members(lab, 2)
    web = two_hosts(lab, backends)
    change_at(web, ONE, member=backends[0].url, field="disabled", value="on")
    assert shares(web, ONE) == shares(web, TWO) == {"b2": 6}
    change_at(web, TWO, member=backends[0].url, field="disabled", value="off")
    assert shares(web, ONE) == shares(web, TWO) == {"b1": 3, "b2": 3}


def test_an_error_met_at_one_host_holds_at_the_other(lab):
    one, two = backends = members(lab, 2)
    web = two_hosts(lab, backends)
    web.expect_log("AH00957|AH01114|disabling worker for")
    one.refuse()
    assert shares(web, ONE) == shares(web, TWO) == {"b2": 6}
    assert len(web.log_lines("AH00957")) == 1


def test_requests_in_flight_at_both_hosts_are_one_count(lab):
    backends = members(lab, 2)
    web = two_hosts(lab, backends)
    for backend in backends:
        backend.stop()
    clients = [lab.client(web) for _ in range(4)]
    for client, host in zip(clients, (ONE, TWO) * 2):
        client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    eventually(lambda: [m["in_flight"] for m in sets(web)[0]["members"]] == [2, 2])
    for backend in backends:
        backend.cont()
    assert {client.recv(12) for client in clients} == {b"HTTP/1.1 200"}


def test_the_main_servers_proxypass_is_inherited_too(lab):
    web = two_hosts(lab, None, "", "", main=balancer_conf(members(lab, 2)))
    assert len(sets(web)) == 1
    assert at(web, ONE) != at(web, TWO)


def test_a_path_of_its_own_is_nothing_new(lab):
    web = two_hosts(lab, members(lab, 2), two='ProxyPass "/app" "balancer://mycluster/x"')
    assert len(sets(web)) == 1
    assert at(web, ONE) != at(web, TWO, path="/app")


def test_balancers_of_the_hosts_themselves_are_two(lab):
    backends = members(lab, 2)
    conf = balancer_conf(backends)
    web = two_hosts(lab, None, conf, conf, main="")
    assert len({s["scope"] for s in sets(web)}) == 2
    change_at(web, ONE, member=backends[0].url, field="disabled", value="on")
    assert shares(web, ONE) == {"b2": 6} and shares(web, TWO) == {"b1": 3, "b2": 3}


# -- a host that adds something

def test_a_host_adds_a_member(lab):
    """The stock modules lose it."""
    *backends, third = members(lab, 3)
    web = two_hosts(lab, backends, two=extra(third) + PASS)
    assert shares(web, ONE) == {"b1": 3, "b2": 3}
    assert shares(web, TWO) == {"b1": 2, "b2": 2, "b3": 2}


def test_the_order_of_the_directives_does_not_matter(lab):
    *backends, third = members(lab, 3)
    web = two_hosts(lab, backends, two=PASS + "\n" + extra(third))
    assert shares(web, TWO) == {"b1": 2, "b2": 2, "b3": 2}


def test_a_host_that_adds_a_member_has_its_own_state(lab):
    *backends, third = members(lab, 3)
    web = two_hosts(lab, backends, two=extra(third) + PASS)
    assert [len(s["members"]) for s in sets(web)] == [2, 3]
    assert len(sets(web, ONE)) == len(sets(web, TWO)) == 1
    change_at(web, TWO, member=backends[0].url, field="disabled", value="on")
    assert shares(web, TWO) == {"b2": 3, "b3": 3}
    assert shares(web, ONE) == {"b1": 3, "b2": 3}


def test_an_inherited_member_named_again_is_there_once(lab):
    backends = members(lab, 2)
    web = two_hosts(lab, backends, two=extra(backends[0]) + PASS)
    assert shares(web, TWO) == {"b1": 3, "b2": 3}


def overridden(lab, main, vhost, where):
    """The balancer as the first host has it, and as the second one, which overrides it."""
    backends = members(lab, 2)
    if where == "ProxyPass":
        two = f"{PASS} {vhost}"
    else:
        two = f'<Proxy "balancer://mycluster">\nProxySet {vhost}\n</Proxy>\n{PASS}'
    web = two_hosts(lab, backends, two=two, main=balancer_conf(backends, main, path=""))
    assert shares(web, ONE) == shares(web, TWO) == {"b1": 3, "b2": 3}
    return sets(web, ONE)[0], sets(web, TWO)[0]


@pytest.mark.parametrize("where", ["ProxyPass", "ProxySet"])
@pytest.mark.parametrize("main, vhost, key, values", [
    ("", "stickysession=S", "sticky", ("", "S")),
    ("stickysession=M", "stickysession=S", "sticky", ("M", "S")),
    ("", "lbmethod=bybusyness", "method", ("byrequests", "bybusyness")),
    ("lbmethod=bybusyness", "lbmethod=byrequests", "method", ("bybusyness", "byrequests")),
    ("timeout=5", "timeout=7", "timeout_us", (5_000_000, 7_000_000)),
    ("maxattempts=3", "maxattempts=0", "maxattempts", (3, 0)),
    ("nofailover=On", "nofailover=Off", "nofailover", (1, 0)),
])
def test_a_host_overrides_a_parameter(lab, main, vhost, key, values, where):
    one, two = overridden(lab, main, vhost, where)
    assert (one[key], two[key]) == values


def test_a_host_that_overrides_one_parameter_inherits_the_others(lab):
    _, two = overridden(lab, "lbmethod=bytraffic timeout=5 maxattempts=3 nofailover=On",
                        "stickysession=S", "ProxySet")
    assert (two["method"], two["timeout_us"], two["maxattempts"], two["nofailover"],
            two["sticky"]) == ("bytraffic", 5_000_000, 3, 1, "S")


def test_a_host_that_adds_a_member_inherits_the_parameters(lab):
    *backends, third = members(lab, 3)
    web = two_hosts(lab, None, two=extra(third) + PASS,
                    main=balancer_conf(backends, "lbmethod=bybusyness timeout=5", path=""))
    own = sets(web, TWO)[0]
    assert (own["method"], own["timeout_us"]) == ("bybusyness", 5_000_000)


def test_failonstatus_of_the_host_adds_to_the_main_servers(lab):
    backends = members(lab, 3)
    for backend, status in zip(backends, (500, 503, 200)):
        backend.behave("/", status=status)
    web = two_hosts(lab, None, two=f"{PASS} failonstatus=503",
                    main=balancer_conf(backends, "failonstatus=500", path=""))
    web.expect_log("Forcing worker .*status code 500", must=True)
    web.expect_log("Forcing worker .*status code 503", must=True)
    asked = [web.get("/", headers={"Host": TWO}).status for _ in range(6)]
    assert sorted(asked) == [200] * 4 + [500, 503]


# -- BalancerInherit, ProxyPassInherit

@pytest.mark.parametrize("main, vhost", [("", "BalancerInherit Off"), ("BalancerInherit Off", "")])
def test_balancerinherit_off_leaves_the_balancer_out(lab, main, vhost):
    web = two_hosts(lab, None, two=vhost, main=balancer_conf(members(lab, 2), path="") + main)
    assert sets(web, TWO) == []
    web.await_log("not inherited by this virtual host")


def test_balancerinherit_on_of_the_host_overrides_the_main_server(lab):
    web = two_hosts(lab, None, two="BalancerInherit On\n" + PASS,
                    main=balancer_conf(members(lab, 2), path="") + "BalancerInherit Off")
    assert shares(web, TWO) == {"b1": 3, "b2": 3}


def test_balancerinherit_off_leaves_only_the_hosts_own_members(lab):
    *backends, third = members(lab, 3)
    web = two_hosts(lab, backends, two="BalancerInherit Off\n" + extra(third) + PASS)
    assert shares(web, TWO) == {"b3": 6} and shares(web, ONE) == {"b1": 3, "b2": 3}


@pytest.mark.parametrize("words", ["BalancerInherit Off", "ProxyPassInherit Off",
                                   "BalancerInherit Off\nProxyPassInherit Off"])
def test_a_host_that_passes_to_the_balancer_has_it_all_the_same(lab, words):
    """It names the balancer, so it wants it; and a ProxyPass adds nothing to it."""
    web = two_hosts(lab, members(lab, 2), two=f"{words}\n{PASS}")
    assert shares(web, TWO) == {"b1": 3, "b2": 3}
    assert len(sets(web)) == 1


def test_without_any_inheritance_a_host_has_no_balancer(lab):
    web = two_hosts(lab, members(lab, 2), two="BalancerInherit Off\nProxyPassInherit Off")
    assert sets(web, TWO) == [] and len(sets(web, ONE)) == 1
    assert web.get("/index.html", headers={"Host": TWO}).text == "lab\n"


# -- BalancerPersist

@pytest.mark.parametrize("main, vhost", [("BalancerPersist On", ""), ("", "BalancerPersist On"),
                                         ("BalancerPersist On", "BalancerPersist Off")])
def test_balancerpersist_starts_wherever_it_stands(lab, main, vhost):
    web = two_hosts(lab, None, two=f"{vhost}\n{PASS}",
                    main=f"{main}\n" + balancer_conf(members(lab, 2), path=""))
    assert shares(web, ONE) == shares(web, TWO) == {"b1": 3, "b2": 3}
