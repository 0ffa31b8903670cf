# SPDX-License-Identifier: Apache-2.0
"""maxconn=4, 64 clients that never pause, three children of which one is killed.

    make soak T=maxconn

Not here: the same for a second (test_core_57_maxconn.py, test_core_60_queue.py).
"""
import sys
import time

from soak_help import NOISE, run, until

from core_help import balancer_conf, balancer_state, members
from lab import eventually

CLIENTS, LIMIT, ANSWER_MS = 64, 4, 10


def crowd(lab, promises, kill):
    backends = members(lab, 2)
    for backend in backends:
        backend.behave("/", "answer", delay_ms=ANSWER_MS)
    web = lab.httpd(balancer_conf(backends, per_member=f"maxconn={LIMIT}")
                    + "LBXQueue balancer://mycluster timeout=5s\n"
                    + 'Header always set X-Waited "expr=%{reqenv:LBX_QUEUE_MS}"\n',
                    children=3, threads=64, suite=("core",))
    web.expect_log(NOISE)
    load = lab.load(web, seconds=15, connections=CLIENTS, retry_stale=False).start()
    start = time.monotonic()
    until(start, 7)
    if kill:
        web.kill_child()
    result = load.wait()
    most = [b.stats()["max_open"] for b in backends]
    broken = [s for s in result.failed if s.error]
    refused = [s for s in result.failed if not s.error]
    p50, p99 = result.percentile(50), result.percentile(99)
    promises.keep("requests", result.done, result.done > 5000)
    promises.keep("most at once at each backend", most, most == [LIMIT, LIMIT])
    promises.keep("refused", len(refused), all(s.us < 6_000_000 for s in refused))
    promises.keep("cut by the kill", len(broken), len(broken) <= (CLIENTS if kill else 0))
    promises.keep("wait p50, p99 in ms", (round(p50, 1), round(p99, 1)), p99 < 3 * p50)
    eventually(lambda: balancer_state(web)["waiting"] == 0, 10, "nobody is left waiting")


def quiet(lab, promises):
    """64 clients, 2 x 4 places, for 15 s."""
    crowd(lab, promises, False)


def killed(lab, promises):
    """The same, and a child is killed after 7 s."""
    crowd(lab, promises, True)


if __name__ == "__main__":
    sys.exit(run(quiet, killed))
