# SPDX-License-Identifier: Apache-2.0
"""lbmethod=bybusyness: the member with the fewest requests in flight, over all processes.

What it is not: a measurement of speed; the facts here are counts and the order of events.
"""

import bisect
import collections

from core_help import (await_idle, balancer_conf, elected, finish, hold, in_flight, members, who,
                       windows)


def conf(b, factors=(1, 1, 1)):
    return balancer_conf(b, "lbmethod=bybusyness", [f"loadfactor={f}" for f in factors])


def test_idle_members_take_turns(lab):
    web = lab.httpd(conf(members(lab, 3)))
    found = who(lab.client(web), 30)
    assert all(w == {"b1": 1, "b2": 1, "b3": 1} for w in windows(found, 3)), found


def test_weights_decide_between_idle_members(lab):
    web = lab.httpd(conf(members(lab, 3), (3, 1, 1)))
    found = who(lab.client(web), 40)
    assert all(w == {"b1": 3, "b2": 1, "b3": 1} for w in windows(found, 5)), found


def test_a_busy_member_is_left_alone(lab):
    web = lab.httpd(conf(members(lab, 3)))
    held = hold(lab, web)
    assert in_flight(web) == [1, 0, 0]
    assert collections.Counter(who(lab.client(web), 20)) == {"b2": 10, "b3": 10}
    assert finish(held) == "b1"
    await_idle(web)
    assert "b1" in who(web, 3)


def test_even_a_heavy_member_is_left_alone_while_busy(lab):
    web = lab.httpd(conf(members(lab, 2), (100, 1)))
    held = hold(lab, web)
    assert in_flight(web) == [1, 0]
    assert set(who(lab.client(web), 10)) == {"b2"}
    finish(held)


def test_requests_in_flight_are_spread_evenly_over_members_and_children(lab):
    b = members(lab, 3)
    web = lab.httpd(conf(b), children=3)
    held = [hold(lab, web) for _ in range(12)]
    assert in_flight(web) == [4, 4, 4]
    names = [finish(client) for client in held[0::3] + held[1::3]]
    assert len(set(names)) == 2 and sorted(in_flight(web)) == [0, 0, 4]
    again = []
    for n in range(1, 9):  # up to the third one's four
        again.append(hold(lab, web))
        counts = sorted(in_flight(web))
        assert counts == [n // 2, (n + 1) // 2, 4], counts
    for client in again + held[2::3]:
        finish(client)
    await_idle(web)
    assert sum(elected(web)) == 20 == sum(m.requests for m in b)


def test_whoever_becomes_free_is_next(lab):
    web = lab.httpd(conf(members(lab, 3)))
    held = [hold(lab, web) for _ in range(6)]
    assert in_flight(web) == [2, 2, 2]
    freed = [finish(held[i]) for i in (1, 4)]
    assert freed[0] == freed[1]
    again = [hold(lab, web), hold(lab, web)]
    assert in_flight(web) == [2, 2, 2]
    assert [finish(client) for client in again] == freed
    for i in (0, 2, 3, 5):
        finish(held[i])


def choices(run, backends, delays_ms):
    """What can be said for certain of each choice from outside.

    The suite counts a request from its choice, which is between its start at the client and its
    arrival at the member, to its release, which is after the member's answer (arrival + delay)
    and before the next request of the same connection arrives anywhere: one thread does both.
    So for each request: at the choice the chosen member had at least `own` in flight, and the
    least busy of the others had at most `least`.
    """
    samples = {s.id: s for s in run.result.samples}
    arrived = {a.id: a.ns for m in backends for a in m.arrivals()}
    nexts, last_of = {}, {}
    for s in sorted(samples.values(), key=lambda s: s.start_ns):
        if s.user in last_of:
            nexts[last_of[s.user]] = arrived[s.id]
        last_of[s.user] = s.id
    least_of, most_of = {}, {}  # member: sorted starts and ends of the narrow, the wide spans
    for m, delay in zip(backends, delays_ms):
        own = [s for s in samples.values() if s.backend == m.name]
        # a timer may fire a little early
        least_of[m.name] = ([arrived[s.id] for s in own], (delay - 2) * 1_000_000)
        most_of[m.name] = (sorted(s.start_ns for s in own),
                           sorted(nexts.get(s.id, 1 << 63) for s in own))
    for s in samples.values():
        start, end = s.start_ns, arrived[s.id]
        arrivals, delay = least_of[s.backend]
        own = sum(a <= start and a + delay >= end for a in arrivals)
        others = []
        for name, (starts, ends) in most_of.items():
            if name != s.backend:
                others.append(bisect.bisect_right(starts, end) - bisect.bisect_left(ends, start))
        yield s.backend, own, min(others)


def test_a_slow_member_never_has_more_in_flight_when_it_is_chosen(lab):
    b, delays = members(lab, 3), (200, 20, 20)
    for m, delay in zip(b, delays):
        m.behave("/", delay_ms=delay)
    web = lab.httpd(conf(b), children=3)
    with lab.load(web, requests=900, connections=24) as run:
        pass
    assert run.result.all_ok, run.result
    found = list(choices(run, b, delays))
    wrong = [choice for choice in found if choice[1] > choice[2]]
    assert not wrong, f"{len(wrong)} of {len(found)}: (member, it had, least of the others)"
    assert max(own for name, own, _ in found if name == "b1") >= 3  # the figures do say something
    slow, *fast = elected(web)
    assert slow * 4 < min(fast), (slow, fast)
    assert abs(fast[0] - fast[1]) < 0.1 * sum(fast), fast
