# SPDX-License-Identifier: Apache-2.0
"""An old child that still has a request lives in the same state as the new ones.

What it is: requests that span several reloads, which change, disable or remove their members; what
is decided in between reaches the old child; and what the old child does reaches nobody else.
What it is not: the load as a whole over reloads (test_core_41_graceful.py).
"""

import pytest

from core_help import (await_idle, balancer_conf, balancer_state, change, elected, in_flight,
                       member_state, members, who)
from lab import eventually

# new children do not wait for the threads of old ones
HEADROOM = "MaxRequestWorkers 400\nKeepAliveTimeout 1\n"
DISABLED = 0x20


def httpd(lab, conf, **options):
    return lab.httpd(HEADROOM + conf, max_children=16, **options)


def reload(web, conf):
    web.graceful(HEADROOM + conf, need=1)


def hold(lab, web, backends):
    """One request in flight at each of the backends (byrequests), until their cont()."""
    for b in backends:
        b.stop()
    run = lab.load(web, requests=len(backends), connections=len(backends)).start()
    eventually(lambda: in_flight(web) == [1] * len(backends))
    return run


def state_file(web):
    return web.dir / "run" / "lbx" / "state"


def await_gone(web, old):
    eventually(lambda: not set(web.children()) & set(old), within=10,
               what="the old children have ended")


