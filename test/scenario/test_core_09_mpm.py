# SPDX-License-Identifier: Apache-2.0
"""The same totals whatever the MPM: threads, processes or both, over a graceful restart.

What it is: one scenario for each MPM.
What it is not: what a graceful restart keeps and what not (the scenarios of the core's life).
"""

import pytest

from core_help import await_idle, balancer_conf, elected, members


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_totals_are_exact_over_a_graceful_restart(lab, mpm):
    b = members(lab, 3)
    web = lab.httpd(balancer_conf(b), mpm=mpm, children=3)
    for total in (300, 600):
        with lab.load(web, requests=300, connections=3) as run:
            pass
        assert run.result.all_ok and run.result.done == 300, run.result
        await_idle(web)
        assert elected(web) == [total // 3] * 3 == [m.requests for m in b]
        if total == 300:
            web.graceful(need=1)
            assert elected(web) == [100] * 3, "a restart loses no count"
