# SPDX-License-Identifier: Apache-2.0
"""How members come back: probes instead of users' requests, their schedule, slow start, panic,
and what of it survives reloads and killed children."""
import re
from datetime import datetime

from core_help import balancer_conf, change, elected, member_state, members, who
from hcheck_help import Listener

from lab import eventually

FULL = 10000
OUT, BACK = "LBX0420: .*is ejected", "LBX0420: .*is up"


def start(lab, conf, **kw):
    web = lab.httpd(conf, suite=("core", "hcheck"), **kw)
    web.expect_log("LBX0182|AH00957|AH01114|AH00959|AH01102|AH00898|AH01095|LBX0162")
    return web


def is_out(web, member, name="mycluster"):
    return member_state(web, member, name)["inelig"] != 0


def ramp(web, member, name="mycluster"):
    return member_state(web, member, name)["ramp"]


def times(lines):
    return [datetime.strptime(re.match(r"\[([\d-]+ [\d:.]+)\]", line)[1], "%Y-%m-%d %H:%M:%S.%f")
            for line in lines]


def gaps(moments):
    return [(b - a).total_seconds() for a, b in zip(moments, moments[1:])]


def test_hcheck_20_comes_back_by_itself(lab):
    """At most one attempt fails, which nobody notices; no request before a probe has passed; then
    traffic again."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=1"))
    who(web, 2)
    one.refuse()
    assert set(who(web, 30)) == {"b2"}
    assert member_state(web, one)["failures"] == 1
    one.reset_stats()
    one.accept_again()
    eventually(lambda: not is_out(web, one), 10, "b1 is back")
    assert one.requests == 0, "a user's request was the probe"
    assert set(who(web, 4)) == {"b1", "b2"}
    assert len(web.log_lines(OUT)) == 1 and len(web.log_lines(BACK)) == 1
    assert "was probing" in web.log_lines(BACK)[0]
    events = [e for e in web.lab_state("/-lab/events")["events"] if e["who"] == "health"]
    assert [e["kind"] for e in events] == ["ejected", "up"], events
    assert all(e["balancer"] == "balancer://mycluster" and str(one.port) in e["member"]
               for e in events), events
    assert "no connection" in events[0]["text"]


def test_hcheck_20_schedule_of_probes(lab):
    """retry=2 to the letter; without retry= after 1 s, then further and further apart."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), name="said", path="/said/", per_member="retry=2")
                + balancer_conf((one, two), name="unsaid", path="/unsaid/"),
                loglevel="info lbx_hcheck:debug")
    one.refuse()
    for name in ("said", "unsaid"):
        assert {web.get(f"/{name}/").backend for _ in range(4)} == {"b2"}
    failed = r"balancer://%s: member http://127.0.0.1:%d failed a check"
    said = web.await_log(failed % ("said", one.port), 15, count=2)
    unsaid = web.await_log(failed % ("unsaid", one.port), 15, count=2)
    found = gaps(times(web.log_lines(r"balancer://said.*is ejected")[:1] + said[:2]))
    assert found[0] >= 1.9 and sum(found) >= 3.9, found
    found = gaps(times(web.log_lines(r"balancer://unsaid.*is ejected")[:1] + unsaid[:2]))
    assert found[0] >= 0.9 and sum(found) >= 2.4, found
    assert is_out(web, one, "said") and is_out(web, one, "unsaid")


