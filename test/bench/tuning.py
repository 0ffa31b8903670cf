# SPDX-License-Identifier: Apache-2.0
"""The figures behind conf/examples/tuning.conf: what connections cost, kept and not kept.

What it is: CPU time of the balancer's httpd and connections at the member for each request, with
and without reuse towards members, with and without keep-alive towards clients; memory of idle
threads.  All figures of one run, on whatever machine this is.
What it is not: a comparison with others (run.py).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scenario"))

import rig  # noqa: E402
from lab import Lab  # noqa: E402

SECONDS = 3.0
CASES = [("kept alive", "kept", True, ""), ("kept alive", "new each time", True, "disablereuse=On"),
         ("new each time", "kept", False, ""),
         ("new each time", "new each time", False, "disablereuse=On")]


def measure(lab: Lab, keepalive: bool, params: str) -> tuple[float, float]:
    """CPU microseconds of the balancer and connections to the member, by request."""
    member = lab.httpd(suite=(), loglevel="warn")
    web = lab.httpd(f'<Proxy "balancer://app">\nBalancerMember "http://127.0.0.1:{member.port}" '
                    f'{params}\n</Proxy>\nProxyPass "/" "balancer://app/"\n', loglevel="warn")
    pids = [web.pid, *web.children()]
    before, opened = sum(map(rig.cpu_clock, pids)), len(distinct(member))
    with lab.load(web, "/index.html", seconds=SECONDS, connections=16, keepalive=keepalive, ids=False) as run:
        pass
    cpu = sum(map(rig.cpu_clock, pids)) - before
    assert run.result.all_ok, run.result
    found = len(distinct(member)) - opened
    web.stop()
    member.stop()
    return cpu / run.result.done * 1e6, found / run.result.done


def distinct(member) -> set[str]:
    """Connections in the member's access log, by child and connection number."""
    return {(r["pid"], r["peer"]) for r in member.access_log()}


def idle_memory(lab: Lab, threads: int) -> float:
    """MB that a child with so many threads has of its own."""
    web = lab.httpd(threads=threads, loglevel="warn", children=2)
    found = sum(rig.memory(pid)[1] for pid in web.children()) / 2
    web.stop()
    return found


def main() -> None:
    lab = Lab()
    lab.expect_log(".")
    try:
        print(f"{'client':14} {'member':14} {'CPU us/request':>15} {'connections/request':>20}")
        for client, member, keepalive, params in CASES:
            cpu, opened = measure(lab, keepalive, params)
            print(f"{client:14} {member:14} {cpu:15.0f} {opened:20.3f}")
        for threads in (25, 64, 250):
            print(f"a child with {threads:3} idle threads: {idle_memory(lab, threads):5.1f} MB (PSS)")
    finally:
        lab.finish()
        lab.remove()


if __name__ == "__main__":
    start = time.monotonic()
    main()
    print(f"({time.monotonic() - start:.0f} s)")
