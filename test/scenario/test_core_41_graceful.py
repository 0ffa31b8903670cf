# SPDX-License-Identifier: Apache-2.0
"""A graceful reload costs no request and forgets nothing.

What it is: counters, the operator's decisions and errors over reloads, with the same members and
with members and balancers that come, go and change places; requests that span a reload.
What it is not: what happens to a value that the reload itself changes (test_core_42_merge.py).
"""

import os
import signal

import pytest

from core_help import (await_idle, balancer_conf, balancer_state, change, elected, in_flight,
                       member_state, members, who)
from lab import eventually

# new children do not wait for the threads of old ones
HEADROOM = "MaxRequestWorkers 400\nKeepAliveTimeout 1\n"
REFUSED = "AH00957|AH00959|AH01114|LBX0182"
DISABLED, DRAIN = 0x20, 0x4
IN_DISABLED, IN_ERROR, IN_DRAIN = 3, 6, 7


def httpd(lab, conf, **options):
    return lab.httpd(HEADROOM + conf, max_children=16, **options)


def reload(web, conf=None):
    web.graceful(None if conf is None else HEADROOM + conf, need=1)


def put_in_error(web, member):
    """The member refuses its first request (which another one takes) and is out for its retry=.

    Its first, because on a connection kept from an earlier one it might close it under our hands.
    """
    web.expect_log(REFUSED)
    assert member.requests == 0
    member.refuse()
    who(web, len(balancer_state(web)["members"]))
    assert member_state(web, member)["inelig"] == IN_ERROR


def hold(lab, web, backends, name="mycluster", path="/"):
    """One request in flight at each of the backends (byrequests), until let_go()."""
    for b in backends:
        b.stop()
    run = lab.load(web, path, requests=len(backends), connections=len(backends)).start()
    eventually(lambda: in_flight(web, name) == [1] * len(backends))
    return run


def let_go(run, backends):
    for b in backends:
        b.cont()
    assert run.result.all_ok, run.result
    return run.result


def test_counters_go_on(lab):
    backends = members(lab)
    web = httpd(lab, balancer_conf(backends))
    who(web, 30)
    before = balancer_state(web)
    assert elected(web) == [10, 10, 10]
    reload(web)
    assert balancer_state(web) == before
    who(web, 30)
    assert elected(web) == [20, 20, 20] and balancer_state(web)["requests"] == 60


def test_the_turn_goes_on(lab):
    """The schedule is where it was, too: a reload does not favour the first member."""
    web = httpd(lab, balancer_conf(members(lab)))
    found = who(web, 2)
    for _ in range(2):
        reload(web)
        found += who(web, 2)
    assert [found.count(name) for name in ("b1", "b2", "b3")] == [2, 2, 2]


def test_requests_that_span_a_reload_are_counted_down(lab):
    backends = members(lab)
    web = httpd(lab, balancer_conf(backends))
    run = hold(lab, web, backends)
    for _ in range(2):
        reload(web)
        assert in_flight(web) == [1, 1, 1]
    let_go(run, backends)
    await_idle(web)
    assert elected(web) == [1, 1, 1]


def test_reloads_under_load(lab):
    """300 requests a second, three members that must stay out, two that answer."""
    b1, b2, off, draining, failing = backends = members(lab, 5)
    web = httpd(lab, balancer_conf(backends, per_member="retry=300"))
    put_in_error(web, failing)
    change(web, off, "disabled", "on")
    change(web, draining, "drain", "on")
    before = balancer_state(web)
    arrived = [b.requests for b in (b1, b2, off, draining)]
    with lab.load(web, rate=300, seconds=60) as run:
        run.await_count(100)
        for generation in range(2, 8):
            # not reload(): the generations may overlap, the next one comes 60 requests later
            os.kill(web.pid, signal.SIGUSR1)
            web.await_log("resuming normal operations", count=generation)
            run.await_more(60)
            now = {m: member_state(web, m) for m in (off, draining, failing)}
            assert now[off]["run"]["admin"] == DISABLED and now[off]["inelig"] == IN_DISABLED
            assert now[draining]["run"]["admin"] == DRAIN and now[draining]["inelig"] == IN_DRAIN
            assert now[failing]["inelig"] == IN_ERROR
            assert now[failing]["error_at_us"] == before["members"][4]["error_at_us"]
        run.stop()
    assert run.result.all_ok, run.result
    await_idle(web)
    after = balancer_state(web)
    assert after["requests"] - before["requests"] == run.result.done
    grown = [a["elected"] - b["elected"] for a, b in zip(after["members"], before["members"])]
    assert sum(grown) == run.result.done and grown[2:] == [0, 0, 0]
    assert abs(grown[0] - grown[1]) <= 1
    assert [b.requests - n for b, n in zip((b1, b2, off, draining), arrived)] == grown[:4]


