# SPDX-License-Identifier: Apache-2.0
"""What stickiness costs: CPU time of a request of a session, against one without, by turns.

What it is: for each mode an httpd with it, and one with the same members and modules that is
not sticky; both get the same Cookie header.  Measured A B, B A, A B and so on, like run.py.
What it is not: a test (nothing fails when it is slow); the first request of a session.

    sticky.py [--quick] [--rounds N] [--seconds S] [--mode REGEX]...
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import re
import shutil
import statistics
import sys
import time
from typing import Sequence

import rig

MEMBERS = 3
PLAIN = "S=1F2E3D4C5B6A79881F2E3D4C5B6A7988"

# mode: parameter, directives, parameters of each member, the Cookie header of a session; None:
# what the answer to /login sets
MODES: dict[str, tuple[str, str, str, str | None]] = {
    "route": ("stickysession=S", "LBXStickyAuto Off", "route=r{i}", PLAIN + ".r2"),
    "rewritten": ("stickysession=S", "LBXStickyRewrite On", "route=r{i}", PLAIN + ".r2"),
    "inserted": ("", "LBXStickyCookie LB", "", None),
    "dated": ("", "LBXStickyCookie LB maxidle=1h maxlife=8h", "", None),
    "plain": ("", "LBXStickyCookie LB plain", "", None),
    "companion": ("stickysession=S", "", "", None),
    "learned": ("", "LBXStickyLearn cookie:S", "", None),
}


class Web(rig.Web):
    """An httpd of the suite with core and sticky, in one mode; "": not sticky."""

    def __init__(self, the_rig: rig.Rig, mode: str, tool: Sequence[str] = ()) -> None:
        self.mode = mode
        self.cookie = ""
        super().__init__(the_rig, "suite", MEMBERS, "byrequests", tool)

    def _conf(self, members: int, method: str) -> str:
        params, directives, per_member, _ = MODES.get(self.mode, ("", "", "", None))
        text = super()._conf(members, method)
        beside = self._rig.suite.with_name("mod_lbx_sticky.so")
        text = re.sub(r"^(LoadModule lbx_core_module .*)$",
                      rf'\1\nLoadModule lbx_sticky_module "{beside}"', text, flags=re.M)
        for i in range(1, members + 1):
            text = text.replace(f"/m{i:04}\"", f"/m{i:04}\" " + per_member.format(i=i))
        return text.replace("</Proxy>", f"{params and 'ProxySet ' + params}\n{directives}\n</Proxy>")

    def first_cookie(self) -> str:
        """Of a session that has just begun: the application's, and the balancer's own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/login")
            answer = connection.getresponse()
            answer.read()
            found = answer.headers.get_all("Set-Cookie")
        if not found:
            raise rig.Problem(f"mode {self.mode}: no cookie was set")
        return "; ".join(line.split(";")[0] for line in found)

    def measure(self, seconds: float) -> rig.Sample:
        before, start = self.cpu(), time.monotonic()
        with rig.Wrk(self.port, "-H", f"Cookie: {self.cookie}") as load:
            load.go_on_for(seconds)
            requests = load.finish()
        return rig.Sample(requests, self.cpu() - before, time.monotonic() - start)


def measure(the_rig: rig.Rig, mode: str, rounds: int, seconds: float) -> str:
    webs = [Web(the_rig, name) for name in ("", mode)]
    the_rig.adopt(webs)
    for web in webs:
        web.await_ready()
    webs[0].cookie = webs[1].cookie = MODES[mode][3] or webs[1].first_cookie()
    for web in webs:
        web.measure(0.4)
    samples: dict[str, list[rig.Sample]] = {"": [], mode: []}
    for i in range(rounds):
        for web in webs if i % 2 == 0 else webs[::-1]:
            samples[web.mode].append(web.measure(seconds))
    the_rig.close_webs()
    ratios = sorted(s.us / b.us for b, s in zip(samples[""], samples[mode]))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    return (f"{mode:<12} {statistics.median(s.us for s in samples['']):8.2f} "
            f"{statistics.median(s.us for s in samples[mode]):8.2f}   "
            f"{statistics.median(ratios):5.3f} ({low:.2f}-{high:.2f})")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="noisy")
    parser.add_argument("--rounds", type=int, help="pairs of measurements (15, quick: 5)")
    parser.add_argument("--seconds", type=float, default=0.4, help="of one measurement (0.4)")
    parser.add_argument("--mode", action="append", default=[], metavar="REGEX",
                        help="only these: " + " ".join(MODES))
    args = parser.parse_args()
    rounds = max(1, args.rounds or (5 if args.quick else 15))
    try:
        if not rig.WRK:
            raise rig.Problem("needs wrk")
        print(f"{rounds} rounds of {args.seconds:g} s, {MEMBERS} members; us/request: median\n"
              f"{'mode':<12} {'without':>8} {'sticky':>8}   ratio (middle half)", flush=True)
        with rig.Rig() as the_rig:
            shutil.copy(rig.layout.SUITE_DIR / "mod_lbx_sticky.so", the_rig.dir)
            for mode in MODES:
                if not args.mode or any(re.search(p, mode) for p in args.mode):
                    print(measure(the_rig, mode, rounds, args.seconds), flush=True)
    except rig.Problem as problem:
        print(f"sticky.py: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
