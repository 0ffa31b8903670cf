# SPDX-License-Identifier: Apache-2.0
"""Counts passes and failures and ends with the line that `make check` adds up."""
import sys
import time


class Report:
    def __init__(self, title):
        self.title, self.passed, self.failed = title, 0, 0
        self.start = time.monotonic()

    def check(self, what, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {what}")
            for line in detail.strip().splitlines():
                print(f"    {line}")
        return good

    def finish(self):
        print(f"{self.title}: {self.passed} passed, {self.failed} failed "
              f"in {time.monotonic() - self.start:.1f} s")
        sys.exit(1 if self.failed else 0)