def scene(lab, spare):
    """Four members in use with a state of their own each, and `spare` more that are not yet."""
    backends = members(lab, 4 + spare)
    four = backends[:4]
    web = httpd(lab, balancer_conf(four, per_member="retry=300"))
    put_in_error(web, four[3])
    who(web, 9)
    change(web, four[0], "loadfactor", "2.50")
    change(web, four[1], "disabled", "on")
    change(web, four[2], "drain", "on")
    change(web, four[2], "route", "r3")
    return web, four, backends[4:]


def check_kept(web, before, who_stays):
    assert [member_state(web, m) for m in who_stays] == [before[m] for m in who_stays]


@pytest.mark.parametrize("order", ["added-first", "removed-first", "reordered", "exchanged"])
def test_those_that_stay_keep_their_state(lab, order):
    web, (b1, b2, b3, b4), (b5,) = scene(lab, 1)
    before = {m: member_state(web, m) for m in (b1, b2, b3, b4)}
    now = {"added-first": [b5, b1, b2, b3, b4],
           "removed-first": [b2, b3, b4, b5],     # b5, so that somebody can answer
           "reordered": [b4, b3, b2, b1],
           "exchanged": [b4, b5, b2, b1]}[order]
    reload(web, balancer_conf(now, per_member="retry=300"))
    assert [m["port"] for m in balancer_state(web)["members"]] == [m.port for m in now]
    check_kept(web, before, [m for m in now if m is not b5])
    if b5 in now:
        fresh = member_state(web, b5)
        assert (fresh["elected"], fresh["inelig"], fresh["error_at_us"]) == (0, 0, 0)
        assert fresh["run"] == fresh["conf"]
    # and they are what they say: requests go only to those that may take them
    assert set(who(web, 8)) == {m.name for m in (b1, b5) if m in now}


def test_a_removed_member_finishes_its_request(lab):
    backends = b1, b2 = members(lab, 2)
    web = httpd(lab, balancer_conf(backends))
    run = hold(lab, web, backends)
    reload(web, balancer_conf([b1]))
    b1.cont()
    assert who(web, 4) == ["b1"] * 4
    reload(web)
    b2.cont()
    assert run.result.all_ok and run.result.backends == {"b1": 1, "b2": 1}, run.result
    assert b2.requests == 1


def test_a_removed_member_comes_back(lab):
    b1, b2 = backends = members(lab, 2)
    web = httpd(lab, balancer_conf(backends))
    who(web, 10)
    change(web, b1, "route", "mine")
    reload(web, balancer_conf([b1]))
    who(web, 10)
    assert b2.requests == 5
    reload(web, balancer_conf(backends))
    state = member_state(web, b2)
    assert (state["inelig"], state["in_flight"]) == (0, 0)
    # its slot was free: what comes back is a member like any new one
    assert state["elected"] == 0 and state["run"] == state["conf"]
    assert sorted(who(web, 10)) == ["b1"] * 5 + ["b2"] * 5
    assert member_state(web, b1)["run"]["route"] == "mine"
    assert elected(web) == [20, 5]


def test_a_removed_member_comes_back_while_it_is_busy(lab):
    """Its request of before is still counted, so that nobody takes it for idle."""
    b1, b2 = backends = members(lab, 2)
    web = httpd(lab, balancer_conf(backends, "lbmethod=bybusyness"))
    run = hold(lab, web, backends)
    reload(web, balancer_conf([b1], "lbmethod=bybusyness"))
    b1.cont()
    reload(web, balancer_conf(backends, "lbmethod=bybusyness"))
    eventually(lambda: in_flight(web) == [0, 1])
    assert who(web, 4) == ["b1"] * 4
    let_go(run, [b2])
    await_idle(web)
    assert "b2" in who(web, 4)


