# SPDX-License-Identifier: Apache-2.0
"""`make style`: runs every check over the tree and prints file:line: message.

A line that carries a comment `style-ok: reason` is excused from what is found on it; an
excuse without a reason, or on which nothing is found any more, is an error itself.
Starts with its own test (selftest.py).
"""
import re
import sys
import time

import checks
import manual
import selftest
import tools
from source import Tree

# Files that show exemptions as text.
SHOWS_EXEMPTIONS = re.compile(r"(\.md$|^test/style/)")

SHOWN = 40


def run(tree, all_checks):
    """{check name: [message, ...]} after exemptions."""
    found = {}
    for check in all_checks:
        messages = found.setdefault(check.__name__, [])
        for source, line, text in check(tree):
            if isinstance(source, str):
                messages.append(f"{source}: {text}")
            elif line in source.exempt:
                source.used.add(line)
            else:
                messages.append(f"{source.name}:{line}: {text}")
    found["exemptions"] = list(stale(tree))
    return found


def stale(tree):
    for s in tree.sources:
        if SHOWS_EXEMPTIONS.search(s.name):
            continue
        for line, reason in s.exempt.items():
            if not reason:
                yield f"{s.name}:{line}: style-ok without a reason"
            elif line not in s.used:
                yield f"{s.name}:{line}: this style-ok excuses nothing any more"


def main():
    start = time.monotonic()
    passed, failed = selftest.run(run)
    tree = Tree.of_checkout()
    total = 0
    for messages in run(tree, checks.CHECKS + manual.CHECKS + tools.CHECKS).values():
        for message in messages[:SHOWN]:
            print(message)
        if len(messages) > SHOWN:
            print(f"... and {len(messages) - SHOWN} more of this kind")
        total += len(messages)
        passed, failed = passed + (not messages), failed + bool(messages)
    print(f"style: {total} findings in {len(tree.sources)} files, {len(tree.c)} of them C; "
          f"{passed} passed, {failed} failed in {time.monotonic() - start:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
