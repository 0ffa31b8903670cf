# SPDX-License-Identifier: Apache-2.0
"""How many instructions of its own httpd needs for a request, with the suite and without: exact.

What it is: callgrind's count for n + 1000 requests, one after the other, less that for n; the same
within one in a thousand on any day, however busy the machine is.
What it is not: time, and nothing of the kernel, of caches or of threads that meet: run.py,
sticky.py.  Not part of `make bench`: it needs valgrind, and two minutes.

    instructions.py [--case REGEX]...      cases as those of run.py
    instructions.py --mode REGEX           ways of stickiness as those of sticky.py
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Callable

import rig
import run
import sticky

MORE = 1000
Maker = Callable[[list], rig.Web]   # of a tool's command line: a httpd that runs under it


def is_up(web: rig.Web) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)) as client:
        client.request("GET", "/page")
        return client.getresponse().status == 200
    return False


def count(the_rig: rig.Rig, make: Maker, cookie: str | None, requests: int) -> int:
    """Instructions from the start to the end of an httpd that answered so many requests.
    <cookie>: the header to send; None: the session that the httpd begins."""
    fd, out = tempfile.mkstemp(dir=the_rig.dir)
    os.close(fd)
    os.chmod(out, 0o666)    # it is written at the end, by httpd's User
    web = make(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
    rig.eventually(lambda: is_up(web), 120, "httpd answers under valgrind")
    cookie = web.first_cookie() if cookie is None else cookie
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)) as c:
        for _ in range(requests):
            c.request("GET", "/page", headers={"Cookie": cookie} if cookie else {})
            answer = c.getresponse()
            answer.read()
            if answer.status != 200:
                raise rig.Problem(f"status {answer.status}")
    the_rig.close_webs()
    found = re.search(r"^(?:summary|totals): (\d+)", Path(out).read_text(errors="replace"), re.M)
    if not found:
        raise rig.Problem("valgrind has left no count")
    return int(found[1])


def each(the_rig: rig.Rig, make: Maker, members: int, cookie: str | None = "") -> float:
    met = members + 200    # by then everybody has a connection
    return (count(the_rig, make, cookie, met + MORE) - count(the_rig, make, cookie, met)) / MORE


def tell(name: str, against: str, there: float, suite: float) -> None:
    print(f"{name:<20} {against:<7} | {there:7.0f} | {suite:7.0f} | {suite / there:5.3f}", flush=True)


def compare_case(the_rig: rig.Rig, case: run.Case) -> None:
    def maker(kind: str) -> Maker:
        return lambda tool: the_rig.web(kind, case.members, case.method, tool)
    tell(f"{case.method}, {case.members}", case.base,
         each(the_rig, maker(case.base), case.members), each(the_rig, maker("suite"), case.members))


def compare_mode(the_rig: rig.Rig, mode: str) -> None:
    """Against one that is not sticky; a session's header of the same length for both."""
    def maker(name: str) -> Maker:
        def make(tool: list) -> rig.Web:
            web = sticky.Web(the_rig, name, tool)
            the_rig.adopt([web])
            return web
        return make
    cookie = sticky.MODES[mode][3]
    tell(mode, "none", each(the_rig, maker(""), sticky.MEMBERS, cookie or sticky.PLAIN),
         each(the_rig, maker(mode), sticky.MEMBERS, cookie))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", default=[], metavar="REGEX")
    parser.add_argument("--mode", action="append", default=[], metavar="REGEX")
    args = parser.parse_args()
    modes = [m for m in sticky.MODES if any(re.search(p, m) for p in args.mode)]
    try:
        if not shutil.which("valgrind"):
            raise rig.Problem("valgrind is not installed")
        cases = run.wanted(args.case) if args.case or not args.mode else []
        print("Instructions of httpd itself for one request\n\n"
              f"{'case':<20} {'against':<7} | {'there':>7} | {'suite':>7} | ratio", flush=True)
        with rig.Rig() as the_rig:
            shutil.copy(rig.layout.SUITE_DIR / "mod_lbx_sticky.so", the_rig.dir)
            for case in cases:
                compare_case(the_rig, case)
            for mode in modes:
                compare_mode(the_rig, mode)
    except rig.Problem as problem:
        print(f"instructions.py: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
