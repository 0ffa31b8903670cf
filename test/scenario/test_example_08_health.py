# SPDX-License-Identifier: Apache-2.0
"""conf/examples/health.conf: what is noticed of a member that goes and comes back.

With shorter times than the file's: a test has no half minute.
"""

import pytest

from core_help import member_state, who
from lab import eventually
import lab.example as lab_example
from lab.example import example, suite

pytestmark = pytest.mark.skipif("hcheck" not in suite(), reason="mod_lbx_hcheck is not built")
NOISE = r"LBX0182|LBX04|AH00957|AH00959|AH01114|AH01102|AH00898"


def test_health(lab, monkeypatch):
    one, two = lab.backend("one"), lab.backend("two")
    quick = lab_example.read("health.conf").replace("retry=30", "retry=1") \
        .replace("hcinterval=5", "hcinterval=1").replace("30s minimum", "2s minimum")
    monkeypatch.setattr(lab_example, "read", lambda name: quick)
    web = example(lab, "health.conf", {f"app-{i}.example.com:{port}": b for port in (8080, 8081)
                                       for i, b in ((1, one), (2, two))})
    web.expect_log(NOISE)
    for path in ("/passive/", "/checked/"):
        assert set(who(web, 4, path)) == {"one", "two"}
    eventually(lambda: "/health" in one.stats()["paths"], 15, "it is checked")

    one.refuse()
    assert set(who(web, 6, "/passive/")) == {"two"}      # not one failed request
    eventually(lambda: member_state(web, one, "checked")["inelig"], 20, "the checks find it")
    assert set(who(web, 6, "/checked/")) == {"two"}

    one.accept_again()
    eventually(lambda: "one" in who(web, 2, "/passive/"), 20, "a probe lets it in again")
    eventually(lambda: "one" in who(web, 6, "/checked/"), 20, "checks let it in again")
