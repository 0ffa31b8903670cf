# SPDX-License-Identifier: Apache-2.0
"""Which members take requests: status= in the file and at run time, lbset, spares, standbys.

What it is: the letters of status= one by one, then who stands in for whom.
What it is not: how a member gets into error (test_core_21), or sessions (drain's other half).
"""

import collections

import pytest

from lab import eventually
from core_help import balancer_conf, change, member_state, members, who

UNREACHABLE = "AH00957|AH01114|LBX0182"


def shares(web, n=6):
    """Who answers n requests, and how often."""
    return dict(collections.Counter(who(web, n)))


def balancer(lab, *per_member, params=""):
    """An httpd with one member for each text, which holds its parameters."""
    backends = members(lab, len(per_member))
    return lab.httpd(balancer_conf(backends, params, per_member)), backends


# -- one letter in the file

def test_a_member_without_status_takes_its_share(lab):
    web, _ = balancer(lab, "", "")
    assert shares(web) == {"b1": 3, "b2": 3}


@pytest.mark.parametrize("status", ["D", "+D", "d", "S", "+S", "N", "U", "C", "+DN", "D-N"])
def test_a_member_with_this_status_gets_nothing(lab, status):
    web, (one, two) = balancer(lab, "", f"status={status}")
    assert shares(web) == {"b1": 6}
    assert member_state(web, one)["inelig"] == 0 and member_state(web, two)["inelig"] != 0


@pytest.mark.parametrize("status", ["I", "+I", "O", "G", "-D", "D-D", "+S-S", "+N-N", "H-H",
                                    "R-R", "C-C", "DSN-DSN"])
def test_a_member_with_this_status_takes_its_share(lab, status):
    web, _ = balancer(lab, "", f"status={status}")
    assert shares(web) == {"b1": 3, "b2": 3}


def test_plus_and_minus_in_one_status(lab):
    web, _ = balancer(lab, "", "status=+D+H-D")
    assert shares(web) == {"b1": 6}  # still a standby
    web, _ = balancer(lab, "", "status=+DH-DH")
    assert shares(web) == {"b1": 3, "b2": 3}


# -- one field at run time

@pytest.mark.parametrize("field", ["disabled", "stopped", "drain", "shutdown"])
def test_the_operator_takes_a_member_out_and_in_again(lab, field):
    web, (_, two) = balancer(lab, "", "")
    change(web, two, field, "on")
    assert shares(web) == {"b1": 6}
    change(web, two, field, "off")
    assert shares(web) == {"b1": 3, "b2": 3}


@pytest.mark.parametrize("letter, field", [("D", "disabled"), ("S", "stopped"), ("N", "drain")])
def test_the_operator_takes_back_what_the_file_says(lab, letter, field):
    web, (_, two) = balancer(lab, "", f"status=+{letter}")
    change(web, two, field, "off")
    assert shares(web) == {"b1": 3, "b2": 3}


@pytest.mark.parametrize("field", ["standby", "spare"])
def test_the_operator_makes_a_reserve_of_a_member(lab, field):
    web, (one, two) = balancer(lab, "", "")
    change(web, two, field, "on")
    assert shares(web) == {"b1": 6}
    change(web, one, "disabled", "on")
    assert shares(web) == {"b2": 6}
    change(web, one, "disabled", "off")
    change(web, two, field, "off")
    assert shares(web) == {"b1": 3, "b2": 3}


def test_ignore_errors_ends_an_error_at_once(lab):
    web, (_, two) = balancer(lab, "", "retry=600")
    web.expect_log(UNREACHABLE)
    two.refuse()
    assert shares(web) == {"b1": 6}
    two.accept_again()
    assert shares(web) == {"b1": 6}
    change(web, two, "ignore-errors", "on")
    assert shares(web) == {"b1": 3, "b2": 3}


def test_the_error_of_a_stopped_member_does_not_end(lab):
    web, (_, two, three) = balancer(lab, "", "retry=1", "retry=1")
    web.expect_log(UNREACHABLE)
    for broken in (two, three):
        broken.refuse()
    who(web, 3)
    change(web, two, "stopped", "on")
    for broken in (two, three):
        broken.accept_again()
    eventually(lambda: web.get("/").backend == "b3", what="the other one's error ends")
    assert member_state(web, two)["error_at_us"] and not member_state(web, three)["error_at_us"]
    change(web, two, "stopped", "off")
    eventually(lambda: web.get("/").backend == "b2", what="nor is it forgotten")
    assert shares(web) == {"b1": 2, "b2": 2, "b3": 2}


def test_nobody_left_is_503_and_says_why(lab):
    web, _ = balancer(lab, "status=+D", "status=+S")
    web.expect_log("All workers are in error state.* disabled.* stopped", must=True)
    assert web.get("/").status == 503


# -- lbset

def test_lower_lbsets_come_first(lab):
    web, (one, two, _) = balancer(lab, "lbset=99", "lbset=7", "")
    assert shares(web) == {"b3": 6}
    web, (one, two, three) = balancer(lab, "lbset=2", "lbset=2", "lbset=1")
    assert shares(web) == {"b3": 6}
    change(web, three, "disabled", "on")
    assert shares(web) == {"b1": 3, "b2": 3}
    change(web, three, "disabled", "off")
    assert shares(web) == {"b3": 6}


