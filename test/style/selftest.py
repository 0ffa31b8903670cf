# SPDX-License-Identifier: Apache-2.0
"""Feeds bad snippets to the checks and expects their messages; and good ones, and silence.

A row is (what, {file: text}, message that must appear, or None for silence).  Texts get
the licence line in front, so their first line is line 2.
"""
import sys

import checks
import manual
from source import Source, Tree

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
SLASH = "/"
BODY = "int f(void)\n{\n" + "    f();\n" * 90 + "}\n"
CORE, STICKY = "mod_lbx_core/", "mod_lbx_sticky/"

ROWS = [
    ("pure includes libc and lbx", {CORE + "lbx_a.c": '#include <stdatomic.h>\n#include "lbx_a.h"\n',
                                    CORE + "lbx_a.h": '#include "lbx_types.h"\n',
                                    "include/lbx_types.h": "#include <stdint.h>\n"}, None),
    ("pure includes APR", {CORE + "lbx_a.c": "#include <apr_time.h>\n"}, "lbx_a.c:2: #include"),
    ("pure includes httpd with quotes", {CORE + "lbx_a.h": '#include "httpd.h"\n'}, "lbx_a.h:2: #include"),
    ("pure includes POSIX", {CORE + "lbx_a.c": "#include <unistd.h>\n"}, "only libc"),
    ("pure includes bound", {CORE + "lbx_a.c": '#include "core_x.h"\n', CORE + "core_x.h": "int x;\n"},
     "only libc"),
    ("shared header includes APR", {"include/lbx_a.h": "#include <apr.h>\n"}, "only libc"),
    ("contract header includes httpd", {"include/mod_lbx.h": "#include <httpd.h>\n"}, None),
    ("bound includes httpd, own, contract", {
        CORE + "core_a.c": '#include <httpd.h>\n#include "core_a.h"\n#include "mod_lbx.h"\n',
        CORE + "core_a.h": "int a;\n", "include/mod_lbx.h": "int b;\n"}, None),
    ("bound includes a sibling's header", {STICKY + "sticky_a.c": '#include "core_a.h"\n',
                                           CORE + "core_a.h": "int a;\n"}, "another module's folder"),
    ("bound includes a sibling by path", {STICKY + "sticky_a.c": '#include "../mod_lbx_core/core_a.h"\n'},
     "no way up"),
    ("pure includes a sibling's pure", {STICKY + "lbx_b.c": '#include "lbx_a.h"\n',
                                        CORE + "lbx_a.h": "int a;\n"}, "only libc"),
    ("unit test includes httpd", {"test/unit/test_a.c": "#include <httpd.h>\n"}, "do without httpd"),
    ("unit test includes bound", {"test/unit/test_a.c": '#include "core_a.h"\n', CORE + "core_a.h": "int a;\n"},
     "pure files only"),
    ("unit test includes a pure .c", {"test/unit/test_a.c": '#include "../../mod_lbx_core/lbx_a.c"\n',
                                      CORE + "lbx_a.c": "int a;\n"}, None),
    ("include in a comment", {CORE + "lbx_a.c": "/*\n#include <apr.h>\n*/\n"}, None),

    ("banned call", {CORE + "core_a.c": "int f(void)\n{\n    strcpy(a, b);\n}\n"}, "core_a.c:4: strcpy()"),
    ("banned in a string or comment", {CORE + "core_a.c": '/* strcpy(a) */ char *a = "atoi(1)";\n'}, None),
    ("names that only contain one", {CORE + "core_a.c": "int x = my_atoi(1) + fgets(a, 1, f) + p->free(1);\n"},
     None),
    ("sleep in a module", {CORE + "core_a.c": "void f(void)\n{\n    apr_sleep(1);\n}\n"}, "apr_sleep() blocks"),
    ("sleep in a test module", {"test/scenario/lab/a.c": "void f(void)\n{\n    apr_sleep(1);\n}\n"}, None),
    ("ap_assert in the request path", {CORE + "core_request.c": "int a = ap_assert(x);\n"}, "ap_assert()"),
    ("ap_assert elsewhere", {CORE + "core_conf.c": "int a = ap_assert(x);\n"}, None),
    ("clock in a pure file", {CORE + "lbx_a.c": "long a = time(0);\n"}, "belong to the caller"),
    ("sleep in Python", {"test/scenario/test_a.py": "time." + "sleep(1)\n"}, "test_a.py:2: sleeps"),

    ("a name of a later httpd", {CORE + "core_a.c": "int f(void)\n{\n    ap_stat_check(a);\n}\n"},
     "core_a.c:4: ap_stat_check came after httpd 2.4.57"),
    ("a field of a later httpd", {CORE + "core_a.c": "int a = w->s->is_host_matchable;\n"}, "came after"),
    ("a later name where it is", {CORE + "core_a.c": "#if AP_MODULE_MAGIC_AT_LEAST(20120211, 141)\n"
                                  "int a = ap_stat_check(b);\n#endif\nint c;\n"}, None),
    ("a later name behind another #endif", {
        CORE + "core_a.c": "#if AP_MODULE_MAGIC_AT_LEAST(20120211, 141)\nint b;\n#endif\n"
                           "int a = ap_stat_check(b);\n"}, "core_a.c:5: ap_stat_check"),
    ("a later name that is asked for", {CORE + "core_a.c": "#ifndef DOCTYPE_HTML_5\n"
                                        '#define DOCTYPE_HTML_5 ""\n#endif\n'}, None),

    ("log number twice", {CORE + "core_a.c": "int a = LBXNO(0001);\n", STICKY + "sticky_a.c": "int b = LBXNO(0001);\n"},
     "log number 0001 is taken by mod_lbx_core/core_a.c:2"),
    ("two log numbers", {CORE + "core_a.c": "int a = LBXNO(0001) + LBXNO(0002);\n"}, None),
    ("magic twice", {CORE + "core_a.c": "#define A_MAGIC 0x1234\n#define B_MAGIC 0x1234\n"}, "magic 0x1234"),

    ("long file", {CORE + "core_a.c": "int a;\n" * 710}, "at most 700"),
    ("long pure file", {CORE + "lbx_a.c": "int a;\n" * 410}, "a pure file has at most 400"),
    ("long pure file, excused", {CORE + "lbx_a.c": "/* style-ok: length, a table */\n" + "int a;\n" * 410}, None),
    ("bound file of 500 lines", {CORE + "core_a.c": "int a;\n" * 500}, None),
    ("long function", {CORE + "core_a.c": BODY}, "a function has at most 80"),
    ("long function, excused", {CORE + "core_a.c": "/* style-ok: length, a table */\n" + BODY}, None),
    ("long table", {CORE + "core_a.c": "static const int a[] = {\n" + "    1,\n" * 90 + "};\n"}, None),

    ("exemption", {CORE + "core_a.c": "int a = atoi(b); /* style-ok: b is ours */\n"}, None),
    ("exemption without a reason", {CORE + "core_a.c": "int a = atoi(b); /* style-ok: */\n"}, "without a reason"),
    ("stale exemption", {CORE + "core_a.c": "int a; /* style-ok: old */\n"}, "excuses nothing"),

    ("tab", {CORE + "core_a.c": "\tint a;\n"}, "core_a.c:2: a tab"),
    ("trailing blank", {CORE + "core_a.c": "int a; \n"}, "blanks at the end"),
    ("no last newline", {CORE + "core_a.c": "int a;"}, "no newline"),
    ("somebody's path", {"a.conf": f"Include {SLASH}home{SLASH}me\n"}, "somebody's machine"),
    ("everybody's path", {"a.conf": "Include /usr/lib/apache2/modules\n"}, None),
]


