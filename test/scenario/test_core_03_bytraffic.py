# SPDX-License-Identifier: Apache-2.0
"""lbmethod=bytraffic: each member moves the share of bytes that its loadfactor says.

What it is not: a test of the schedule itself, which the unit tests have.
"""

import pytest

from core_help import await_idle, balancer_conf, balancer_state, elected, members, who, windows

KB = 1024


def traffic(web):
    """Bytes of each member in both directions, by the suite's own count."""
    return [m["sent"] + m["received"] for m in balancer_state(web)["members"]]


def conf(b, factors):
    return balancer_conf(b, "lbmethod=bytraffic", [f"loadfactor={f}" for f in factors])


def test_equal_answers_to_equal_members_take_turns(lab):
    web = lab.httpd(conf(members(lab, 3), (1, 1, 1)))
    found = who(lab.client(web), 30, "/?size=1000")
    assert all(w == {"b1": 1, "b2": 1, "b3": 1} for w in windows(found, 3)), found


@pytest.mark.parametrize("size", [0, 10, 1000, 100_000])
def test_any_five_equal_answers_are_3_1_1(lab, size):
    """From the very first request on: there is nothing to be learned first."""
    web = lab.httpd(conf(members(lab, 3), (3, 1, 1)))
    found = who(lab.client(web), 40, f"/?size={size}")
    assert all(w == {"b1": 3, "b2": 1, "b3": 1} for w in windows(found, 5)), found


def test_a_member_with_large_answers_gets_fewer_requests(lab):
    b = members(lab, 2)
    b[0].behave("/", size=30_000)
    b[1].behave("/", size=10_000)
    web = lab.httpd(conf(b, (1, 1)))
    found = who(lab.client(web), 80)
    assert 18 <= found.count("b1") <= 22, found
    await_idle(web)
    one, two = traffic(web)
    assert abs(one - two) <= 40_000, (one, two)


def test_request_bodies_count_too(lab):
    """Every second request uploads, and turns alone would give all uploads to one member."""
    b = members(lab, 2)
    client = lab.client(web := lab.httpd(conf(b, (1, 1))))
    for _ in range(40):
        assert client.post("/", b"x" * 50_000).ok and client.get("/").ok
    await_idle(web)
    one, two = traffic(web)
    assert abs(one - two) <= 150_000, (one, two)


@pytest.mark.parametrize("factors, sizes", [
    ((1, 1, 1), (1, 64, 4, 1024, 16, 256)),
    ((3, 1, 1), (64, 1, 256, 1024, 16)),
], ids=["1_1_1", "3_1_1"])
def test_mixed_sizes_over_three_children_come_to_the_shares(lab, factors, sizes):
    """Turns alone would fail: there are as many sizes as turns in a period (or twice as many), so
    that each member would get always the same ones."""
    b = members(lab, 3)
    web = lab.httpd(conf(b, factors), children=3)
    paths = [f"/?size={size * KB}" for size in sizes]
    with lab.load(web, paths, requests=400 * len(sizes), connections=16) as run:
        pass
    assert run.result.all_ok, run.result
    await_idle(web)
    bytes_ = traffic(web)
    assert sum(bytes_) >= 400 * sum(sizes) * KB
    shares = [n / sum(bytes_) * sum(factors) / f for n, f in zip(bytes_, factors)]
    assert all(abs(share - 1) < 0.05 for share in shares), (shares, elected(web))