def test_a_slot_is_not_given_away_while_its_member_is_busy(lab):
    """b2 goes with a request in flight, b3 and b4 come: none of them has it in its count."""
    b1, b2, b3, b4 = backends = members(lab, 4)
    web = httpd(lab, balancer_conf(backends[:2]))
    run = hold(lab, web, [b1, b2])
    b1.cont()
    reload(web, balancer_conf([b1]))
    for now in ([b1, b3], [b1, b3, b4]):
        reload(web, balancer_conf(now))
        eventually(lambda n=len(now): in_flight(web) == [0] * n)
    let_go(run, [b2])
    who(web, 6)
    assert in_flight(web) == [0, 0, 0]
    # now the slot is free, and the next one starts from zero there
    reload(web, balancer_conf([b1, b3, b4, b2]))
    assert in_flight(web) == [0] * 4 and member_state(web, b2)["elected"] == 0


def test_a_balancer_goes_and_comes_back(lab):
    one, two = members(lab, 2)
    conf_one = balancer_conf([one], name="one", path="/one")
    conf_two = balancer_conf([two], name="two", path="/two")
    web = httpd(lab, conf_one + conf_two)
    who(web, 5, "/one")
    who(web, 5, "/two")
    change(web, one, "route", "mine", name="one")
    change(web, two, "route", "mine", name="two")
    before = balancer_state(web, "one")
    run = hold(lab, web, [two], name="two", path="/two")
    reload(web, conf_one)
    assert [b["name"] for b in web.lab_state()["balancers"]] == ["balancer://one"]
    assert balancer_state(web, "one") == before
    assert web.get("/two").status == 404
    let_go(run, [two])
    eventually(lambda: len(web.children()) <= 2, what="the old children are gone")
    reload(web)                           # what was retired is freed here
    reload(web, conf_two + conf_one)
    assert balancer_state(web, "one") == before
    state = balancer_state(web, "two")
    assert (state["requests"], state["members"][0]["elected"]) == (0, 0)
    assert who(web, 3, "/two") == ["b2"] * 3 and elected(web, "two") == [3]


def test_balancers_with_the_same_members_are_not_mixed_up(lab):
    backends = members(lab, 2)

    def conf(names):
        return "".join(balancer_conf(backends, name=n, path=f"/{n}") for n in names)

    web = httpd(lab, conf("abc"))
    for name, n in zip("abc", (2, 4, 6)):
        who(web, n, f"/{name}")
    change(web, backends[0], "disabled", "on", name="b")
    reload(web, conf("cba"))
    assert [elected(web, n) for n in "abc"] == [[1, 1], [2, 2], [3, 3]]
    reload(web, conf("cb"))
    reload(web, conf("dbc"))
    assert [elected(web, n) for n in "dbc"] == [[0, 0], [2, 2], [3, 3]]
    assert [member_state(web, backends[0], n)["run"]["admin"] for n in "dbc"] == [0, DISABLED, 0]


def test_virtual_hosts_keep_theirs(lab):
    """A virtual host is found again by its name and address, wherever it stands in the file."""
    backends = members(lab, 2)
    conf = balancer_conf(backends, name="app")
    web = httpd(lab, "", vhost_conf={"one.example": conf, "two.example": conf})

    def state(host):
        found = web.get("/-lab?own", headers={"Host": host}).json()["balancers"]
        return [m["elected"] for b in found for m in b["members"]]

    who(web, 6, headers={"Host": "two.example"})
    assert (state("one.example"), state("two.example")) == ([0, 0], [3, 3])
    web.rewrite(vhost_conf={"zero.example": conf, "two.example": conf, "one.example": conf})
    reload(web)
    assert (state("one.example"), state("two.example")) == ([0, 0], [3, 3])
    assert state("zero.example") == [0, 0]
    who(web, 2, headers={"Host": "one.example"})
    assert (state("one.example"), state("two.example")) == ([1, 1], [3, 3])
