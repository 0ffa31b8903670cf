# SPDX-License-Identifier: Apache-2.0
"""How many instructions of its own httpd needs for a request, with the suite and without: exact.

What it is: callgrind's count for n + 1000 requests, one after the other, less that for n; the same
within one in a thousand on any day, however busy the machine is.
What it is not: time, and nothing of the kernel, of caches or of threads that meet: run.py.  Not
part of `make bench`: it needs valgrind, and two minutes.

    instructions.py [--case REGEX]...      cases as those of run.py
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

import rig
import run

MORE = 1000


def is_up(web: rig.Web) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", web.port, timeout=20)) as client:
        client.request("GET", "/page")
        return client.getresponse().status == 200
    return False


def count(the_rig: rig.Rig, kind: str, case: run.Case, requests: int) -> int:
    """Instructions from the start to the end of an httpd that answered so many requests."""
    fd, out = tempfile.mkstemp(dir=the_rig.dir)
    os.close(fd)
    os.chmod(out, 0o666)    # it is written at the end, by httpd's User
    web = the_rig.web(kind, case.members, case.method,
                      ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
    rig.eventually(lambda: is_up(web), 120, "httpd answers under valgrind")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)) as c:
        for _ in range(requests):
            c.request("GET", "/page")
            answer = c.getresponse()
            answer.read()
            if answer.status != 200:
                raise rig.Problem(f"status {answer.status}")
    the_rig.close_webs()
    found = re.search(r"^(?:summary|totals): (\d+)", Path(out).read_text(errors="replace"), re.M)
    if not found:
        raise rig.Problem("valgrind has left no count")
    return int(found[1])


def each(the_rig: rig.Rig, kind: str, case: run.Case) -> float:
    met = case.members + 200    # by then everybody has a connection
    return (count(the_rig, kind, case, met + MORE) - count(the_rig, kind, case, met)) / MORE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", default=[], metavar="REGEX")
    args = parser.parse_args()
    try:
        if not shutil.which("valgrind"):
            raise rig.Problem("valgrind is not installed")
        cases = run.wanted(args.case)
        print("Instructions of httpd itself for one request\n\n"
              f"{'case':<20} {'against':<7} | {'there':>7} | {'suite':>7} | ratio", flush=True)
        with rig.Rig() as the_rig:
            for case in cases:
                base, suite = each(the_rig, case.base, case), each(the_rig, "suite", case)
                print(f"{f'{case.method}, {case.members}':<20} {case.base:<7} | {base:7.0f} | "
                      f"{suite:7.0f} | {suite / base:5.3f}", flush=True)
    except rig.Problem as problem:
        print(f"instructions.py: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
