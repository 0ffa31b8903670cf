# SPDX-License-Identifier: Apache-2.0
"""ProxyRemote: each member is reached by its own proxy, after a failover too, or by none.  And
members of a scheme that no module speaks.

What it is: the lab's backends as proxies: they answer for whatever URL they are asked for.
What it is not: which failures are tried again (test_core_50_retry.py).
"""

import pytest

from core_help import balancer_conf, member_state, members, who

NOISE = "LBX0182|AH00957|AH01114|AH00898|AH01102"


@pytest.fixture
def remote(lab):
    """Two members, b1 first, proxies p1 and p2, and a server of this configuration."""
    one, two = members(lab, 2)
    proxies = [lab.backend("p1"), lab.backend("p2")]

    def start(conf):
        urls = {"one": one.url, "two": two.url, "p1": proxies[0].url, "p2": proxies[1].url}
        web = lab.httpd(conf.format(**urls)
                        + balancer_conf((one, two), per_member=["", "lbset=1"]), children=1)
        web.expect_log(NOISE)
        return web

    return start, (one, two), proxies


BOTH = 'ProxyRemote "{one}" "{p1}"\nProxyRemoteMatch "^{two}/" "{p2}"\n'


def test_each_member_has_its_own_proxy(remote):
    start, (one, two), (p1, p2) = remote
    web = start(BOTH)
    assert who(web, 2) == ["p1", "p1"]
    assert [a.target for a in p1.arrivals()] == [f"{one.url}/"] * 2
    p1.refuse()
    assert who(web, 2) == ["p2", "p2"]
    assert [a.target for a in p2.arrivals()] == [f"{two.url}/"] * 2
    assert not one.requests and not two.requests


def test_the_second_member_needs_no_proxy(remote):
    start, (one, two), (p1, _) = remote
    web = start('ProxyRemote "{one}" "{p1}"\n')
    p1.refuse()
    assert who(web, 2) == ["b2", "b2"]
    assert [a.target for a in two.arrivals()] == ["/", "/"] and not one.requests


def test_the_second_member_alone_needs_a_proxy(remote):
    start, (one, two), (_, p2) = remote
    web = start('ProxyRemote "{two}" "{p2}"\n')
    assert who(web, 1) == ["b1"]
    one.refuse()
    assert who(web, 2) == ["p2", "p2"]
    assert not two.requests


def test_a_proxy_that_breaks_off(remote):
    """Another member is tried, by its own proxy; and each once, when all fail."""
    start, (one, two), (p1, p2) = remote
    web = start(BOTH)
    p1.behave("http", "close")
    assert who(web, 1) == ["p2"]
    p2.behave("http", "close")
    assert web.get("/").status == 502
    # p2 once more, for its connection was a kept one
    assert [each.requests for each in (p1, one, p2, two)] == [2, 0, 3, 0]


def test_a_post_that_the_proxy_took_goes_no_other_way(remote):
    start, (one, two), (p1, p2) = remote
    web = start(BOTH)
    p1.behave("http", "close")
    assert web.post("/", b"hello").status == 502
    assert p1.requests == 1 and not one.requests and not two.requests and not p2.requests


def test_noproxy(remote):
    start, (one, two), (p1, _) = remote
    web = start('ProxyRemote * "{p1}"\nNoProxy localhost\n')
    one.behave("/", "close")
    assert who(web, 1) == ["b2"]
    assert not p1.requests


def test_a_scheme_that_nobody_speaks(lab):
    one, two = members(lab, 2)
    one.url = one.url.replace("http:", "ajp:")
    web = lab.httpd(balancer_conf((one, two), per_member=["", "lbset=1"]), children=1)
    web.expect_log("LBX0182: .*no module is loaded that speaks ajp", must=True)
    assert who(web, 2) == ["b2", "b2"]
    assert member_state(web, one)["inelig"]
    two.refuse()
    web.expect_log("AH00957|AH01114|LBX0182|LBX0162")
    assert web.get("/").status == 503
