# SPDX-License-Identifier: Apache-2.0
"""Code and manuals say the same: mod_lbx_<x>/README.md is the manual of its folder.

Ranges that a refusal names are in the manual's row, defaults are those of the code (DEFAULTS).
Both ways: directives, parameters of members, log numbers and environment variables of the code
are in the folder's manual; what manuals and the top README name of these is in the code.
What the manual says of their meaning is for people to check.
"""
import re

from source import blank

# What names a thing in C.  Each pattern is one kind; group 1 is the name.
IN_CODE = [
    ("directive", re.compile(r'"(LBX[A-Z][a-z]\w*|LBXHC\w+|ProxyHC\w+)"')),
    ("parameter", re.compile(r'(?:\{|param->key, |->key, )"([a-z]{4,})"(?:, set_\w+|\))')),
    ("log number", re.compile(r"\bLBXNO\(\s*(\d+)\s*\)")),
    ("variable", re.compile(r'(?:apr_table_setn?\(\s*(?:\w+|\w+->subprocess_env),'
                            r'|put\(r->subprocess_env,|\[\w+\] =)\s*"(LBX_[A-Z_]+)"')),
]
# Tables of the code: rows {"name", function, "what is allowed"}, by kind.
TABLES = {"own_params": "parameter", "params": "parameter", "words": "parameter",
          "options": "option", "member_numbers": "parameter", "balancer_numbers": "parameter"}
TABLE = re.compile(r"\b(%s)\[\]\s*=\s*\{\n(.*?)\n\s*\};|\}\s*(%s)\[\]\s*=\s*\{\n(.*?)\n\s*\};"
                   % (("|".join(TABLES),) * 2), re.S)
