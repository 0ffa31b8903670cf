# SPDX-License-Identifier: Apache-2.0
"""LBXRetryBudget, LBXRetryBackoff, and where directives of this kind may stand and what they take.

What it is: repetitions under load; values that are refused; the last word between <Proxy>, server
level, main server and virtual host.
What it is not: what the other directives do (test_core_50, 52).
"""

import re

import pytest

from core_help import balancer_conf, balancer_state, in_flight, members
from lab import eventually

NOISE = "LBX0182|LBX0162|AH01102|AH00957|AH01114|AH00898"
LOG = ('LogFormat "%>s|%{LBX_ATTEMPTS}e|%{LBX_TRIES}e" tries\n'
       'CustomLog "${LAB_DIR}/logs/tries.log" tries env=!lab_internal\n')


def rules(**given):
    return "".join(f"LBX{name} balancer://mycluster {value}\n" for name, value in given.items())


def attempts(web):
    """Of each request."""
    return [int(line.split("|")[1])
            for line in (web.dir / "logs" / "tries.log").read_text().splitlines()]


# -- LBXRetryBudget

def all_reset(lab, budget):
    """Three members, each answer a reset after 50 ms, 20 users; how many attempts of each."""
    backends = members(lab, 3)
    for b in backends:
        b.behave("/", "reset", delay_ms=50)
    web = lab.httpd(LOG + rules(RetryBudget=budget)
                    + balancer_conf(backends, "", "disablereuse=On"), threads=64)
    web.expect_log(NOISE)
    with lab.load(web, requests=200, connections=20) as run:
        pass
    assert run.result.statuses == {502: 200}
    found = attempts(web)
    assert sum(found) == sum(b.requests for b in backends) and len(found) == 200
    return sum(found) - 200, web


def test_without_a_budget_every_reset_is_repeated(lab):
    repeated, web = all_reset(lab, "Off")
    assert repeated == 400 and balancer_state(web)["failovers"] == 400
    assert not web.log_lines("LBXRetryBudget is used up")


def test_a_budget_limits_repetitions(lab):
    """Of 20 at a time 10 % are 2: about 1 in 9 attempts is a repetition."""
    repeated, web = all_reset(lab, "10% min=1")
    assert 0 < repeated < 70, repeated
    assert web.log_lines("LBXRetryBudget is used up")


def test_the_minimum_counts_when_it_is_more(lab):
    """5 of 20 at a time, over and over."""
    repeated, _ = all_reset(lab, "1% min=5")
    assert 30 < repeated < 150, repeated


def test_connect_failures_are_not_refused_by_the_budget(lab):
    backends = members(lab, 3)
    web = lab.httpd(LOG + rules(RetryBudget="1% min=0")
                    + balancer_conf(backends, "", "status=+I"), threads=64)
    web.expect_log(NOISE)
    backends[0].refuse()
    backends[1].refuse()
    with lab.load(web, requests=300, connections=20) as run:
        pass
    assert run.result.all_ok, run.result
    assert sum(attempts(web)) > 400


def slow_repetitions(lab, web, client, n):
    """n requests that were moved to b2 and are still there."""
    clients = [lab.client(web) for _ in range(n)]
    for c in clients:
        c.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    eventually(lambda: client.in_flight == n, what=f"{n} requests at {client.name}")
    return clients


def test_repetitions_after_connect_failures_do_not_use_the_budget_up(lab):
    """min=1: there is room for the reset's repetition, whatever was refused before."""
    one, two = backends = members(lab, 2)
    web = lab.httpd(LOG + rules(RetryBudget="1% min=1")
                    + balancer_conf(backends, "", ["status=+I", "lbset=1"]), children=1)
    web.expect_log(NOISE)
    two.behave("/slow", delay_ms=3000)
    one.refuse()
    slow_repetitions(lab, web, two, 3)
    one.accept_again()
    one.behave("/x", "reset")
    answer = web.get("/x")
    assert answer.status == 200 and answer.backend == "b2", answer
    assert in_flight(web)[1] == 3  # they still were there


def test_repetitions_after_stale_connections_do_not_use_the_budget_up(lab):
    one, two = backends = members(lab, 2)
    web = lab.httpd(LOG + rules(RetryBudget="1% min=1")
                    + balancer_conf(backends, "", ["", "lbset=1"]), children=1)
    web.expect_log(NOISE)
    client = lab.client(web)
    assert client.get("/").backend == "b1"
    one.behave("/slow", delay_ms=3000)
    one.behave("/slow", "close", times=1)
    client.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    eventually(lambda: one.in_flight == 1 and one.stats()["paths"]["/slow"] == 2,
               what="the stale connection was replaced")
    one.behave("/x", "reset")
    answer = web.get("/x")
    assert answer.status == 200 and answer.backend == "b2", answer
    assert one.in_flight == 1  # it still was there


def test_the_budget_is_given_back(lab):
    one, two = backends = members(lab, 2)
    web = lab.httpd(LOG + rules(RetryBudget="1% min=1")
                    + balancer_conf(backends, "", ["disablereuse=On", "lbset=1"]), children=1)
    web.expect_log(NOISE)
    one.behave("/x", "reset")
    for _ in range(20):
        assert web.get("/x").backend == "b2"
    two.behave("/x", "reset")
    for _ in range(5):
        assert web.get("/x").status == 502
    two.normal()
    assert web.get("/x").backend == "b2"