# what each reload says of the members; None: it is not there; the request is at b2
CHANGES = {
    "its-own": [{"b2": "loadfactor=5"}, {"b2": "status=+D"}, {"b2": None}, {}],
    "others": [{"b1": "loadfactor=3"}, {"b3": None}, {"b1": "status=+N", "b3": "lbset=1"}],
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_long_request_spans_reloads(lab, what):
    backends = b1, b2, b3 = members(lab)
    web = httpd(lab, balancer_conf(backends))
    old = web.children()
    run = hold(lab, web, backends)
    b1.cont()
    b3.cont()
    run.await_count(2)
    for step in CHANGES[what]:
        now = [b for b in backends if step.get(b.name, "") is not None]
        reload(web, balancer_conf(now, per_member=[step.get(b.name, "") for b in now]))
        # counted as long as it runs, in the record that the new generation sees
        assert in_flight(web) == [int(b is b2) for b in now]
        assert set(web.children()) & set(old), "the old child waits for its request"
        # and where b2 takes nothing new (it is stopped and would not answer), nothing goes there
        if b2 not in now or "+" in step.get("b2", ""):
            assert "b2" not in who(web, 4)
    b2.cont()
    assert run.result.all_ok and run.result.backends == {"b1": 1, "b2": 1, "b3": 1}, run.result
    await_idle(web)
    await_gone(web, old)
    reload(web, balancer_conf(backends))
    assert in_flight(web) == [0, 0, 0]
    assert set(who(web, 6)) == {"b1", "b2", "b3"}


def test_several_generations_at_once(lab):
    """Each generation has a request at each member, and all of them add up."""
    backends = members(lab, 2)
    web = httpd(lab, balancer_conf(backends))
    for b in backends:
        b.stop()
    runs = []
    for generation in (1, 2, 3):
        runs.append(lab.load(web, requests=2, connections=2).start())
        eventually(lambda n=generation: in_flight(web) == [n, n])
        reload(web, balancer_conf(backends) + f"# {generation}\n")
        assert in_flight(web) == [generation, generation]
    for b in backends:
        b.cont()
    assert all(run.result.all_ok for run in runs)
    await_idle(web)
    assert elected(web) == [3, 3]
    eventually(lambda: len(web.children()) <= 2, within=10, what="the old children have ended")


def waiting(lab, web, headers=None):
    """A request that waits in the balancer's queue (timeout=) for a member that it may have."""
    run = lab.load(web, "/waiting", requests=1, connections=1, headers=headers or {}).start()
    eventually(lambda: balancer_state(web)["requests"] == 1, what="the request waits")
    return run


def test_an_old_child_hears_what_is_decided_later(lab):
    """A request waits for a member there; it is let in after the reload."""
    backends = b1, b2 = members(lab, 2)
    conf = balancer_conf(backends, "timeout=15", "status=+D")
    web = httpd(lab, conf)
    old = web.children()
    run = waiting(lab, web)
    reload(web, conf + "# edited\n")
    assert set(web.children()) & set(old) and run.done == 0
    change(web, b2, "disabled", "off")
    assert run.result.all_ok and run.result.backends == {"b2": 1}, run.result
    assert elected(web) == [0, 1]
    await_gone(web, old)


def give_the_slot_away(web, b1, b3, params, of_b3=""):
    """b2 leaves, nobody has a request there, b3 comes: it has b2's slot of the segment now."""
    reload(web, balancer_conf([b1], params, "status=+D"))
    reload(web, balancer_conf([b1, b3], params, ["status=+D", of_b3]))


def test_an_old_child_sends_nothing_to_a_removed_member(lab):
    """It still knows b2, the slot of which is b3's by now."""
    b1, b2, b3 = members(lab)
    web = httpd(lab, balancer_conf([b1, b2], "timeout=15", "status=+D"))
    run = waiting(lab, web)
    give_the_slot_away(web, b1, b3, "timeout=15")
    assert who(web, 3) == ["b3"] * 3
    assert run.done == 0
    change(web, b1, "disabled", "off")
    assert run.result.all_ok and run.result.backends == {"b1": 1}, run.result
    assert b2.requests == 0 and elected(web) == [1, 3]


def test_an_old_child_sends_no_session_to_a_removed_member(lab):
    """The same with a session that has b3's route: b2 is not b3, whatever the slot says."""
    b1, b2, b3 = members(lab)
    params = "timeout=15 stickysession=S"
    web = httpd(lab, balancer_conf([b1, b2], params, ["status=+D route=r1", "status=+D route=r2"]),
                suite=("core", "sticky"))
    web.expect_log("LBX031[12]")  # mod_lbx_sticky's findings about routes
    run = waiting(lab, web, {"Cookie": "S=x.r3"})
    give_the_slot_away(web, b1, b3, params, "route=r3")
    assert who(web, 3, headers={"Cookie": "S=x.r3"}) == ["b3"] * 3
    assert b2.requests == 0, "b2 is not configured any more"
    assert run.done == 0
    change(web, b1, "disabled", "off")
    assert run.result.all_ok and run.result.backends == {"b1": 1}, run.result
    assert b2.requests == 0 and elected(web) == [1, 3]


def held_change(lab, web, member, field, value):
    """A change that an old child makes: it has the head of the request before the reload, and
    gets the body from the function that is returned, which says the status."""
    client = lab.client(web)
    body = (f"balancer=balancer://mycluster&member={member.url}&field={field}"
            f"&value={value}").encode()
    client.send(b"POST /-lab HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body[:9]))

    def finish():
        client.send(body[9:])
        return int(client.recv(12).split()[1])
    return finish


def test_a_change_through_an_old_child_is_in_force(lab):
    b1, b2 = backends = members(lab, 2)
    web = httpd(lab, "BalancerPersist On\n" + balancer_conf(backends), children=1)
    finish = held_change(lab, web, b1, "disabled", "on")
    old = web.children()
    who(web, 1)    # accepted in order: the head above has arrived, too
    reload(web, "BalancerPersist On\n" + balancer_conf(backends) + "# edited\n")
    assert set(old) & set(web.children()), "the old child waits for the body"
    assert finish() == 200
    assert member_state(web, b1)["run"]["admin"] == DISABLED
    assert who(web, 3) == ["b2"] * 3
    assert "\tdisabled\toff\ton\n" in state_file(web).read_text()


def test_a_change_through_an_old_child_reaches_nobody_else(lab):
    """b2 is gone and its slot is b3's: a change of b2 must not become one of b3."""
    b1, b2, b3 = members(lab)
    web = httpd(lab, balancer_conf([b1, b2]), children=1)
    finish = held_change(lab, web, b2, "disabled", "on")
    old = web.children()
    who(web, 1)
    reload(web, balancer_conf([b1]))
    reload(web, balancer_conf([b1, b3]))
    assert set(old) & set(web.children()), "the old child waits for the body"
    status = finish()
    state = member_state(web, b3)
    assert (state["run"]["admin"], state["inelig"]) == (0, 0)
    assert state["run"] == state["conf"]
    assert status == 422, "there is no such member any more"
    assert set(who(web, 4)) == {"b1", "b3"}


def test_a_change_through_an_old_child_drops_no_decisions(lab):
    """It does not know the members that came later, but what was decided of them stays on disk."""
    b1, b2, b3 = members(lab)
    web = httpd(lab, "BalancerPersist On\n" + balancer_conf([b1, b2]), children=1)
    finish = held_change(lab, web, b1, "loadfactor", "2")
    old = web.children()
    who(web, 1)
    reload(web, "BalancerPersist On\n" + balancer_conf([b1, b2, b3]))
    change(web, b3, "loadfactor", "3")
    assert set(old) & set(web.children()), "the old child waits for the body"
    assert finish() == 200
    assert [m["run"]["weight"] for m in balancer_state(web)["members"]] == [200, 100, 300]
    text = state_file(web).read_text()
    assert f"{b1.url}\tloadfactor\t1.00\t2.00\n" in text
    assert f"{b3.url}\tloadfactor\t1.00\t3.00\n" in text


def test_an_error_seen_by_an_old_child_counts_for_the_new_ones(lab):
    """A request waits in an old child for b2, which then refuses it; it goes on waiting for b1."""
    b1, b2 = backends = members(lab, 2)
    conf = balancer_conf(backends, "timeout=15 forcerecovery=Off", "status=+D retry=300")
    web = httpd(lab, conf)
    web.expect_log("AH00957|AH00959|AH01114|LBX0182")
    run = waiting(lab, web)
    reload(web, conf + "# edited\n")
    b2.refuse()
    change(web, b2, "disabled", "off")
    eventually(lambda: member_state(web, b2)["inelig"] == 6, what="b2 is in error")
    b2.accept_again()
    change(web, b1, "disabled", "off")
    assert who(web, 4) == ["b1"] * 4
    assert run.result.all_ok and run.result.backends == {"b1": 1}, run.result
    assert (b2.requests, member_state(web, b2)["failures"]) == (0, 1)
