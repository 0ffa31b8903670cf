# SPDX-License-Identifier: Apache-2.0
"""Code and manuals say the same: mod_lbx_<x>/README.md is the manual of its folder.

Both ways: directives, parameters of members, log numbers and environment variables of the code
are in the folder's manual; what manuals and the top README name of these is in the code.
What the manual says of them is for people to check.
"""
import re

from source import blank

# What names a thing in C.  Each pattern is one kind; group 1 is the name.
IN_CODE = [
    ("directive", re.compile(r'"(LBX[A-Z][a-z]\w*|LBXHC\w+|ProxyHC\w+)"')),
    ("parameter", re.compile(r'(?:\{|param->key, |->key, )"([a-z]{4,})"(?:, set_\w+|\))')),
    ("log number", re.compile(r"\bLBXNO\(\s*(\d+)\s*\)")),
    ("variable", re.compile(r'(?:apr_table_setn?\(\s*(?:\w+|\w+->subprocess_env)|put\(r, \w+),\s*"(LBX_[A-Z_]+)"')),
]
# What names it in a manual; %s: the name.
IN_MANUAL = {"directive": r"`%s\b", "parameter": r"`%s[=`]", "log number": r"LBX%s\b",
             "variable": r"\b%s\b"}
# What a manual says that must be in some code.
NAMED = [
    ("directive", re.compile(r"`<?((?:LBX|ProxyHC)[A-Z][A-Za-z]+)\b")),
    ("log number", re.compile(r"\bLBX(\d{4})\b")),
    ("variable", re.compile(r"\b(LBX_[A-Z]{2,}[A-Z_]*)\b")),
]
# Variables of make, of the tests, of examples and of the shell, not of requests.
OTHER_VARIABLES = re.compile(r"LBX_(DIR|HTTPD|APXS|MODULES|CERT\w*|CA|CACHE|PHP_ROOT|LOGLEVEL)$")
MANUAL = re.compile(r"(^|/)README\.md$")


def things(tree, folder=None):
    """{kind: {name: (source, line)}} of the modules' code."""
    found = {kind: {} for kind, _ in IN_CODE}
    for s in tree.c:
        if not s.is_module_file or (folder and s.folder != folder):
            continue
        text = re.sub(r"/\*.*?\*/", blank, s.text, flags=re.S)
        for kind, pattern in IN_CODE:
            for m in pattern.finditer(text):
                found[kind].setdefault(m.group(1), (s, text.count("\n", 0, m.start()) + 1))
    return found


def manual(tree):
    manuals = {s.folder: s for s in tree.sources
               if MANUAL.search(s.name) and re.match(r"mod_lbx_\w+$", s.folder)}
    for folder, book in sorted(manuals.items()):
        for kind, names in things(tree, folder).items():
            for name, (source, line) in sorted(names.items()):
                if not re.search(IN_MANUAL[kind] % re.escape(name), book.text):
                    yield source, line, f"{kind} {name} is not in {book.name}"
    everything = things(tree)
    readers = list(manuals.values()) + [s for s in tree.sources if s.name == "README.md"]
    for book in readers:
        for n, line in enumerate(book.lines, 1):
            for kind, pattern in NAMED:
                for m in pattern.finditer(line):
                    if m.group(1) not in everything[kind] and not OTHER_VARIABLES.match(m.group(1)):
                        yield book, n, f"there is no {kind} {m.group(1)} in the code"


CHECKS = [manual]