# -- LBXRetryBackoff

def waits(lab, **given):
    """A single member that resets five times: how long each of 20 requests took, in ms."""
    one, = members(lab, 1)
    web = lab.httpd(LOG + rules(**given) + balancer_conf([one], "maxattempts=5",
                                                         "disablereuse=On"), children=1)
    web.expect_log(NOISE)
    found = []
    for _ in range(20):
        one.behave("/x", "reset", times=2)
        answer = web.get("/x")
        assert answer.ok and answer.backend == "b1"
        found.append(answer.elapsed * 1000)
    eventually(lambda: attempts(web) == [3] * 20, what="each request is logged")
    return sorted(found)


def test_backoff_waits_before_the_same_member_is_tried_again(lab):
    """Twice: up to 100, then up to 300 ms, each drawn anew; 200 on the average."""
    found = waits(lab, RetryBackoff="100ms max=300ms")
    assert sum(found) / 20 > 90 and found[-1] < 1500, found
    assert found[-1] - found[0] > 50, found  # it is jitter


def test_backoff_off_does_not_wait(lab):
    found = waits(lab, RetryBackoff="Off")
    assert found[10] < 50, found


def test_backoff_is_for_the_same_member_only(lab):
    one, two = backends = members(lab, 2)
    web = lab.httpd(LOG + rules(RetryBackoff="500ms max=1s")
                    + balancer_conf(backends, "", ["disablereuse=On", "lbset=1"]), children=1)
    web.expect_log(NOISE)
    one.behave("/x", "reset")
    found = sorted(web.get("/x").elapsed for _ in range(11))
    assert found[5] < 0.1, found
    assert two.requests == 11


# -- bad values

BAD = [
    ("LBXRetryOn", "", "one or more of"), ("LBXRetryOn", "resets", "one or more of"),
    ("LBXRetryOn", "399", "from 400 to 599"), ("LBXRetryOn", "600", "from 400 to 599"),
    ("LBXRetryOn", "reset none", "none"), ("LBXRetryOn", "none reset", "none"),
    ("LBXRetryOn", "reset,timeout", "connect-failure"),
    ("LBXRetryOn", " ".join(str(s) for s in range(500, 517)), "from 400 to 599"),
    ("LBXRetryNonIdempotent", "", "On or Off"), ("LBXRetryNonIdempotent", "yes", "On or Off"),
    ("LBXRetryNonIdempotent", "On Off", "On or Off"),
    ("LBXRetryBody", "", "bytes"), ("LBXRetryBody", "-1", "bytes"),
    ("LBXRetryBody", "64kb", "bytes"), ("LBXRetryBody", "1g", "bytes"),
    ("LBXRetryBody", "big", "bytes"), ("LBXRetryBody", "64k 1m", "bytes"),
    ("LBXRetryBudget", "", "1% to 100%"), ("LBXRetryBudget", "20", "1% to 100%"),
    ("LBXRetryBudget", "0%", "1% to 100%"), ("LBXRetryBudget", "101%", "1% to 100%"),
    ("LBXRetryBudget", "-5%", "1% to 100%"), ("LBXRetryBudget", "4294967316%", "1% to 100%"),
    ("LBXRetryBudget", "20% min=", "min=N"), ("LBXRetryBudget", "20% min=x", "min=N"),
    ("LBXRetryBudget", "20% min=-1", "min=N"), ("LBXRetryBudget", "20% max=3", "min=N"),
    ("LBXRetryBudget", "20% min=3k", "min=N"), ("LBXRetryBudget", "Off min=3", "or Off"),
    ("LBXRetryBackoff", "", "a time"), ("LBXRetryBackoff", "soon", "a time"),
    ("LBXRetryBackoff", "-25ms", "a time"), ("LBXRetryBackoff", "25ms max=10ms", "max=TIME"),
    ("LBXRetryBackoff", "25ms max=2s", "up to 1s"), ("LBXRetryBackoff", "25ms min=2", "max=TIME"),
    ("LBXRetryBackoff", "25ms max=", "max=TIME"), ("LBXRetryBackoff", "Off max=1s", "or Off"),
    ("LBXRetryBackoff", "99999999999999999999", "a time"),
    ("LBXTryTimeout", "", "at least 1ms"), ("LBXTryTimeout", "0", "at least 1ms"),
    ("LBXTryTimeout", "never", "at least 1ms"), ("LBXTryTimeout", "1s 2s", "at least 1ms"),
    ("LBXTryTimeout", "-1", "at least 1ms"), ("LBXTryTimeout", "1us", "at least 1ms"),
]


