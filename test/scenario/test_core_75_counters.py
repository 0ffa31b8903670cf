# SPDX-License-Identifier: Apache-2.0
"""Counters of attempts and answers: exact against what backends and clients count, never going back.

What it is: outcomes, repetitions, status classes, latency; graceful reloads and a killed child
under load; what it costs to look.
What it is not: in-flight counts (test_core_22_busy.py, test_core_40_kill_child.py).
"""

import threading

from core_help import await_idle, balancer_conf, balancer_state, member_state, members
from lab import eventually

ANSWERED, CONNECT, STALE, RESET, TIMEOUT, STATUS, FAILED, CUT, CLIENT = range(9)


def total(web, key, name="mycluster"):
    """Sums over the members, of each place in the list."""
    return [sum(column) for column in
            zip(*(m[key] for m in balancer_state(web, name)["members"]))]


def test_answers_are_counted_as_clients_see_them(lab):
    backends = members(lab, 2)
    web = lab.httpd("KeepAlive Off\n" + balancer_conf(backends))
    want = [0] * 6
    for status, n in ((200, 7), (204, 3), (301, 2), (404, 5), (500, 4), (503, 1)):
        for b in backends:
            b.behave(f"/{status}", "answer", status=status)
        assert [web.get(f"/{status}").status for _ in range(n)] == [status] * n
        want[status // 100] += n
    assert total(web, "status") == want
    assert total(web, "outcome") == [sum(want)] + [0] * 8
    assert sum(total(web, "latency")) == sum(want) == sum(b.requests for b in backends)
    for b in backends:
        assert sum(member_state(web, b)["outcome"]) == b.requests == member_state(web, b)["elected"]
        b.behave("/slow", "answer", delay_ms=30)
    before = total(web, "latency"), total(web, "latency_us")
    for _ in range(4):
        web.get("/slow")
    grown = [now - then for now, then in zip(total(web, "latency"), before[0])]
    assert sum(grown) == 4 and not any(grown[:5]), "none came within 25 ms"
    assert total(web, "latency_us")[0] - before[1][0] >= 4 * 30_000


def test_failures_are_counted_where_they_happen(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd("KeepAlive Off\n"
                    + balancer_conf([b1, b2], per_member="retry=0 disablereuse=On"))
    web.expect_log("LBX0182|AH0")
    b2.behave("/reset", "reset")
    b2.behave("/half", "half", size=1000)
    b1.behave("/half", "half", size=1000)
    for _ in range(6):
        assert web.get("/reset").status == 200
    state = member_state(web, b2)
    resets = b2.requests
    assert resets >= 3 and state["outcome"][RESET] == state["retried"][RESET] == resets, state
    assert state["latency"] == [0] * 16 and state["status"] == [0] * 6
    assert member_state(web, b1)["outcome"] == [6] + [0] * 8

    for _ in range(2):
        web.get("/half")  # broken off
    assert total(web, "outcome")[CUT] == 2 and total(web, "retried")[CUT] == 0
    assert total(web, "status")[2] == 6 + 2, "the client has seen a 200"

    b2.refuse()
    for _ in range(6):
        assert web.get("/").status == 200
    state = member_state(web, b2)
    assert state["outcome"][CONNECT] == state["retried"][CONNECT] >= 3
    assert member_state(web, b1)["outcome"][ANSWERED] == 12


def test_they_never_go_back(lab):
    backends = members(lab, 2)
    headroom = "MaxRequestWorkers 400\nKeepAliveTimeout 1\n"
    web = lab.httpd(headroom + balancer_conf(backends, per_member="retry=0"), max_children=16)
    seen, bad, lost = [], [], []
    killed, end = threading.Event(), threading.Event()

    def figures():
        state = balancer_state(web)
        return [state["requests"], *(x for m in state["members"] for x in (
            m["elected"], *m["outcome"], *m["status"], *m["latency"], *m["latency_us"]))]

    def watch():
        while not end.is_set():
            try:
                now = figures()
            except AssertionError as err:  # the child that was asked is the one that was killed
                lost.append((killed.is_set(), err))
                continue
            if seen and any(x < y for x, y in zip(now, seen[-1])):
                bad.append((seen[-1], now))
            seen.append(now)

    web.expect_log("AH0")
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with lab.load(web, requests=2000, connections=8) as run:
            run.await_count(300)
            web.graceful(need=1)
            run.await_count(1000)
            web.graceful(need=1)
        assert run.result.all_ok, run.result
        await_idle(web)
        exact = figures()
        killed.set()
        web.kill_child()
        eventually(lambda: figures() >= exact, what="it answers")
    finally:
        end.set()
        watcher.join()
    assert not bad and len(seen) > 5, (bad, len(seen))
    assert len(lost) <= 1 and all(by_the_kill for by_the_kill, _ in lost), lost
    assert figures() == exact
    assert total(web, "outcome")[ANSWERED] == 2000 == sum(b.requests for b in backends)


def test_looking_is_cheap(lab):
    """By the CPU's clock, not the wall's: a page of 1,000 members may take 50 ms in all."""
    b1 = lab.backend("b1")
    lines = "\n".join(f'BalancerMember "http://127.0.0.1:{b1.port}/m{i}"' for i in range(1000))
    web = lab.httpd(f'<Proxy "balancer://mycluster">\n{lines}\n</Proxy>\n')
    assert len(balancer_state(web)["members"]) == 1000
    assert web.get("/-lab/cost?20").json()["us"] < 20_000
