# SPDX-License-Identifier: Apache-2.0
"""What the logs of a test may not contain.

What it is: finds, in the text of an error log, the lines that no test announced: level warn and
above, and at any level what tells of a crash or of a sanitizer's finding.
What it is not: a place for lists of known noise; a test announces what it provokes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LINE = re.compile(r"^\[[^\]]*\] \[(?P<module>[\w-]*):(?P<level>\w+)\] \[pid (?P<pid>\d+)")
# httpd's own lines before the configuration sets the format
SERIOUS = ("emerg", "alert", "crit", "error", "warn")
FATAL = re.compile(
    r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|: runtime error: |exit signal"
    r"|seg(mentation)? ?fault|child pid \d+ exit|[Aa]ssertion .*failed|AH00013"
    r"|double free|free\(\): |malloc(_consolidate)?\(\): |corrupted |stack smashing"
    r"|undefined symbol|symbol lookup error", re.I)


@dataclass
class Expected:
    pattern: re.Pattern
    must: bool = False     # that it never came is an error too
    seen: int = 0

    def matches(self, line: str) -> bool:
        if self.pattern.search(line):
            self.seen += 1
            return True
        return False


@dataclass
class Expectations:
    """Announced patterns; those of `parent` (the whole lab) hold too."""

    parent: "Expectations | None" = None
    items: list[Expected] = field(default_factory=list)

    def add(self, regex: str, must: bool = False) -> None:
        self.items.append(Expected(re.compile(regex), must))
        if "AH01114" in regex:  # a member that goes may meet a request on an old connection
            self.items.append(Expected(re.compile("AH01102|AH00898")))

    def covers(self, line: str) -> bool:
        found = [item.matches(line) for item in self.items]  # all of them: each counts
        return any(found) or bool(self.parent and self.parent.covers(line))

    def missing(self) -> list[str]:
        return [f"announced, but not in the log: {item.pattern.pattern!r}"
                for item in self.items if item.must and not item.seen]


def level_of(line: str) -> str:
    match = _LINE.match(line)
    return match["level"] if match else ""


def unexpected(text: str, expected: Expectations, serious: tuple[str, ...] = SERIOUS
               ) -> list[str]:
    """The lines of an error log that fail the test."""
    found = []
    for line in text.splitlines():
        level = level_of(line)
        if level.startswith("trace") or level == "debug":
            bad = bool(re.search("Sanitizer", line))
        else:
            bad = level in serious or bool(FATAL.search(line))
        if bad and not expected.covers(line):
            found.append(line)
    return found