STRING = r'"((?:[^"\\]|\\.)*)"'
ROW = re.compile(r'\{\s*"([a-z][\w-]*)",([^{}]*)\}')
# The rules of a balancer: the directive's row of the table of commands, and the row of its rule.
COMMAND = re.compile(r'_ROW\("(\w+)",\s*(\w+),')
RULE = re.compile(r"\[(\w+)\]\s*=\s*\{\s*\w+,\s*((?:%s\s*)+)\}" % STRING)
# What names it in a manual; %s: the name.
IN_MANUAL = {"directive": r"`%s\b", "parameter": r"`%s[=`]", "option": r"`%s[=`]", "log number": r"LBX%s\b",
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
    found = {kind: {} for kind in IN_MANUAL}
    for s in tree.c:
        if not s.is_module_file or (folder and s.folder != folder):
            continue
        text = re.sub(r"/\*.*?\*/", blank, s.text, flags=re.S)
        for kind, pattern in IN_CODE:
            for m in pattern.finditer(text):
                found[kind].setdefault(m.group(1), (s, text.count("\n", 0, m.start()) + 1))
        for table, name, line, _ in rows(text):
            found[TABLES[table]].setdefault(name, (s, line))
    return found


def rows(text):
    """(table, name, line, what is allowed) of the tables in a C file without comments."""
    macros = dict(re.findall(r'#define (\w+)\s+(".*")', text))
    for m in TABLE.finditer(text):
        table, body, start = (m.group(1), m.group(2), m.start(2)) if m.group(1) else \
            (m.group(3), m.group(4), m.start(4))
        for row in ROW.finditer(body):
            rest = re.sub(r"\b[A-Z_]+\b", lambda found: macros.get(found.group(0), found.group(0)), row.group(2))
            line = text.count("\n", 0, start + row.start()) + 1
            yield table, row.group(1), line, "".join(re.findall(STRING, rest))


def allowed(tree, folder):
    """(name, source, line, what is allowed) of a module's parameters, options and directives."""
    of_rule, of_command = {}, {}
    for s in tree.c:
        if s.folder != folder:
            continue
        text = re.sub(r"/\*.*?\*/", blank, s.text, flags=re.S)
        for _, name, line, said in rows(text):
            yield name, s, line, said
        for m in RULE.finditer(text):
            of_rule[m.group(1)] = (s, text.count("\n", 0, m.start()) + 1, "".join(re.findall(STRING, m.group(2))))
        of_command.update({rule: name for name, rule in COMMAND.findall(text)})
    for rule, name in of_command.items():
        if rule in of_rule:
            yield (name, *of_rule[rule])


def row_of(book, name):
    """The manual's row of that name, with those below it that go on with it; None: it has none of
    its own."""
    for n, line in enumerate(book.lines):
        cell = re.split(r"(?<!\\)\|", line + "||")[1]
        if re.search(rf"`{re.escape(name)}(?:\[?=[^`]*| [^`]*)?`", cell) and cell.count("`") <= 4:
            more = n + 1
            while re.match(r"\|\s*\|", book.lines[more]):
                more += 1
            return " ".join(book.lines[n:more])
    return None


def numbers(text):
    return set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", text))


def ranges(tree):
    """Each number that a refusal says is allowed stands in the manual's row; examples do not count."""
    manuals = {s.folder: s for s in tree.sources
               if MANUAL.search(s.name) and re.match(r"mod_lbx_\w+$", s.folder)}
    for folder, book in sorted(manuals.items()):
        for name, s, line, said in allowed(tree, folder):
            row = row_of(book, name)
            if not row or "words below" in row:
                continue
            for number in sorted(numbers(re.split(r":|, as ", said)[0]) - numbers(row.replace("..", " "))):
                yield s, line, f"{name}: {number} is said in the refusal and not in the row of {book.name}"


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


# Where a default of a manual comes from: name, what the row says of it, the file, its words there.
DEFAULTS = [
    ("LBXRetryOn", "| `connect-failure stale reset timeout` |", "lbx_retry.c", "r->classes |= 1u << words[i]"),
    ("LBXRetryNonIdempotent", "| `Off` |", "lbx_retry.c", "memset(r, 0, sizeof(*r))"),
    ("LBXRetryBody", "| `64k` |", "lbx_retry.c", "r->body_max = 64 * 1024;"),
    ("LBXRetryBudget", "| `50% min=10` |", "lbx_retry.c", "r->budget = 50;\n    r->budget_min = 10;"),
    ("LBXRetryBackoff", "| `25ms max=250ms` |", "lbx_retry.c",
     "r->backoff_us = 25 * 1000;\n    r->backoff_max = 250 * 1000;"),
    ("LBXTryTimeout", "| `Off` |", "lbx_retry.c", "memset(r, 0, sizeof(*r))"),
    ("hcinterval", "| 30s |", "lbx_hc_spec.c", "spec->interval_us = 30 * SECOND_US;"),
    ("hcpasses", "| 1 |", "lbx_hc_spec.c", "spec->passes = spec->fails = 1;"),
    ("hcfails", "| 1 |", "lbx_hc_spec.c", "spec->passes = spec->fails = 1;"),
    ("LBXEject", "`min=20 window=10s`", "hc_rules.c",
     "r->eject.min = r->eject.min ? r->eject.min : 20;\n"
     "        r->eject.window_us = r->eject.window_us ? r->eject.window_us : 10 * APR_USEC_PER_SEC;"),
    ("LBXMaxEjected", "| 100% |", "hc_rules.c", "r->max_ejected = 100;"),
    ("aggression", "| 1 |", "hc_rules.c", ".aggression = 100,"),
    ("minimum", "| 10% |", "hc_rules.c", ".minimum = LBX_RAMP_FULL / 10"),
    ("hosts", "| 5, 100 |", "lbx_outlier.c", ".hosts = 5,\n        .volume = 100,"),
    ("interval", "| 10s |", "lbx_outlier.c", ".interval_us = 10000000,"),
    ("base", "| 30s, 300s |", "lbx_outlier.c", ".base_us = 30000000,\n        .max_us = 300000000,"),
    ("success-rate", "1.9 |", "hc_rules.c", "(o->rate = 190)"),
    ("LBXStickyAuto", "| `On`, ", "sticky_conf.c", "struct sticky_rules out = {.auto_on = 1};"),
    ("secure", "| `Auto` |", "sticky_conf.c", "struct sticky_cookie c = {.secure = -1,"),
    ("httponly", "| `On` |", "sticky_conf.c", ".httponly = 1, .indirect = 1, .nocache = 1}"),
    ("indirect", "| `On` |", "sticky_conf.c", ".httponly = 1, .indirect = 1, .nocache = 1}"),
    ("nocache", "| `On` |", "sticky_conf.c", ".httponly = 1, .indirect = 1, .nocache = 1}"),
    ("idle", "| `30min` |", "sticky_learn.c", "l->idle = 1800;"),
    ("sessions", "| `10000` |", "sticky_learn.c", "l->sessions = 10000;"),
    ("LBXManagerAccess", "| `admin` |", "mgr_conf.c", "conf && conf->set ? conf->right : MGR_ADMIN"),
]


def defaults(tree):
    """What DEFAULTS says of code and manual is still so, in both."""
    files = {s.base: s for s in tree.c if s.is_module_file}
    books = {s.folder: s for s in tree.sources if MANUAL.search(s.name)}
    for name, cell, base, code in DEFAULTS:
        s = files.get(base)
        if not s:
            continue
        row = row_of(books[s.folder], name) or ""
        if code not in s.text:
            yield s, 1, f"the default of {name} is not here any more: see its manual, and DEFAULTS in manual.py"
        if cell not in row:
            yield books[s.folder], 1, f"the default of {name} is not `{cell}` as in DEFAULTS of manual.py: {row[:80]}"


def said_of_all(tree):
    """Each manual says of its directives where they stand, since when, and what bad values get."""
    for s in tree.sources:
        if re.match(r"mod_lbx_\w+$", s.folder) and MANUAL.search(s.name):
            for what, pattern in (("the context", r"context|stand in"), ("since when", r"\bsince\b"),
                                  ("what bad values get", r"bad value|must be")):
                if not re.search(pattern, s.text, re.I):
                    yield s, 1, f"does not say {what}"
            for name in things(tree, s.folder)["directive"]:
                row = row_of(s, name)
                if not row or row.count("|") < 4:
                    yield s, 1, f"{name} has no row of a table with values, default, meaning"


CHECKS = [manual, ranges, defaults, said_of_all]
