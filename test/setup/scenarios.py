# SPDX-License-Identifier: Apache-2.0
"""Runs the scenarios, and those that failed once more, alone.

Scenarios run on real clocks, several at once, perhaps on a machine that does other things
as well.  One that fails, and passes when it has the machine for itself, is named and counted
as unsteady, so that nobody overlooks it, and does not fail the run.  One that fails twice
does, and so do more failures than MAY_BE_UNSTEADY at once: those are no accident.

Ends with "N passed, N failed[, N unsteady]".  T=name selects as pytest -k does.  Another
directory of tests than test/scenario may be given, which is how this file is tested.
"""
import json
import os
import subprocess
import sys
import tempfile

MAY_BE_UNSTEADY = 3
NOTHING_SELECTED = 5  # pytest's exit status
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def pytest(directory, *args):
    """(exit status, outcomes, or None when pytest itself failed); shows what it says."""
    told = os.path.join(directory, "outcomes.json")
    if os.path.exists(told):
        os.unlink(told)
    path = os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH")]))
    status = subprocess.call(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "outcomes",
         "--tb=short", "-rs", f"--rootdir={TOP}", f"--outcomes={told}", *args],
        cwd=TOP, env={**os.environ, "PYTHONPATH": path})
    if not os.path.exists(told):
        return status, None
    with open(told, encoding="utf-8") as file:
        return status, json.load(file)


def again(directory, failed, where):
    """Those that fail a second time, with nothing beside them."""
    print(f"\nOnce more, alone: {' '.join(failed)}", flush=True)
    names = os.path.join(directory, "only.json")
    with open(names, "w", encoding="utf-8") as file:
        json.dump(failed, file)
    status, outcomes = pytest(directory, f"--only={names}", where)
    if outcomes is None or status not in (0, 1) or outcomes["passed"] + len(
            outcomes["failed"]) < len(failed):
        return failed
    return outcomes["failed"]


def run(directory, name, where):
    # most of a scenario's time is waiting: two at once even on one core
    workers = max(2, len(os.sched_getaffinity(0)))
    select = ["-k", name] if name else []
    status, outcomes = pytest(directory, "-n", str(workers), *select, where)
    if status == NOTHING_SELECTED and name:
        print(f"no scenario is named like '{name}'", file=sys.stderr)
    failed = outcomes["failed"] if outcomes else []
    passed = outcomes["passed"] if outcomes else 0
    unsteady = []
    if status == 1 and 0 < len(failed) <= MAY_BE_UNSTEADY:
        still = again(directory, failed, where)
        unsteady = [one for one in failed if one not in still]
        failed = still
    elif status != 0 and not failed:
        failed = [f"pytest: exit status {status}"]
    for one in failed:
        print(f"FAILED: {one}")
    for one in unsteady:
        print(f"UNSTEADY: {one} failed among others and passed alone")
    print(f"{passed} passed, {len(failed)} failed"
          + (f", {len(unsteady)} unsteady" if unsteady else ""))
    return 1 if failed else 0


def main():
    with tempfile.TemporaryDirectory(prefix="lbx-scenarios-") as directory:
        where = sys.argv[1] if len(sys.argv) > 1 else "test/scenario"
        return run(directory, os.environ.get("T", ""), where)


if __name__ == "__main__":
    sys.exit(main())
