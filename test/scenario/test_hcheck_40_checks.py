# SPDX-License-Identifier: Apache-2.0
"""Active checks: each method, what a good answer is, and how a verdict comes about.

What it is: real members that really refuse, hang and answer wrongly.
What it is not: TLS (41), children and reloads (42), values that are refused (43).
"""

from __future__ import annotations

import pytest
from core_help import member_state, who
from hcheck_help import FAST, SUITE, await_state, balancer, checks, is_down, is_up

from lab import eventually


@pytest.mark.parametrize("method, request_line", [
    ("OPTIONS", "OPTIONS *"), ("HEAD", "HEAD /check"), ("GET", "GET /check"),
    ("OPTIONS11", "OPTIONS *"), ("HEAD11", "HEAD /check"), ("GET11", "GET /check"), ("TCP", None)])
def test_a_member_that_refuses_is_down_until_it_answers(lab, method, request_line):
    one, two = lab.backend("b1"), lab.backend("b2")
    web = lab.httpd(balancer([one, two], f"hcmethod={method} hcuri=/check {FAST}"), suite=SUITE)
    if request_line:
        eventually(lambda: checks(one, request_line) > 0, what=f"{request_line} reaches the member")
    one.refuse()
    await_state(web, one, is_down)
    assert set(who(web, 4)) == {"b2"}
    assert web.await_log(r"member \S+:%d is down .*no connection" % one.port)
    one.accept_again()
    await_state(web, one, is_up)
    assert set(who(web, 4)) == {"b1", "b2"}
