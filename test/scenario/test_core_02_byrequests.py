# SPDX-License-Identifier: Apache-2.0
"""lbmethod=byrequests: each member gets exactly the share of requests that its loadfactor says,
in any run of requests, whatever process takes them.

What it is not: sessions (test_core_06), members that cannot be used (test_core_2*).
"""

import pytest

from core_help import await_idle, balancer_conf, change, elected, members, who, windows


def weights(*factors):
    return [f"loadfactor={f}" for f in factors]


def test_equal_members_take_turns(lab):
    web = lab.httpd(balancer_conf(members(lab, 3)))
    found = who(lab.client(web), 30)
    assert all(w == {"b1": 1, "b2": 1, "b3": 1} for w in windows(found, 3)), found


def test_it_is_the_default(lab):
    named, unnamed = members(lab, 3), members(lab, 3)
    web = lab.httpd(balancer_conf(named, "lbmethod=byrequests", weights(3, 1, 1), "n", "/n/")
                    + balancer_conf(unnamed, "", weights(3, 1, 1), "u", "/u/"))
    assert who(web, 10, "/n/") == who(web, 10, "/u/")


def test_any_five_requests_are_3_1_1(lab):
    web = lab.httpd(balancer_conf(members(lab, 3), per_member=weights(3, 1, 1)))
    found = who(lab.client(web), 40)
    assert all(w == {"b1": 3, "b2": 1, "b3": 1} for w in windows(found, 5)), found


def test_the_heavy_member_is_not_asked_in_bursts(lab):
    web = lab.httpd(balancer_conf(members(lab, 2), per_member=weights(5, 4)))
    found = who(web, 18)
    assert all(w == {"b1": 5, "b2": 4} for w in windows(found, 9)), found
    assert all(len(w) == 2 for w in windows(found, 3)), found


def test_a_fraction_counts(lab):
    web = lab.httpd(balancer_conf(members(lab, 2), per_member=weights(1.5, 1)))
    found = who(lab.client(web), 30)
    assert all(w == {"b1": 3, "b2": 2} for w in windows(found, 5)), found


def test_a_factor_of_1_15_is_not_1_14(lab):
    """Stock cuts it off: 1.15 * 100 is 114.99999999999999."""
    web = lab.httpd(balancer_conf(members(lab, 2), per_member=weights(1.15, 1)))
    found = who(lab.client(web), 2 * 43)
    assert all(w == {"b1": 23, "b2": 20} for w in windows(found, 43)), found


def test_two_balancers_do_not_disturb_each_other(lab):
    web = lab.httpd(balancer_conf(members(lab, 3), name="one", path="/one/")
                    + balancer_conf(members(lab, 2), name="two", path="/two/"))
    client = lab.client(web)
    pairs = [(who(client, 1, "/one/")[0], who(client, 1, "/two/")[0]) for _ in range(12)]
    assert [one for one, _ in pairs] == ["b1", "b2", "b3"] * 4
    assert [two for _, two in pairs] == ["b1", "b2"] * 6
    await_idle(web, "one")
    assert elected(web, "one") == [4, 4, 4] and elected(web, "two") == [6, 6]


def test_two_balancers_may_have_the_same_members(lab):
    b = members(lab, 2)
    web = lab.httpd(balancer_conf(b, per_member=weights(3, 1), name="one", path="/one/")
                    + balancer_conf(b, name="two", path="/two/"))
    client = lab.client(web)
    found = [(who(client, 1, "/one/")[0], who(client, 1, "/two/")[0]) for _ in range(8)]
    assert [sorted(names).count("b1") for names in zip(*found)] == [6, 4]
    assert elected(web, "one") == [6, 2] and elected(web, "two") == [4, 4]


def test_a_virtual_host_that_inherits_it_shares_its_turns(lab):
    web = lab.httpd(balancer_conf(members(lab, 3)), vhost_conf={"a.example": "", "b.example": ""})
    clients = [lab.client(web, host=host) for host in ("a.example", "b.example", "a.example")]
    found = [who(client, 1)[0] for _ in range(4) for client in clients]
    assert found == ["b1", "b2", "b3"] * 4


def test_a_factor_changed_at_run_time_counts_at_once(lab):
    b = members(lab, 2)
    web = lab.httpd(balancer_conf(b))
    client = lab.client(web)
    assert who(client, 4) == ["b1", "b2"] * 2
    change(web, b[0], "loadfactor", "3")
    found = who(client, 16)
    assert all(w == {"b1": 3, "b2": 1} for w in windows(found, 4)), found


@pytest.mark.parametrize("factors", [(1, 1, 1), (3, 1, 1)], ids=["1_1_1", "3_1_1"])
def test_totals_are_exact_over_three_children_and_32_connections(lab, factors):
    """Looked at after 3,000 requests, and again after an odd number more."""
    b = members(lab, 3)
    web = lab.httpd(balancer_conf(b, per_member=weights(*factors)), children=3)
    total = 0
    for requests in (3000, 1001):
        total += requests
        with lab.load(web, requests=requests, connections=32) as run:
            pass
        assert run.result.all_ok, run.result
        await_idle(web)
        counts, shares = elected(web), [total * f / sum(factors) for f in factors]
        assert sum(counts) == total and [m.requests for m in b] == counts
        assert all(abs(n - share) < 1 for n, share in zip(counts, shares)), counts
    assert len({record["pid"] for record in web.access_log()}) > 1