def test_bad_values_are_refused_with_directive_value_and_what_is_allowed(lab):
    """Each in <Proxy>, where the balancer goes without saying, and at server level."""
    backends = members(lab, 1)
    web = lab.httpd("", start=False)
    wrong = []
    for name, value, allowed in BAD:
        for text in (f'<Proxy "balancer://mycluster">\n{name} {value}\n</Proxy>\n',
                     f"{name} balancer://mycluster {value}\n"):
            web.rewrite(balancer_conf(backends) + text)
            status, said = web.configtest()
            flat = " ".join(said.split())
            if status == 0 or f"{name} {value}".strip() not in flat or allowed not in flat:
                wrong.append((text, status, said[-300:]))
    assert not wrong, f"{len(wrong)}: " + "\n".join(map(str, wrong))


GOOD = ["LBXRetryOn none", "LBXRetryOn None", "LBXRetryOn reset", "LBXRetryOn 503 stale 502 503",
        "LBXRetryOn " + " ".join(str(s) for s in range(500, 516)),
        "LBXRetryNonIdempotent on", "LBXRetryNonIdempotent OFF", "LBXRetryBody 0",
        "LBXRetryBody 64K", "LBXRetryBody 1m", "LBXRetryBody 100", "LBXRetryBudget off",
        "LBXRetryBudget 1%", "LBXRetryBudget 100% min=0", "LBXRetryBackoff off",
        "LBXRetryBackoff 25", "LBXRetryBackoff 10ms max=1s", "LBXTryTimeout off",
        "LBXTryTimeout 2", "LBXTryTimeout 300ms", "LBXTryTimeout 1min"]


def test_good_values_are_taken(lab):
    backends = members(lab, 1)
    web = lab.httpd(start=False)
    web.rewrite(balancer_conf(backends) + '<Proxy "balancer://mycluster">\n'
                + "\n".join(GOOD) + "\n</Proxy>\n"
                + "\n".join(re.sub("^(LBX\\w+)", "\\1 BALANCER://MyCluster", g) for g in GOOD))
    assert web.configtest()[0] == 0, web.configtest()[1]


@pytest.mark.parametrize("text", [
    "LBXRetryOn none", "LBXRetryOn http://localhost/ none",
    '<Proxy "http://localhost/">\nLBXRetryOn none\n</Proxy>',
    '<Location "/x">\nLBXRetryOn none\n</Location>'])
def test_a_directive_without_a_balancer_is_refused(lab, text):
    backends = members(lab, 1)
    web = lab.httpd(start=False)
    web.rewrite(balancer_conf(backends) + text + "\n")
    status, said = web.configtest()
    assert status != 0 and "LBXRetryOn" in said and "<Proxy balancer://name>" in said, said


# -- where they stand

def with_status(lab, conf, per_host=None):
    """b1 gives 503; whether its answer is swallowed shows which LBXRetryOn is in force."""
    one, two = backends = members(lab, 2)
    one.behave("/", status=503)
    own = balancer_conf(backends, "", ["", "lbset=1"])
    web = lab.httpd(conf.replace("@BALANCER@", own), vhost_conf=per_host and {
        name: text.replace("@BALANCER@", own) for name, text in per_host.items()}, children=1)
    web.expect_log(NOISE)
    return web


def swallows(web, host="localhost"):
    answer = web.get("/", headers={"Host": host})
    assert answer.status in (200, 503), answer
    return answer.status == 200


@pytest.mark.parametrize("conf", [
    'LBXRetryOn balancer://mycluster 503\n@BALANCER@', '@BALANCER@LBXRetryOn balancer://mycluster '
    '503\n', '@BALANCER@<Proxy "balancer://mycluster">\nLBXRetryOn 503\n</Proxy>\n',
    '<Proxy "balancer://mycluster">\nLBXRetryOn 503\n</Proxy>\n@BALANCER@',
    '@BALANCER@LBXRetryOn "balancer://MYCLUSTER/" "503"\n',
    'LBXRetryOn balancer://mycluster none\n@BALANCER@LBXRetryOn balancer://mycluster 503\n'])
def test_in_force(lab, conf):
    assert swallows(with_status(lab, conf))


@pytest.mark.parametrize("conf", [
    "@BALANCER@", "@BALANCER@LBXRetryOn balancer://other 503\n",
    "@BALANCER@LBXRetryOn balancer://mycluster 503\nLBXRetryOn balancer://mycluster none\n"])
def test_not_in_force(lab, conf):
    assert not swallows(with_status(lab, conf))


def test_a_virtual_host_has_the_last_word_directive_by_directive(lab):
    """The balancer is the main server's, or each host's own; so are the rules."""
    web = with_status(lab, "LBXRetryOn balancer://mycluster 503\n", {
        "main.lab": "@BALANCER@",
        "none.lab": "@BALANCER@LBXRetryOn balancer://mycluster none\n",
        "more.lab": "@BALANCER@LBXRetryBody balancer://mycluster 1k\n"})
    assert swallows(web, "main.lab") and swallows(web, "more.lab")
    assert not swallows(web, "none.lab")


def test_a_virtual_hosts_rules_are_its_own(lab):
    web = with_status(lab, "", {
        "plain.lab": "@BALANCER@",
        "rules.lab": "@BALANCER@LBXRetryOn balancer://mycluster 503\n"})
    assert swallows(web, "rules.lab") and not swallows(web, "plain.lab")
