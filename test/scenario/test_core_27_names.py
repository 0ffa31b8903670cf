# SPDX-License-Identifier: Apache-2.0
"""Names of members and balancers: Unix sockets, IPv6, paths, long ones, many.

What it is: that each is one member of its own, is reached, and is called in the state what the
file calls it.
What it is not: schemes other than http.
"""

import collections
import socket

import pytest

from core_help import balancer_conf, balancer_state, elected, member_state, members, who

REFUSED = "AH00957|AH01114|disabling worker for|AH02454"


def urls_conf(urls):
    """A balancer of members that are not all backends of the lab."""
    each = "\n".join(f'BalancerMember "{url}"' for url in urls)
    return (f'<Proxy "balancer://mycluster">\n{each}\n</Proxy>\n'
            'ProxyPass "/" "balancer://mycluster/"\n')


def names(web):
    return [m["name"] for m in balancer_state(web)["members"]]


# -- Unix sockets

def test_a_member_behind_a_unix_socket(lab):
    one = lab.backend("u1", unix=True)
    web = lab.httpd(balancer_conf([one]))
    assert who(web, 2) == ["u1", "u1"]
    assert names(web) == [f"unix:{one.path}|http://localhost"]


def test_unix_sockets_and_addresses_together(lab):
    one, two = lab.backend("u1", unix=True), lab.backend("b2")
    web = lab.httpd(balancer_conf([one, two]))
    assert collections.Counter(who(web, 6)) == {"u1": 3, "b2": 3}


def test_unix_sockets_with_hosts_of_their_own(lab):
    one, two = lab.backend("u1", unix=True), lab.backend("u2", unix=True)
    web = lab.httpd(urls_conf([f"unix:{one.path}|http://one", f"unix:{two.path}|http://two"]))
    assert collections.Counter(who(web, 6)) == {"u1": 3, "u2": 3}


def test_unix_sockets_with_the_same_host_are_two_members(lab):
    one, two = lab.backend("u1", unix=True), lab.backend("u2", unix=True)
    web = lab.httpd(balancer_conf([one, two]))
    assert collections.Counter(who(web, 6)) == {"u1": 3, "u2": 3}


def test_failover_from_a_unix_socket(lab):
    one, two = lab.backend("u1", unix=True), lab.backend("b2")
    web = lab.httpd(balancer_conf([one, two]))
    web.expect_log(REFUSED)
    one.refuse()
    assert who(web, 4) == ["b2"] * 4
    assert member_state(web, one)["failures"] == 1


def test_failover_to_a_unix_socket(lab):
    one, two = lab.backend("b1"), lab.backend("u2", unix=True)
    web = lab.httpd(balancer_conf([one, two]))
    web.expect_log(REFUSED)
    one.refuse()
    assert who(web, 4) == ["u2"] * 4


# -- IPv6

def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_a_member_with_an_ipv6_address(lab):
    port = lab.port()
    lab.httpd(f'Listen "[::1]:{port}"\nHeader set X-Backend six', suite=())
    two = lab.backend("b2")
    web = lab.httpd(urls_conf([f"http://[::1]:{port}", two.url]))
    assert collections.Counter(who(web, 4, "/index.html")) == {"six": 2, "b2": 2}
    member = balancer_state(web)["members"][0]
    assert (member["name"], member["port"]) == (f"http://[::1]:{port}", port)


def test_failover_from_an_ipv6_address(lab):
    """Nobody listens there, or there is no IPv6 at all: the same for the client."""
    two = lab.backend("b2")
    web = lab.httpd(urls_conf([f"http://[::1]:{lab.port()}", two.url]))
    web.expect_log(REFUSED + "|AH0095[02]")
    assert who(web, 4) == ["b2"] * 4


# -- paths

def test_the_path_of_a_member_comes_before_the_requests(lab):
    one, two = members(lab, 2)
    web = lab.httpd(urls_conf([f"{one.url}/app", f"{two.url}/other/app"]))
    assert set(who(web, 2, "/x?y=z")) == {"b1", "b2"}
    assert one.arrivals()[0].target == "/app/x?y=z"
    assert two.arrivals()[0].target == "/other/app/x?y=z"
    assert names(web) == [f"{one.url}/app", f"{two.url}/other/app"]


def test_failover_takes_the_path_of_the_next_member(lab):
    one, two = members(lab, 2)
    web = lab.httpd(urls_conf([f"{one.url}/app", f"{two.url}/other"]))
    web.expect_log(REFUSED)
    one.refuse()
    assert who(web, 1, "/x?y=z") == ["b2"]
    assert two.arrivals()[0].target == "/other/x?y=z"


def test_the_path_of_proxypass_comes_between(lab):
    one, = members(lab, 1)
    web = lab.httpd(f'BalancerMember "balancer://mycluster" "{one.url}/app"\n'
                    'ProxyPass "/a" "balancer://mycluster/b"\n')
    assert who(web, 1, "/a/c") == ["b1"]
    assert one.arrivals()[0].target == "/app/b/c"


