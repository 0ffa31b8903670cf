# SPDX-License-Identifier: Apache-2.0
"""CPING against a real Tomcat: its AJP connector answers, its HTTP connector does not.

What it is: that both sides mean the same by CPING, and what happens when Tomcat goes.
What it is not: faults of the protocol (test_hcheck_40_checks.py).
"""

import types

import pytest

from core_help import balancer_conf
from hcheck_help import SUITE, await_checks, await_state, checked, is_down
from lab import eventually, tomcat

CHECK = "hcmethod=CPING hcinterval=100ms hctimeout=2s secret=change-me"


def member(port):
    return types.SimpleNamespace(url=f"ajp://127.0.0.1:{port}", port=port, path=None, name="t")


@pytest.mark.skipif(tomcat.MISSING is not None, reason=str(tomcat.MISSING))
def test_hcheck_44_tomcat(lab):
    with tomcat.Tomcats(lab, ["t1"]) as tomcats:
        good, wrong = member(tomcats.ajp["t1"]), member(tomcats.http["t1"])
        web = lab.httpd(balancer_conf([good, wrong], per_member=CHECK), suite=SUITE,
                        modules=("proxy_ajp",))
        await_state(web, wrong, is_down)
        assert await_checks(web, good, 5)["failed"] == 0
        assert [web.get("/app/index.jsp").status for _ in range(3)] == [200] * 3
    await_state(web, good, is_down)
    # the first check to fail may have met a Tomcat that was about to go
    assert checked(web, good)["cause"] in ("no connection", "connection closed")
    eventually(lambda: "refused" in checked(web, good)["text"], 10, "nobody is there any more")
