# SPDX-License-Identifier: Apache-2.0
"""A member fails: who answers instead, how often others are tried, when it is used again.

What it is: failures that the stock modules know (a refused connection, failonstatus,
failontimeout), with retry, maxattempts, forcerecovery and status=+I.
What it is not: the waiting of balancers with timeout= (test_core_23), in-flight counts (22).
"""

import collections

import pytest

from core_help import (balancer_conf, balancer_state, change, elected, member_state, members,
                       who)
from lab import eventually

REFUSED = "AH00957: .*attempt to connect to|AH01114: HTTP: failed to make connection|LBX0182"


def refused(web, *dead):
    """Announce what refused connections to these members write."""
    web.expect_log(REFUSED)
    for backend in dead:
        web.expect_log(rf"disabling worker for \(127\.0\.0\.1:{backend.port}\)", must=True)
        backend.refuse()


def failures(web):
    """The attempts that failed, over all members."""
    return sum(m["failures"] for m in balancer_state(web)["members"])


def in_error(web, backend):
    return bool(member_state(web, backend)["error_at_us"])


# -- a refused connection

def test_a_refused_connection_is_invisible(lab):
    one, two = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends))
    refused(web, one)
    assert who(web, 6) == ["b2"] * 6
    assert in_error(web, one) and not in_error(web, two)


def test_a_failure_is_counted(lab):
    one, two = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends))
    refused(web, one)
    who(web, 6)
    state = balancer_state(web)
    assert (state["requests"], state["failovers"], state["refused"]) == (6, 1, 0)
    assert [m["failures"] for m in state["members"]] == [1, 0]
    assert elected(web) == [1, 6]


def test_the_access_log_names_the_member_that_answered(lab):
    one, two = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends))
    refused(web, one)
    assert web.get("/").ok
    assert eventually(web.access_log)[0]["worker"] == two.url


def test_one_of_five_is_enough(lab):
    backends = members(lab, 5)
    web = lab.httpd(balancer_conf(backends))
    refused(web, *backends[:3], backends[4])
    assert who(web, 3) == ["b4"] * 3
    assert failures(web) == balancer_state(web)["failovers"] == 4


def test_a_member_in_error_gets_no_request(lab):
    one, _ = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member="retry=600"))
    refused(web, one)
    who(web, 4)
    one.accept_again()
    assert who(web, 6) == ["b2"] * 6 and one.requests == 0
    assert len(web.log_lines("AH00957")) == 1


def test_after_retry_the_member_is_used_again(lab):
    one, _ = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member="retry=1"))
    refused(web, one)
    who(web, 2)
    one.accept_again()
    eventually(lambda: who(web, 1) == ["b1"], what="b1 is used again")
    assert collections.Counter(who(web, 6)) == {"b1": 3, "b2": 3}
    assert not in_error(web, one) and member_state(web, one)["retries"] == 1


def test_after_retry_a_member_may_fail_again_unseen(lab):
    one, _ = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member="retry=1"))
    refused(web, one)
    eventually(lambda: who(web, 1) and failures(web) == 2, what="b1 is tried once more")
    assert who(web, 6) == ["b2"] * 6 and in_error(web, one)


def test_retry_0_tries_each_time(lab):
    one, _ = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member="retry=0"))
    refused(web, one)
    assert who(web, 8) == ["b2"] * 8
    assert failures(web) >= 3
    one.accept_again()
    assert collections.Counter(who(web, 6)) == {"b1": 3, "b2": 3}


def test_a_killed_backend_comes_back(lab):
    one, _ = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member="retry=0 disablereuse=On"))
    assert set(who(web, 2)) == {"b1", "b2"}
    web.expect_log(REFUSED + "|disabling worker for")
    one.kill()
    assert who(web, 4) == ["b2"] * 4
    one.restart()
    assert set(who(web, 2)) == {"b1", "b2"}


# -- maxattempts

@pytest.mark.parametrize("params, attempts", [
    ("", 4), ("maxattempts=0", 1), ("maxattempts=1", 2), ("maxattempts=2", 3),
    ("maxattempts=3", 4), ("maxattempts=99", 4), ("forcerecovery=On", 4)])
