# SPDX-License-Identifier: Apache-2.0
"""What the manager costs with 1,000 members: CPU time of a scrape, of JSON, of the page.

What it is: an httpd with one child and all four modules, asked again and again; the figure is the CPU time of the child
by the answers given.  Promised: a scrape under 20 ms (each second: 2 % of a core), a page under 50.
What it is not: a test; with --check it fails when a promise is not kept.

    manager.py [--members N] [--times N] [--check]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))

from lab import Client, Lab  # noqa: E402
from manager_help import LOCATION, SUITE  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
CASES = [("a scrape", "/balancer-manager/-/metrics", 20),
         ("JSON, all of it", "/balancer-manager/-/api/v1/balancers", None),
         ("the page", "/balancer-manager", 50)]


def cpu(pids: list[int]) -> float:
    """Seconds of user and system time, of each process's own clock (ns where there is one)."""
    spent = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        spent += (int(fields[11]) + int(fields[12])) / TICK
    return spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    lines = "\n".join(f'BalancerMember "http://10.{i // 62500}.{i // 250 % 250}.{i % 250 + 1}:8080" '
                      f"route=r{i}" for i in range(args.members))
    broken = False
    lab = Lab()
    try:
        web = lab.httpd(LOCATION % "" + f'<Proxy "balancer://large">\n{lines}\n</Proxy>\n',
                        suite=(*SUITE, "hcheck"), modules=("watchdog",), children=1,
                        max_children=1)
        client = Client(web.port)
        for name, path, promised in CASES:
            size = len(client.get(path).body)
            before = cpu(web.children())
            for _ in range(args.times):
                assert client.get(path).status == 200
            ms = 1000 * (cpu(web.children()) - before) / args.times
            kept = "" if promised is None else f"  promised: under {promised} ms" + (
                "" if ms < promised else "  NOT KEPT")
            broken |= "NOT KEPT" in kept
            print(f"{name:<18} {ms:6.2f} ms of CPU  {size / 1024:8.0f} kB{kept}", flush=True)
        client.close()
    finally:
        lab.finish()
        lab.remove()
    return 1 if broken and args.check else 0


if __name__ == "__main__":
    sys.exit(main())
