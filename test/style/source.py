# SPDX-License-Identifier: Apache-2.0
"""The files that are checked: their lines, their code without comments, their exemptions.

Knows nothing about rules; checks.py has those.
"""
import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

C_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
EXEMPTION = re.compile(r"(?:/\*|//|#|<!--|^\s*\*)\s*style-ok:\s*(.*?)\s*(?:\*/|-->|$)")


def blank(found):
    """The same number of lines and columns, without what was written there."""
    return re.sub(r"[^\n]", " ", found.group(0))


class Source:
    """One file, named relative to the top of the tree."""

    def __init__(self, name, text):
        self.name, self.text = name, text
        self.folder, self.base = os.path.split(name)
        self.lines = text.split("\n")
        self.is_c = name.endswith((".c", ".h"))
        self.is_module_file = re.match(r"mod_lbx_\w+$", self.folder) is not None
        self.is_pure = self.is_c and self.base.startswith("lbx_") and (
            self.is_module_file or self.folder == "include")
        self.in_test = name.startswith("test/")
        self.code = C_TOKEN.sub(blank, text) if self.is_c else text
        self.code_lines = self.code.split("\n")
        self.exempt = {n: m.group(1) for n, line in enumerate(self.lines, 1)
                       if (m := EXEMPTION.search(line))}
        self.used = set()

    def includes(self):
        """(line number, '<' or '"', name) of each include that is not commented out."""
        comments = re.sub(r"//[^\n]*|/\*.*?\*/", blank, self.text, flags=re.S)
        return [(comments.count("\n", 0, m.start()) + 1, m.group(1), m.group(2))
                for m in INCLUDE.finditer(comments)]

    def find(self, pattern, lines=None):
        """(line number, match) of a pattern in the code, or in the lines given."""
        return [(n, m) for n, line in enumerate(lines or self.code_lines, 1)
                for m in pattern.finditer(line)]


class Tree:
    """All files that are checked together."""

    def __init__(self, sources):
        self.sources = sources
        self.c = [s for s in sources if s.is_c]
        self.headers = {}
        for s in self.c:
            self.headers.setdefault(s.base, set()).add(s.folder)

    @classmethod
    def of_checkout(cls):
        sources = []
        for name in names():
            try:
                with open(os.path.join(TOP, name), encoding="utf-8") as file:
                    sources.append(Source(name, file.read()))
            except (UnicodeDecodeError, IsADirectoryError, FileNotFoundError):
                continue
        return cls(sources)


def names():
    """Tracked files and those that would be tracked; without git, everything but build/."""
    git = ["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, check=True)
        return sorted(set(filter(None, done.stdout.split("\0"))))
    except (OSError, subprocess.CalledProcessError):
        found = []
        for folder, folders, files in os.walk(TOP):
            folders[:] = [f for f in folders if f not in ("build", ".git", "__pycache__")]
            found += [os.path.relpath(os.path.join(folder, f), TOP) for f in files]
        return sorted(found)