def test_attempts_of_one_request(lab, params, attempts):
    backends = members(lab, 4)
    web = lab.httpd(balancer_conf(backends, f"forcerecovery=Off {params}"))
    web.expect_log(f"{REFUSED}|disabling worker for|All workers are in error state")
    for backend in backends:
        backend.refuse()
    assert web.get("/").status == 503
    assert failures(web) == attempts
    assert balancer_state(web)["failovers"] == attempts - 1


def test_maxattempts_can_be_changed_at_run_time(lab):
    one, _ = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends))
    change(web, None, "maxattempts", 0)
    refused(web, one)
    assert web.get("/").status == 503
    assert who(web, 2) == ["b2"] * 2


def test_more_attempts_than_members_go_round(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, "maxattempts=4"))
    refused(web, *backends)
    assert web.get("/").status == 503
    assert failures(web) == 5


@pytest.mark.parametrize("params, attempts", [
    ("", 2), ("maxattempts=0", 1), ("maxattempts=2", 3), ("forcerecovery=Off", 1)])
def test_attempts_of_a_single_member(lab, params, attempts):
    """The manual: maxattempts is 1 where there is a single member."""
    backends = members(lab, 1)
    web = lab.httpd(balancer_conf(backends, params))
    refused(web, *backends)
    web.expect_log("All workers are in error state")
    assert web.get("/").status == 503
    assert failures(web) == attempts


# -- status=+I

def test_ignore_errors_fails_over_and_stays_usable(lab):
    one, _ = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member="status=+I"))
    web.expect_log(REFUSED)
    one.refuse()
    assert who(web, 6) == ["b2"] * 6
    assert failures(web) >= 2 and not in_error(web, one)
    one.accept_again()
    assert collections.Counter(who(web, 6)) == {"b1": 3, "b2": 3}


def test_ignore_errors_at_run_time_fails_over_too(lab):
    one, _ = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends))
    change(web, one, "ignore-errors", "on")
    web.expect_log(REFUSED)
    one.refuse()
    assert who(web, 4) == ["b2"] * 4 and not in_error(web, one)


def test_ignore_errors_does_not_loop_when_all_are_dead(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member="status=+I"))
    web.expect_log(f"{REFUSED}|All workers are in error state")
    for backend in backends:
        backend.refuse()
    assert web.get("/").status == 503 and failures(web) == 2
    for backend in backends:
        backend.accept_again()
    assert set(who(web, 2)) == {"b1", "b2"}


def test_ignore_errors_of_a_single_member_gets_its_second_attempt(lab):
    backends = members(lab, 1)
    web = lab.httpd(balancer_conf(backends, per_member="status=+I"))
    web.expect_log(f"{REFUSED}|All workers are in error state")
    backends[0].refuse()
    assert web.get("/").status == 503 and failures(web) == 2


# -- the request itself

@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [1, 1000, 100000])
def test_a_post_keeps_its_body(lab, size, chunked):
    one, two = backends = members(lab, 2)
    two.behave("/", "echo")
    web = lab.httpd(balancer_conf(backends))
    refused(web, one)
    body = (b"0123456789" * size)[:size]
    answer = web.post("/form", body, chunked=chunked)
    assert answer.status == 200 and answer.body == body
    assert balancer_state(web)["failovers"] == 1


def test_the_query_and_the_headers_go_to_the_next_member(lab):
    one, two = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends))
    refused(web, one)
    assert web.get("/a%20b/c;d=e?f=g%2Fh", headers={"X-Mine": "yes"}).ok
    assert two.arrivals()[0].target == "/a%20b/c;d=e?f=g%2Fh"
    assert "yes" in str(two.stats()["last_headers"])


def test_a_kept_alive_client_sees_nothing(lab):
    one, _ = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member="disablereuse=On"))
    client = lab.client(web)
    who(client, 4)
    refused(web, one)
    assert who(client, 4) == ["b2"] * 4
    assert client.get("/").new_connection is False


# -- failonstatus, failontimeout

