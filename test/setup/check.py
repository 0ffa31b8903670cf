# SPDX-License-Identifier: Apache-2.0
"""`make check`: runs the layers one after the other and adds up what they say.

Each layer is a make target whose output ends with "N passed, N failed", and perhaps
"N unsteady" behind "UNSTEADY: name" lines (scenarios.py), which fail nothing but are
named at the end.  This file knows their order and nothing about what they test.  With
T=name in the environment only the layers run that have a test of that name.
"""
import glob
import os
import re
import subprocess
import sys
import time

LAYERS = ["modules", "style", "unit", "asan", "tsan", "stress", "order", "examples", "scenario"]
COUNT = re.compile(r"(\d+) (passed|failed|errors?)\b")
UNSTEADY = re.compile(r"^UNSTEADY: (.*)$", re.M)


def counts(text):
    """Passed and failed of the last line that names them, or None."""
    for line in reversed(text.splitlines()):
        found = COUNT.findall(line)
        if found:
            passed = sum(int(n) for n, word in found if word == "passed")
            return passed, sum(int(n) for n, word in found) - passed
    return None


def run_layer(layer, jobs):
    """Shows the layer's output as it comes; returns (passed, failed, names of the unsteady)."""
    make = os.environ.get("MAKE", "make")
    name = os.environ.get("T", "")
    command = [make, "--no-print-directory", f"-j{jobs}", layer, f"T={name}"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seen = bytearray()
    while True:
        chunk = os.read(child.stdout.fileno(), 65536)
        if not chunk:
            break
        seen += chunk
        sys.stdout.buffer.write(chunk)
        sys.stdout.flush()
    status = child.wait()
    text = seen.decode(errors="replace")
    passed, failed = counts(text) or (0, 0)
    if status != 0 and failed == 0:
        failed = 1
    return passed, failed, UNSTEADY.findall(text)


def mentions(pattern, definition, name):
    """Does a file of that pattern have the name in its own name or in a definition?"""
    wanted = re.compile(definition + r"\w*" + re.escape(name))
    for path in glob.glob(pattern, recursive=True):
        with open(path, encoding="utf-8") as file:
            if name in os.path.basename(path) or wanted.search(file.read()):
                return True
    return False


def layers_for(name):
    if not name:
        return LAYERS
    layers = []
    if mentions("test/unit/test_*.c", r"(START_TEST|tcase_create)\s*\(\"?", name):
        layers.append("unit")
    if not layers or mentions("test/scenario/**/test_*.py", r"(def test|class Test)", name):
        layers.append("scenario")
    return layers


def forget_jobs():
    """The layers run with -j of their own; other flags (V=1, CC=...) are handed down."""
    flags = os.environ.get("MAKEFLAGS", "").split(" ")
    os.environ["MAKEFLAGS"] = " ".join(f for f in flags if not re.match(r"-j|--jobserver", f))


def main():
    jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    forget_jobs()
    total_passed = total_failed = 0
    rows, unsteady = [], []
    for layer in layers_for(os.environ.get("T", "")):
        print(f"== {layer}", flush=True)
        start = time.monotonic()
        passed, failed, shaky = run_layer(layer, jobs)
        unsteady += shaky
        rows.append((layer, passed, failed, time.monotonic() - start))
        total_passed += passed
        total_failed += failed
        if layer == "modules" and failed:
            break
    print()
    for layer, passed, failed, seconds in rows:
        print(f"{layer:10} {passed:5} passed {failed:5} failed {seconds:7.1f} s")
    for name in unsteady:
        print(f"unsteady: {name}")
    print(f"{total_passed} passed, {total_failed} failed"
          + (f", {len(unsteady)} unsteady" if unsteady else ""))
    return 1 if total_failed or (total_passed == 0 and os.environ.get("T")) else 0


if __name__ == "__main__":
    sys.exit(main())