def test_hcheck_20_slow_start(lab):
    """Not at the start of the server; after a return a tenth of its weight at first; kept over a
    reload; the operator's return likewise; alone, nobody starts slowly."""
    one, two, three = members(lab, 3)
    web = start(lab, balancer_conf((one, two), per_member=["retry=1 slowstart=600", "retry=1"])
                + balancer_conf([three], name="alone", path="/alone/")
                + "LBXSlowStart balancer://alone 600s minimum=20%\n")
    assert ramp(web, one) == ramp(web, two) == FULL
    one.refuse()
    who(web, 4)
    one.accept_again()
    eventually(lambda: not is_out(web, one), 10, "b1 is back")
    assert FULL / 10 <= ramp(web, one) < FULL / 2
    assert "starts slowly" in web.await_log(BACK)[0]
    found = who(web, 22)
    assert 1 <= found.count("b1") <= 4, found
    web.graceful()
    assert FULL / 10 <= ramp(web, one) < FULL / 2
    assert who(web, 22).count("b1") <= 4
    change(web, three, "disabled", "on", "alone")
    change(web, two, "disabled", "on")
    eventually(lambda: ramp(web, one) == FULL, what="b1 is alone")
    change(web, two, "disabled", "off")
    change(web, three, "disabled", "off", "alone")
    eventually(lambda: ramp(web, one) < FULL, what="b2 is back, and b1 slow again")
    web.await_log("balancer://alone: .*back in service")
    assert ramp(web, three, "alone") == FULL


def test_hcheck_20_slow_start_ends(lab):
    """It rises step by step, and ends."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=1")
                + "LBXSlowStart balancer://mycluster 1s\n")
    one.refuse()
    who(web, 4)
    one.accept_again()
    web.await_log("LBX0420: .*has its whole weight again", 15)
    assert ramp(web, one) == FULL
    before = elected(web)
    who(web, 10)
    after = elected(web)
    assert [b - a for a, b in zip(before, after)] == [5, 5]


def test_hcheck_20_reload_and_killed_children(lab):
    """Ejection and streaks are kept; a child that dies changes nothing."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=600", params="maxattempts=0"))
    one.behave("/bad", "answer", status=503)
    for _ in range(4):
        web.get("/bad")  # two each
    web.graceful()
    for child in web.children():
        web.kill_child(child)
    web.await_children(2)
    assert not is_out(web, one)
    for _ in range(2):
        web.get("/bad")
    assert is_out(web, one)
    web.graceful()
    for child in web.children():
        web.kill_child(child)
    web.await_children(2)
    assert is_out(web, one)
    assert set(who(web, 10)) == {"b2"}
    assert len(web.log_lines(OUT)) == 1


