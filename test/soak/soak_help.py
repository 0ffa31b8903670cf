# SPDX-License-Identifier: Apache-2.0
"""What the long runs have in common: a lab without pytest, and a verdict in one line.

What it is: run() around a function that returns what it measured and what was not kept.
What it is not: a run of its own.
"""
from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).parents[1] / "scenario"))

from lab import Lab, eventually  # noqa: E402

NOISE = ("LBX0182|LBX0162|LBX04|AH00957|AH01114|AH00959|AH01102|AH00898|AH01095|AH10159|AH00484"
         "|AH01084|AH01097|AH00992|AH00993")


class Promises:
    """Figures and whether they are as promised."""

    def __init__(self) -> None:
        self.broken = 0

    def keep(self, what: str, value: object, good: bool) -> None:
        self.broken += not good
        print(f"  {what}: {value}{'' if good else '   NOT AS PROMISED'}", flush=True)


def until(seconds_from: float, seconds: float) -> None:
    """Let the load run on until so many seconds after the start."""
    end = seconds_from + seconds
    eventually(lambda: time.monotonic() >= end, seconds + 30)


def run(*parts: Callable[[Lab, Promises], None]) -> int:
    """Each part in a lab of its own; 0: everything was kept."""
    broken = 0
    for part in parts:
        print(part.__doc__.strip().splitlines()[0], flush=True)
        lab, promises = Lab(), Promises()
        try:
            part(lab, promises)
            for problem in lab.finish():
                promises.keep("found", problem, False)
        finally:
            lab.finish()
            lab.remove()
        broken += promises.broken
    print("as promised" if not broken else f"{broken} promises broken")
    return 1 if broken else 0
