# SPDX-License-Identifier: Apache-2.0
"""What a request costs in httpd with the suite, and with the stock modules: CPU time, by turns.

What it is: for each case two httpds, equal but for their modules, that are under load by turns of
a few milliseconds; the figure is the CPU time of all their processes by the requests answered.  It
is steadier than requests per second, which also depend on the load generator's luck.  Where a
process finds its memory is luck, too: there are several pairs, one after the other.
What it is not: a test (nothing fails when it is slow), nor latency.  On a machine that is busy
otherwise instructions.py says more.

    run.py [--quick] [--pairs N] [--rounds N] [--seconds S] [--case REGEX]...
"""

from __future__ import annotations

import argparse
import math
import os
import re
import resource
import statistics
import sys
import time
from typing import NamedTuple

import rig

METHODS = ("byrequests", "bybusyness", "bytraffic")
MANY = 1000
FILES_FOR_MANY = 4096    # descriptors: connections to each member
WARM, WARM_MANY = 0.4, 0.8   # seconds; MANY takes some requests to reach everybody


class Case(NamedTuple):
    base: str       # measured against: "stock", or "plain" (ProxyPass without a balancer)
    method: str
    members: int

    @property
    def name(self) -> str:
        return f"{'plain-' if self.base == 'plain' else ''}{self.method}-{self.members}"


CASES = [Case("plain", "byrequests", 1), Case("stock", "byrequests", 1),
         *[Case("stock", method, members) for members in (3, MANY) for method in METHODS]]


class Outcome(NamedTuple):
    case: Case
    base: list[rig.Sample]
    suite: list[rig.Sample]
    memory: dict[str, tuple[float, float]]     # kind -> RSS and PSS of the children, loaded
    fresh: dict[str, tuple[float, float]]      # the same before the first request


def measure(the_rig: rig.Rig, case: Case, pairs: int, rounds: int, seconds: float) -> Outcome:
    samples: dict[str, list[rig.Sample]] = {case.base: [], "suite": []}
    for _ in range(1 if case.members == MANY else pairs):
        webs = [the_rig.web(kind, case.members, case.method) for kind in samples]
        for web in webs:
            web.await_ready()
        fresh = {web.kind: web.memory() for web in webs}
        # each child has met each member, and has its connections
        the_rig.by_turns(webs, WARM_MANY if case.members == MANY else WARM)
        for _ in range(rounds):
            for web, sample in zip(webs, the_rig.by_turns(webs, seconds)):
                samples[web.kind].append(sample)
        loaded = {web.kind: web.memory() for web in webs}
        the_rig.close_webs()
    return Outcome(case, samples[case.base], samples["suite"], loaded, fresh)


def figures(samples: list[rig.Sample]) -> str:
    us = [s.us for s in samples]
    return f"{statistics.median(us):7.2f} {f'({min(us):.1f}-{max(us):.1f})':>14}"


def rate(samples: list[rig.Sample]) -> str:
    return f"{statistics.median(s.requests / s.wall for s in samples):8.0f}"


HEAD = (f"{'case':<20} {'against':<7} | {'us/request there':^22} | {'us/request, suite':^22} | "
        f"{'ratio':^13} | requests/s")


def row(o: Outcome) -> str:
    # each round's two figures are neighbours in time: what disturbs one disturbs both
    logs = [math.log(s.us / b.us) for b, s in zip(o.base, o.suite)]
    error = statistics.stdev(logs) / len(logs) ** 0.5 if len(logs) > 1 else float("nan")
    ratio = f"{math.exp(statistics.mean(logs)):5.3f} +-{error:.3f}"
    name = f"{o.case.method}, {o.case.members}"
    return (f"{name:<20} {o.case.base:<7} | {figures(o.base)} | {figures(o.suite)} | {ratio} | "
            f"{rate(o.base)} {rate(o.suite)}")


def memory_line(o: Outcome) -> str:
    def text(kind: str) -> str:
        loaded, fresh = o.memory[kind], o.fresh[kind]
        return f"{kind} {fresh[1]:.1f} -> {loaded[1]:.1f} (RSS {fresh[0]:.0f} -> {loaded[0]:.0f})"
    return f"  {o.case.members:4} members: {text(o.case.base)}; {text('suite')}"


def wanted(patterns: list[str]) -> list[Case]:
    found = [c for c in CASES if not patterns or any(re.search(p, c.name) for p in patterns)]
    if not found:
        raise rig.Problem("no such case; there are: " + " ".join(c.name for c in CASES))
    # some systems allow very few descriptors
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < FILES_FOR_MANY:
        print(f"Only {hard} open files are allowed: no cases with {MANY} members")
        found = [c for c in found if c.members < MANY]
    return found


def report(outcomes: list[Outcome]) -> None:
    print(f"\nMB of the {rig.CHILDREN} children together, PSS, before -> after the load:")
    for members in sorted({o.case.members for o in outcomes}):
        for o in outcomes:
            if o.case.members == members and o.case.base == "stock":
                print(memory_line(o))
                break


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about 20 seconds, and noisy")
    parser.add_argument("--pairs", type=int, help="of httpds (3, quick: 1)")
    parser.add_argument("--rounds", type=int, help="of measurements of a pair (6, quick: 3)")
    parser.add_argument("--seconds", type=float, help="for each in a round (0.5, quick: 0.2)")
    parser.add_argument("--case", action="append", default=[], metavar="REGEX",
                        help="only these: " + " ".join(c.name for c in CASES))
    args = parser.parse_args()
    pairs = max(1, args.pairs or (1 if args.quick else 3))
    rounds = max(1, args.rounds or (3 if args.quick else 6))
    seconds = max(0.1, args.seconds or (0.2 if args.quick else 0.5))

    start = time.monotonic()
    outcomes = []
    try:
        cases = wanted(args.case)
        print(f"CPU time of a request in httpd {'.'.join(map(str, rig.layout.version()))}, event "
              f"MPM, {rig.CHILDREN} children; {rig.CONNECTIONS} connections from "
              f"{'wrk' if rig.WRK else 'a generator in Python, wrk is not installed'}\n"
              f"Load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors "
              "(others' work makes the figures noisy)\n"
              f"{pairs} pairs, of each {rounds} rounds of {seconds:g} s each, by turns: median "
              f"(least-most); ratio: geometric mean of the rounds +- its error\n\n{HEAD}\n"
              + "-" * len(HEAD), flush=True)
        with rig.Rig() as the_rig:
            for case in cases:
                outcomes.append(measure(the_rig, case, pairs, rounds, seconds))
                print(row(outcomes[-1]), flush=True)
    except rig.Problem as problem:
        print(f"run.py: {problem}", file=sys.stderr)
        return 1
    if any(o.case.base == "stock" for o in outcomes):
        report(outcomes)
    print(f"\n{time.monotonic() - start:.0f} seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