@pytest.mark.parametrize("first, second", [("/app", ""), ("/app", "/other"), ("", "/app")])
def test_two_paths_of_one_host_are_two_members(lab, first, second):
    """The stock modules drop a member whose URL begins with that of one before."""
    one, = members(lab, 1)
    web = lab.httpd(urls_conf([one.url + first, one.url + second]))
    assert names(web) == [one.url + first, one.url + second]
    who(web, 4, "/x")
    assert one.stats()["paths"] == {f"{first}/x": 2, f"{second}/x": 2}


def test_the_default_port_is_left_out(lab):
    web = lab.httpd(urls_conf(["http://127.0.0.1:80", "https://127.0.0.1:443/"]))
    assert names(web)[0] == "http://127.0.0.1"
    assert [m["port"] for m in balancer_state(web)["members"]] == [80, 443]


# -- long names

def long_host(n):
    """A host name of n characters that no resolver knows."""
    labels = "a" * 49 + "."
    return (labels * (n // 50 + 1))[:n - len(".invalid")].rstrip(".").ljust(
        n - len(".invalid"), "b") + ".invalid"


def test_a_host_name_of_250_characters(lab):
    two = lab.backend("b2")
    host = long_host(250)
    assert len(host) == 250
    web = lab.httpd(urls_conf([f"http://{host}:8080", two.url]))
    web.expect_log("AH0|AH1|disabling worker for")
    children = web.children()
    found = [web.get("/").backend for _ in range(4)]
    assert "b2" in found and web.children() == children
    assert names(web)[0] == f"http://{host}:8080"
    assert balancer_state(web)["members"][0]["host"] == host


def test_a_host_name_of_300_characters_stops_or_works(lab):
    """A child of the stock modules crashes at a later request."""
    two = lab.backend("b2")
    web = lab.httpd(urls_conf([f"http://{long_host(300)}:8080", two.url]), start=False)
    code, text = web.configtest()
    if code:
        assert "BalancerMember" in text
        return
    web.expect_log("AH0|AH1|disabling worker for")
    web.start()
    children = web.children()
    assert "b2" in [web.get("/").backend for _ in range(4)]
    assert web.children() == children


def test_a_member_with_a_long_path(lab):
    one, two = members(lab, 2)
    path = "/" + "p" * 300
    web = lab.httpd(urls_conf([one.url + path, two.url]))
    assert set(who(web, 2, "/x")) == {"b1", "b2"}
    assert one.arrivals()[0].target == path + "/x"
    assert names(web)[0] == one.url + path


def test_a_balancer_with_a_long_name(lab):
    backends, name = members(lab, 2), "n" * 80
    web = lab.httpd(balancer_conf(backends, name=name))
    assert set(who(web, 2)) == {"b1", "b2"}
    assert elected(web, name) == [1, 1]


@pytest.mark.parametrize("name", ["a-b.c_d", "x10", "x.example.org"])
def test_balancer_names(lab, name):
    web = lab.httpd(balancer_conf(members(lab, 2), name=name))
    assert set(who(web, 2)) == {"b1", "b2"}


# -- many

def test_a_hundred_members(lab):
    one, = members(lab, 1)
    web = lab.httpd(urls_conf([f"{one.url}/m{i:03}" for i in range(100)]))
    client = lab.client(web)
    who(client, 200)
    assert elected(web) == [2] * 100
    assert one.stats()["paths"] == {f"/m{i:03}/": 2 for i in range(100)}


def test_a_hundred_members_and_one_that_answers(lab):
    one, = members(lab, 1)
    dead = [f"http://127.0.0.1:{lab.port()}" for _ in range(99)]
    web = lab.httpd(urls_conf([*dead, one.url]))
    web.expect_log(REFUSED)
    assert who(web, 3) == ["b1"] * 3
    state = balancer_state(web)
    assert sum(m["failures"] for m in state["members"]) == state["failovers"] <= 99


def test_three_balancers_of_one_server(lab):
    backends = members(lab, 3)
    web = lab.httpd("".join(balancer_conf(backends, name=name, path=f"/{name}/")
                            for name in ("x", "xy", "xyz")))
    assert who(web, 3, "/x/") == who(web, 3, "/xy/") == who(web, 3, "/xyz/")
    who(web, 3, "/xy/")
    assert [elected(web, name) for name in ("x", "xy", "xyz")] == [[1] * 3, [2] * 3, [1] * 3]


def test_an_error_in_one_balancer_is_not_one_in_another(lab):
    one, two = backends = members(lab, 2)
    web = lab.httpd("".join(balancer_conf(backends, name=name, path=f"/{name}/")
                            for name in ("x", "y")))
    web.expect_log(REFUSED)
    one.refuse()
    assert who(web, 2, "/x/") == ["b2"] * 2
    one.accept_again()
    assert set(who(web, 2, "/y/")) == {"b1", "b2"}
    assert not member_state(web, one, "y")["error_at_us"]
    assert member_state(web, one, "x")["error_at_us"]


def test_a_member_in_two_balancers_counts_in_each(lab):
    one, = members(lab, 1)
    web = lab.httpd(balancer_conf([one], name="x", path="/x/")
                    + balancer_conf([one], "lbmethod=bybusyness", name="y", path="/y/"))
    who(web, 2, "/x/")
    who(web, 3, "/y/")
    assert (elected(web, "x"), elected(web, "y")) == ([2], [3])