@pytest.mark.parametrize("status", [503, 500])
def test_failonstatus_condemns_the_member_but_the_client_gets_the_answer(lab, status):
    one, two = backends = members(lab, 2)
    one.behave("/", status=status, body="sorry")
    web = lab.httpd(balancer_conf(backends, "failonstatus=503,500"))
    web.expect_log(f"Forcing worker .* into error state due to status code {status} matching "
                   "'failonstatus'", must=True)
    answer = web.get("/")
    assert (answer.status, answer.text) == (status, "sorry")
    assert who(web, 4) == ["b2"] * 4 and in_error(web, one)
    assert failures(web) == 1 and balancer_state(web)["failovers"] == 0


@pytest.mark.parametrize("params, status", [("failonstatus=503,500", 502), ("", 503), ("", 500),
                                            ("failonstatus=503,500", 404)])
def test_other_statuses_condemn_nobody(lab, params, status):
    one, _ = backends = members(lab, 2)
    one.behave("/", status=status)
    web = lab.httpd(balancer_conf(backends, params))
    assert sorted(web.get("/").status for _ in range(4)) == [200, 200, status, status]
    assert not in_error(web, one)


def test_failonstatus_spares_members_that_ignore_errors(lab):
    one, _ = backends = members(lab, 2)
    one.behave("/", status=500)
    web = lab.httpd(balancer_conf(backends, "failonstatus=500", per_member="status=+I"))
    assert sorted(web.get("/").status for _ in range(4)) == [200, 200, 500, 500]
    assert not in_error(web, one)


def test_failonstatus_member_comes_back_after_retry(lab):
    one, _ = backends = members(lab, 2)
    one.behave("/", status=500, times=1)
    web = lab.httpd(balancer_conf(backends, "failonstatus=500", per_member="retry=1"))
    web.expect_log("Forcing worker", must=True)
    assert web.get("/").status == 500
    eventually(lambda: who(web, 1) == ["b1"], what="b1 is used again")


def test_failontimeout_condemns_a_member_that_hangs(lab):
    """Also that one without failontimeout is not condemned, in the same second."""
    one, two = backends = members(lab, 2)
    for backend in backends:
        backend.behave("/", "hang")
    web = lab.httpd(balancer_conf([one], "failontimeout=On", "timeout=1", "on", "/on/")
                    + balancer_conf([two], "", "timeout=1", "off", "/off/"))
    web.expect_log("AH01102: .*timeout|timeout specified has expired|AH00898")
    web.expect_log("Forcing worker .* timeout and 'failontimeout'", must=True)
    waiting = lab.client(web)
    waiting.send(b"GET /off/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert web.get("/on/").status in (502, 504)
    assert waiting.recv(12) in (b"HTTP/1.1 502", b"HTTP/1.1 504")
    assert member_state(web, one, "on")["error_at_us"]
    assert not member_state(web, two, "off")["error_at_us"]


# -- forcerecovery

@pytest.mark.parametrize("others", [[], ["status=+D"], ["status=+S"], ["status=+N"]])
def test_forcerecovery_tries_all_at_once_when_all_are_in_error(lab, others):
    backends = members(lab, 2 + len(others))
    web = lab.httpd(balancer_conf(backends, "maxattempts=1", ["retry=600"] * 2 + others))
    refused(web, *backends[:2])
    assert web.get("/").status == 503
    assert in_error(web, backends[0]) and in_error(web, backends[1])
    for backend in backends[:2]:
        backend.accept_again()
    assert collections.Counter(who(web, 6)) == {"b1": 3, "b2": 3}
    assert balancer_state(web)["recoveries"] == 1


def test_forcerecovery_off_waits_for_retry(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, "forcerecovery=Off", "retry=1"))
    refused(web, *backends)
    web.expect_log("All workers are in error state.*in error", must=True)
    assert [web.get("/").status for _ in range(3)] == [503] * 3
    for backend in backends:
        backend.accept_again()
    assert failures(web) == 2 and [b.requests for b in backends] == [0, 0]
    eventually(lambda: web.get("/").ok, what="retry has passed")
    assert balancer_state(web)["recoveries"] == 0 and balancer_state(web)["refused"] >= 2


def test_a_standby_comes_before_forced_recovery(lab):
    one, _ = backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, per_member=["retry=600", "status=+H"]))
    refused(web, one)
    assert who(web, 4) == ["b2"] * 4
    assert balancer_state(web)["recoveries"] == 0 and failures(web) == 1