PARAMS = ('static const struct {\n    const char *key;\n} own_params[] = {\n'
          '    {"maxconn", maxconn, "a whole number from 0 to 1000"},\n};\n')
BOOK = ("Bad values: must be good. *Since* 1.0. They stand in Proxy.\n"
        "| `maxconn` | 0 to %s | 0 | so many |\n")
# Code and its manual, by the checks of manual.py.
MANUAL_ROWS = [
    ("a range as the manual has it", PARAMS, BOOK % 1000, None),
    ("a range that has moved", PARAMS, BOOK % 999, "maxconn: 1000 is said in the refusal"),
    ("a parameter without a row", PARAMS.replace("maxconn", "others"), BOOK % 1000,
     "parameter others is not in"),
    ("a default that has moved", "int body_max = 65 * 1024;\n", "", "default of LBXRetryBody is not here"),
]


def findings(runner, files, which=None):
    tree = Tree([Source(name, SPDX + text) for name, text in files.items()])
    return [m for messages in runner(tree, which or checks.CHECKS).values() for m in messages]


def no_licence(runner):
    tree = Tree([Source("a.c", "int a;\n")])
    return any("SPDX" in m for m in runner(tree, checks.CHECKS)["licence_line"])


def run(runner):
    """(passed, failed) of all rows, with a line for each failure."""
    failed = 0
    for what, files, wanted in ROWS:
        got = findings(runner, files)
        good = not got if wanted is None else len(got) == 1 and wanted in got[0]
        if not good:
            failed += 1
            print(f"selftest: {what}: wanted {wanted or 'silence'}, got {got}")
    for what, code, book, wanted in MANUAL_ROWS:
        name = "lbx_retry.c" if "body_max" in code else "core_a.c"
        got = findings(runner, {CORE + name: code, CORE + "README.md": book}, manual.CHECKS)
        if got if wanted is None else not any(wanted in m for m in got):
            failed += 1
            print(f"selftest: {what}: wanted {wanted or 'silence'}, got {got}")
    if not no_licence(runner):
        failed += 1
        print("selftest: a missing licence line is not found")
    return len(ROWS) + len(MANUAL_ROWS) + 1 - failed, failed


if __name__ == "__main__":
    import style
    sys.exit(1 if run(style.run)[1] else 0)
