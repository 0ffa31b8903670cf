# SPDX-License-Identifier: Apache-2.0
"""conf/examples/tuning.conf, and the formula in it."""

import re

from core_help import await_idle
from lab import eventually
from lab.example import example, read


def test_limits_hold(lab):
    one, two = lab.backend("one"), lab.backend("two")
    for b in (one, two):
        b.behave("/", delay_ms=100)
    web = example(lab, "tuning.conf", {"app-1.example.com:8080": one,
                                       "app-2.example.com:8080": two}, max_children=4)
    web.expect_log("AH10159|AH00484|AH00513")  # the file's own sizes
    with lab.load(web, "/tuned/", requests=600, connections=130) as run:
        eventually(lambda: not run.running, 60, "all are served")
    assert run.result.all_ok, run.result
    assert one.max_in_flight <= 50 and two.max_in_flight <= 50
    assert one.max_in_flight + two.max_in_flight > 90  # and they are used
    await_idle(web, "tuned")


def test_the_formula(lab):
    text = read("tuning.conf")
    number = {k: int(v) for k, v in re.findall(r"^\s*(\w+)\s+(\d+)$", text, re.M)}
    assert number["MaxRequestWorkers"] == number["ServerLimit"] * number["ThreadsPerChild"]
    full = sum(map(int, re.findall(r"BalancerMember .* maxconn=(\d+)", text)))
    waiting = int(re.search(r"LBXQueue max=(\d+)", text)[1])
    assert number["MaxRequestWorkers"] >= full + waiting