def test_lbset_at_run_time(lab):
    web, (one, two, three) = balancer(lab, "", "", "lbset=1")
    change(web, three, "lbset", 0)
    assert shares(web) == {"b1": 2, "b2": 2, "b3": 2}
    change(web, one, "lbset", 5)
    change(web, two, "lbset", 3)
    change(web, three, "lbset", 4)
    assert shares(web) == {"b2": 6}


def test_a_member_in_error_gives_way_to_the_next_lbset(lab):
    web, (one, _) = balancer(lab, "", "lbset=1")
    web.expect_log(UNREACHABLE)
    one.refuse()
    assert shares(web) == {"b2": 6}


# -- spares

def test_spares_idle_while_all_members_work(lab):
    web, _ = balancer(lab, "", "", "status=+R", "status=+R")
    assert shares(web) == {"b1": 3, "b2": 3}


def test_spares_replace_members_one_for_one(lab):
    web, (one, two, *_) = balancer(lab, "", "", "", "status=+R", "status=+R")
    change(web, one, "disabled", "on")
    assert shares(web) == {"b2": 2, "b3": 2, "b4": 2}
    change(web, two, "stopped", "on")
    assert shares(web) == {"b3": 2, "b4": 2, "b5": 2}
    change(web, one, "disabled", "off")
    assert shares(web) == {"b1": 2, "b3": 2, "b4": 2}
    change(web, two, "stopped", "off")
    assert shares(web) == {"b1": 2, "b2": 2, "b3": 2}


@pytest.mark.parametrize("field", ["disabled", "stopped", "drain"])
def test_a_spare_comes_for_a_member_in_this_state(lab, field):
    web, (one, *_) = balancer(lab, "", "", "status=+R")
    change(web, one, field, "on")
    assert shares(web) == {"b2": 3, "b3": 3}


def test_a_spare_comes_for_a_member_that_failed_its_health_check(lab):
    web, _ = balancer(lab, "status=+C", "", "status=+R")
    assert shares(web) == {"b2": 3, "b3": 3}


def test_a_spare_comes_for_a_member_in_error(lab):
    web, (one, *_) = balancer(lab, "", "", "status=+R")
    web.expect_log(UNREACHABLE)
    one.refuse()
    who(web, 2)
    assert shares(web) == {"b2": 3, "b3": 3}


def test_the_next_spare_comes_for_a_spare_that_cannot_be_used(lab):
    web, (_, _, three, _) = balancer(lab, "status=+D", "", "status=+R", "status=+R")
    change(web, three, "disabled", "on")
    assert shares(web) == {"b2": 3, "b4": 3}


def test_a_drained_spare_or_standby_calls_no_other_spare(lab):
    web, _ = balancer(lab, "", "status=+RN", "status=+HN", "status=+R")
    assert shares(web) == {"b1": 6}


def test_a_spare_serves_its_own_lbset_only(lab):
    web, _ = balancer(lab, "status=+D", "", "status=+R lbset=1", "lbset=1")
    assert shares(web) == {"b2": 6}


def test_spares_alone_replace_nobody(lab):
    web, _ = balancer(lab, "status=+R", "status=+R")
    web.expect_log("All workers are in error state", must=True)
    assert web.get("/").status == 503


# -- standbys

def test_standbys_take_over_all_together_when_nobody_is_left(lab):
    web, (one, two, *_) = balancer(lab, "", "", "status=+H", "status=+H")
    change(web, one, "disabled", "on")
    assert shares(web) == {"b2": 6}
    change(web, two, "drain", "on")
    assert shares(web) == {"b3": 3, "b4": 3}
    change(web, one, "disabled", "off")
    assert shares(web) == {"b1": 6}


def test_standbys_alone_serve(lab):
    web, _ = balancer(lab, "status=+H", "status=+H")
    assert shares(web) == {"b1": 3, "b2": 3}


def test_a_standby_comes_for_a_member_in_error(lab):
    web, (one, _) = balancer(lab, "", "status=+H")
    web.expect_log(UNREACHABLE)
    one.refuse()
    assert shares(web) == {"b2": 6}


def test_standbys_of_set_0_come_before_members_of_set_1(lab):
    web, (one, two, *_) = balancer(lab, "", "status=+H", "lbset=1", "status=+H lbset=1")
    change(web, one, "disabled", "on")
    assert shares(web) == {"b2": 6}
    change(web, two, "disabled", "on")
    assert shares(web) == {"b3": 6}


def test_spares_come_before_standbys(lab):
    web, (_, two, _) = balancer(lab, "status=+D", "status=+R", "status=+H")
    assert shares(web) == {"b2": 6}
    change(web, two, "disabled", "on")
    assert shares(web) == {"b3": 6}


def test_spare_and_standby_at_once_is_a_spare(lab):
    web, (one, two, _) = balancer(lab, "", "", "status=+RH")
    assert shares(web) == {"b1": 3, "b2": 3}
    change(web, one, "disabled", "on")
    assert shares(web) == {"b2": 3, "b3": 3}  # a standby would not serve beside b2
    change(web, two, "standby", "on")
    change(web, two, "spare", "on")
    change(web, one, "disabled", "off")
    assert shares(web) == {"b1": 6}