def test_hcheck_20_prober_killed(lab):
    """Whichever child dies, probes go on and the member comes back."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=1"))
    one.refuse()
    who(web, 4)
    for child in web.children():
        web.kill_child(child)
    web.await_children(2)
    one.accept_again()
    eventually(lambda: not is_out(web, one), 20, "b1 is back")


def test_hcheck_20_panic(lab):
    """Too few are left: everybody is used, the verdicts stay, the log says so; off again."""
    all_of = members(lab, 4)
    conf = balancer_conf(all_of, per_member="retry=600")
    web = start(lab, conf + "LBXPanic balancer://mycluster 50%\n")
    web.expect_log("LBX0422", must=True)
    for m in all_of[:3]:
        m.refuse()
    assert set(who(web, 12)) == {"b4"}
    line = web.await_log("LBX0422: .*panic: 1 of 4")[0]
    assert ":warn]" in line
    for m in all_of[:3]:
        m.accept_again()
    assert sorted(who(web, 4)) == ["b1", "b2", "b3", "b4"]
    assert member_state(web, all_of[0])["error_at_us"] > 0
    change(web, all_of[0], "disabled", "on")
    assert "b1" not in who(web, 8), "the operator's word counts"
    web.graceful(conf)
    web.await_log("LBX0422: .*panic is over")
    assert set(who(web, 8)) == {"b4"}


def test_hcheck_20_outliers(lab):
    """Off unless set.  One that fails much more than the others, and one that is much slower."""
    all_of = members(lab, 4)
    web = start(lab, balancer_conf(all_of, per_member="retry=600", params="maxattempts=0")
                + "LBXOutlier balancer://mycluster failure-percentage=80 latency=10 hosts=3 "
                "volume=3 interval=1s base=300s\n")
    all_of[0].behave("/", "answer", status=500)
    all_of[1].behave("/", "answer", delay_ms=400)

    def drive():
        for _ in range(8):
            web.get("/")
        return is_out(web, all_of[0]) and is_out(web, all_of[1])

    eventually(drive, 30, "b1 and b2 are out")
    lines = "\n".join(web.log_lines(OUT))
    assert re.search(r"success rate, \d+ of \d+ requests failed", lines), lines
    assert re.search(r"latency, \d+ ms on average", lines), lines


def test_hcheck_20_new_member_starts_slowly(lab):
    """One that an edited file adds; those that were there do not."""
    one, two, three = members(lab, 3)
    web = start(lab, balancer_conf((one, two), per_member="slowstart=600"))
    who(web, 2)
    web.graceful(balancer_conf((one, two, three), per_member="slowstart=600"))
    eventually(lambda: ramp(web, three) < FULL, 10, "b3 starts slowly")
    assert ramp(web, one) == ramp(web, two) == FULL
    assert who(web, 21).count("b3") <= 3


def test_hcheck_20_taken_over_from_the_stock_rule(lab):
    """A reload that loads the checker: a member that core has in error is probed from now on.  One
    that unloads it: time lets the member in again."""
    one, two = members(lab, 2)
    web = lab.httpd(balancer_conf((one, two)), suite=("core",))
    web.expect_log("LBX0182|AH00957|AH01114|AH00959")
    one.refuse()
    who(web, 4)
    web.graceful(suite=("core", "hcheck"))
    web.await_log(OUT)
    one.accept_again()
    eventually(lambda: not is_out(web, one), 15, "b1 is back")
    one.refuse()
    who(web, 4)
    assert is_out(web, one)
    web.graceful(balancer_conf((one, two), per_member="retry=1"), suite=("core",))
    one.accept_again()
    eventually(lambda: "b1" in who(web, 2), 15, "b1 is back")


def test_hcheck_20_slow_start_and_maxconn(lab):
    """A member that starts slowly takes its part of maxconn= at once, rounded up, not more."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), params="lbmethod=bybusyness",
                                   per_member=["retry=1 maxconn=10 slowstart=600", "retry=1"]))
    one.refuse()
    who(web, 4)
    one.accept_again()
    eventually(lambda: not is_out(web, one), 10, "b1 is back")
    one.reset_stats()
    one.behave("/", "answer", delay_ms=300)
    two.behave("/", "answer", delay_ms=300)
    with lab.load(web, requests=60, connections=20) as run:
        pass
    assert run.result.all_ok, run.result
    assert 1 <= one.max_in_flight <= 3, one.max_in_flight


def test_hcheck_20_one_that_hangs_stays_out(lab):
    """The system accepts connections for a stopped process: a probe wants an answer, any.  So one
    round of requests waits, not another one after each retry=; it goes on, and is back."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=1 timeout=1")
                + "LBXTryTimeout balancer://mycluster 200ms\n", loglevel="info lbx_hcheck:debug")
    who(web, 2)
    one.behave("*", "answer", status=405)
    one.stop()
    with lab.load(web, rate=100, seconds=3, connections=8) as run:
        web.await_log(OUT, 15)
        failed = web.await_log("LBX0442: .*failed a check", 15)
    assert run.result.all_ok, run.result
    waited = web.log_lines("LBX0182.* timeout ")
    assert 3 <= len(waited) <= 3 + 8, waited
    assert times(waited)[-1] < times(failed)[0]
    assert not web.log_lines(BACK)
    one.cont()
    web.await_log(BACK, 5)
    assert set(who(web, 4)) == {"b1", "b2"}


def test_hcheck_20_one_that_hangs_passes_tcp(lab):
    """Neither does hcmethod=TCP let it in: that it passes makes a probe of it, no return.  One that
    stays in use because nobody else is left is not taken down either.  It goes on, and is back."""
    one, two = members(lab, 2)
    own = "retry=1 timeout=1 hcmethod=TCP hcinterval=300ms hctimeout=500ms"
    web = start(lab, balancer_conf([one], name="alone", path="/alone/", per_member=own)
                + balancer_conf((one, two), per_member=own)
                + "LBXTryTimeout balancer://mycluster 300ms\n"
                "LBXTryTimeout balancer://alone 300ms\n", loglevel="info lbx_hcheck:debug")
    who(web, 2)
    one.behave("*", "answer", status=405)
    one.stop()
    eventually(lambda: set(who(web, 4)) == {"b2"} and web.log_lines("//mycluster: .*is ejected"), 10,
               "b1 is ejected")
    eventually(lambda: web.get("/alone/") and web.log_lines("//alone: .*stays in use"), 10,
               "b1 stays in use alone")
    for name in ("mycluster", "alone"):
        web.await_log(f"LBX0442: balancer://{name}: .*no answer within", 15, count=2)
    assert set(who(web, 4)) == {"b2"}
    assert not web.log_lines(BACK) and not web.log_lines("LBX0420: .*is down")
    one.cont()
    web.await_log(f"{BACK}.*probe in", 5, count=2)
    assert set(who(web, 4)) == {"b1", "b2"}


def test_hcheck_20_owes_an_answer_while_down(lab):
    """Checks take one down that hangs, and pass again: an answer is wanted still."""
    one, two, agent = members(lab, 3)
    web = start(lab, balancer_conf((one, two), per_member=[
        f"retry=600 timeout=1 hcmethod=TCP hcinterval=300ms hctimeout=500ms hcport={agent.port}", ""])
        + "LBXTryTimeout balancer://mycluster 300ms\n", loglevel="info lbx_hcheck:debug")
    for path in ("/", "*"):
        one.behave(path, "hang")
    eventually(lambda: who(web, 2) and web.log_lines(OUT), 10, "b1 is ejected")
    agent.blackhole()
    web.await_log("LBX0420: .*is down .*timeout", 15)
    before = len(web.log_lines("no answer within"))
    agent.accept_again()
    web.await_log("LBX0442: .*no answer within", 15, count=before + 2)
    assert not web.log_lines(BACK)
    one.normal()
    web.await_log(f"{BACK}.*was down.*probe in", 5)


def test_hcheck_20_a_probe_is_no_check_of_others(lab):
    """Two balancers have the same member with the same check.  Its requests fail in one, and it
    leaves the probe unanswered: the other one, where all is well, keeps it."""
    one, two = members(lab, 2)
    own = "retry=1 timeout=1 hcmethod=TCP hcinterval=300ms hctimeout=500ms"
    web = start(lab, balancer_conf((one, two), name="a", path="/a/", per_member=own)
                + balancer_conf((one, two), name="b", path="/b/", per_member=own),
                loglevel="info lbx_hcheck:debug")
    one.behave("*", "hang")
    one.behave("/x", "close", at="head")
    eventually(lambda: web.get("/a/x") and web.log_lines("//a: .*is ejected"), 10, "b1 is ejected")
    web.await_log("LBX0442: balancer://a: .*no answer within", 15, count=2)
    assert not web.log_lines("LBX0420: balancer://b:|LBX0442: balancer://b:")
    one.refuse()
    web.await_log("LBX0420: balancer://b: .*is down .*refused", 5)


def test_hcheck_20_a_probe_goes_to_the_member_itself(lab):
    """An agent at hcport= that is no HTTP server has no answer to give: the member is asked."""
    one, two = members(lab, 2)
    with Listener(lab, lambda conn: conn.recv(1), "tcp") as agent:
        web = start(lab, balancer_conf((one, two), per_member=[
            f"retry=1 timeout=1 hcport={agent.port} hcsni=nobody.example", ""]),
            loglevel="info lbx_hcheck:debug")
        one.behave("/", "close", at="head")
        eventually(lambda: who(web, 2) and web.log_lines(OUT), 10, "b1 is ejected")
        one.normal()
        web.await_log(f"{BACK}.*probe in", 5)
        assert set(who(web, 4)) == {"b1", "b2"}
