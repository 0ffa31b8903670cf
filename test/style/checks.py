# SPDX-License-Identifier: Apache-2.0
"""The rules of the house, one small function each, with their facts in tables.

A check takes the Tree and yields (source, line, message).  It does not know about
exemptions: style.py applies `style-ok: reason` comments to what comes out of here.
Formatting and built modules, which need other programs, are in tools.py.
"""
import re

LIBC = set("""assert ctype errno float inttypes limits locale math pthread stdalign stdarg stdatomic
stdbool stddef stdint stdio stdlib string strings time""".split())

HTTPD = re.compile(r"^(httpd|http_\w+|ap_\w+|apr_\w+|apr|apu\w*|mod_\w+|mpm_\w+|util_\w+|scoreboard)\.h$")
OURS = re.compile(r"^(mod_lbx\w*|lbx_\w+)\.h$")

# name, where it is banned (a test of the source), what to do instead
BANNED = [
    ("sprintf strcpy strcat strncpy vsprintf gets", lambda s: True, "has no bound: use snprintf or memcpy"),
    ("atoi", lambda s: True, "hides errors: use strtol and look at the end"),
    ("strtok", lambda s: True, "keeps hidden state: use strtok_r, apr_strtok or a loop"),
    ("alloca", lambda s: True, "has no bound"),
    ("system popen", lambda s: True, "runs a shell"),
    ("sleep usleep nanosleep apr_sleep", lambda s: not s.in_test, "blocks a thread: use a deadline or a tick"),
    ("ap_assert", lambda s: s.base.endswith("_request.c"), "ends a child: handle it, or LBX_CHECK"),
    ("malloc calloc realloc free strdup time clock_gettime gettimeofday rand random printf",
     lambda s: s.is_pure and s.is_module_file,
     "in a pure file: memory, time, randomness and output belong to the caller"),
]

# what must be different in all C files: title, pattern with the value as group 1
UNIQUE = [
    ("log number", re.compile(r"\bLBXNO\(\s*(\d+)\s*\)")),
    ("magic", re.compile(r"#\s*define\s+\w+_MAGIC\s+(0x[0-9A-Fa-f]+)")),
]

# What httpd's headers got after 2.4.57, the oldest that the suite is built for: names, and fields
# of structs.
LATER = re.compile(r"""\b(?:
    AP_CTIME_OPTION_(?:GMTOFF|MSEC)|AP_EXPR_FLAG_RESTRICTED_FILE_FUNC|AP_HTTP2_HAS_GET_POLLFD|AP_IS_SLASH|
    AP_MPMQ_CAN_WAITIO|AP_REQUEST_(?:IS_)?TRUSTED_CT|AP_SLASHES|AP_TRUST_CGILIKE_CL_ENVVAR|CASE_BLIND_FILESYSTEM|
    CONN_STATE_(?:ASYNC_WAITIO|KEEPALIVE|PROCESSING)|DAV_\w+TOLERANT|DOCTYPE_HTML_(?:4_01|5)|HTTP_EARLY_HINTS|
    PROXY_DETERMINE_ADDRESS_CHECK|SSI_FLAG_COND_ERROR|ap_filepath_merge|ap_find_systemd_socket|
    ap_get_pollfd_from_conn|ap_\w+_timingsafe|ap_proxy_(?:determine_address|fixup_uds_filename)|
    ap_set_content_type_ex|ap_set_listentcpdeferaccept|ap_set_time_process_request|ap_stat_check|
    ap_systemd_listen_fds|http2_get_pollfd_from_conn|proxy_address)\b|
    (?:->|\.)(?:address_expiry|address_ttl|address_ttl_set|creds|fwd_pool|hostport|is_host_matchable|
    uds_pool|unc_list|wait_io)\b""", re.X)

LONGEST_FILE, LONGEST_PURE, LONGEST_FUNCTION, HEAD = 700, 400, 80, 15
LENGTH_OK = "length"

NEEDS_SPDX = re.compile(r"(\.(c|h|py|sh|conf|js|css|html|yml|toml)|^Makefile|^\.clang-format|^\.ci/run)$")
TABS_ALLOWED = re.compile(r"(^|/)(Makefile|conf/debian/rules|LICENSE|.*\.mk|\.gitmodules)$")
BLANKS_ALLOWED = re.compile(r"(^|/)LICENSE$")
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(home|root|Users|work|tmp)/[\w.]+")


def includes(tree):
    """include/ <- pure <- bound <- mod_lbx_<x>.c, and no folder looks into another's."""
    for s in tree.c:
        judge = judge_of(s)
        if judge is None:
            continue
        for line, quote, name in s.includes():
            message = judge(tree, s, quote, name)
            if message:
                closing = {"<": ">"}.get(quote, quote)
                yield s, line, f"#include {quote}{name}{closing}: {message}"


def judge_of(s):
    if s.is_pure:
        return pure_include
    if s.folder == "include" or s.is_module_file:
        return bound_include
    if s.folder in ("test/unit", "test/bench"):
        return unit_include
    return None


def libc(name):
    return name.endswith(".h") and name[:-2] in LIBC


def pure_include(tree, s, quote, name):
    folders = tree.headers.get(name, set())
    if quote == "<":
        return None if libc(name) else "a pure file includes only libc, include/lbx_*.h and its own lbx_*.h"
    if name.startswith("lbx_") and folders & {"include", s.folder}:
        return None
    return "a pure file includes only libc, include/lbx_*.h and its own lbx_*.h"


def bound_include(tree, s, _quote, name):
    if ".." in name.split("/"):
        return "no way up and into another folder"
    first = name.split("/")[0]
    if "/" in name and re.match(r"mod_lbx_\w+$", first):
        return "no folder includes a header of another module's folder"
    folders = {f for f in tree.headers.get(name, set()) if not f.startswith("test/")}
    if s.folder == "include":
        return None if not folders or "include" in folders else "include/ knows no module folder"
    if folders and not folders & {"include", s.folder}:
        return "no folder includes a header of another module's folder"
    if not folders and OURS.match(name):
        return "there is no such header in include/ or in this folder"
    return None


def unit_include(tree, _s, _quote, name):
    base = name.split("/")[-1]
    if HTTPD.match(base):
        return "unit tests and benchmarks of pure files do without httpd"
    folders = {f for f in tree.headers.get(base, set()) if f.startswith("mod_lbx_")}
    if folders and not base.startswith("lbx_"):
        return "unit tests see pure files only"
    return None


def banned_calls(tree):
    table = [(re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\("), where, why)
             for names, where, why in BANNED]
    for s in tree.c:
        for pattern, where, why in table:
            if where(s):
                for line, m in s.find(pattern):
                    yield s, line, f"{m.group(1)}() {why}"


def guarded(s, name):
    """Lines that the preprocessor lets through only where httpd has `name`."""
    found, opened = set(), []
    for n, line in enumerate(s.code_lines, 1):
        word = re.match(r"\s*#\s*(if\w*|endif)\b", line)
        if word and word.group(1) != "endif":
            opened.append("AP_MODULE_MAGIC_AT_LEAST" in line or re.search(rf"\b{name}\b", line))
        if any(opened):
            found.add(n)
        if word and word.group(1) == "endif" and opened:
            opened.pop()
    return found


def later_names(tree):
    for s in tree.c:
        for line, m in s.find(LATER):
            if line not in guarded(s, m.group(0).lstrip("->.")):
                yield s, line, f"{m.group(0)} came after httpd 2.4.57: needs #if AP_MODULE_MAGIC_AT_LEAST"


def python_sleep(tree):
    pattern = re.compile(r"\btime\.sleep\b|\bfrom time import .*\bsleep\b")
    for s in tree.sources:
        if s.in_test and s.name.endswith(".py"):
            for line, _ in s.find(pattern):
                yield s, line, "sleeps: wait for an event with a deadline"


def unique_numbers(tree):
    for title, pattern in UNIQUE:
        first = {}
        for s in tree.c:
            for line, m in s.find(pattern):
                if m.group(1) in first:
                    yield s, line, f"{title} {m.group(1)} is taken by {first[m.group(1)]}"
                else:
                    first[m.group(1)] = f"{s.name}:{line}"


def long_files(tree):
    """The message for a pure file can be exempted in its first lines: see style.py."""
    for s in tree.c:
        length = len(s.lines) - 1
        if length > LONGEST_FILE:
            yield s, LONGEST_FILE + 1, f"{length} lines: a C file has at most {LONGEST_FILE}"
        elif s.is_pure and length > LONGEST_PURE:
            excused = [n for n in range(1, HEAD + 1) if s.exempt.get(n, "").startswith(LENGTH_OK)]
            yield (s, excused[0] if excused else LONGEST_PURE + 1,
                   f"{length} lines: a pure file has at most {LONGEST_PURE}, or a comment "
                   f"`style-ok: {LENGTH_OK}, reason` at its head")


def functions(s):
    """(first line of the signature, line of the closing brace) of each function."""
    lines = s.code_lines
    opened = None
    for n, line in enumerate(lines, 1):
        if line.rstrip() == "{" and opened is None:
            above = n - 1
            while above and not lines[above - 1].strip():
                above -= 1
            if above and lines[above - 1].rstrip().endswith(")"):
                opened = above
                while opened > 1 and re.match(r"\S*[^;}\s]", lines[opened - 2].strip()) and \
                        not re.search(r"[;}]\s*$|^\s*#", lines[opened - 2]):
                    opened -= 1
        elif line.startswith("}") and opened is not None:
            yield opened, n
            opened = None


def long_functions(tree):
    for s in tree.c:
        for first, last in functions(s):
            length = last - first + 1
            if length > LONGEST_FUNCTION:
                yield (s, comment_above(s, first),
                       f"{length} lines: a function has at most {LONGEST_FUNCTION}, or a comment "
                       f"`style-ok: {LENGTH_OK}, reason` above it")


def comment_above(s, line):
    """The line of the comment above that excuses the length, else the line itself."""
    n = line - 1
    while n >= 1 and s.lines[n - 1].strip() and not s.code_lines[n - 1].strip():
        if s.exempt.get(n, "").startswith(LENGTH_OK):
            return n
        n -= 1
    return line


def licence_line(tree):
    for s in tree.sources:
        if NEEDS_SPDX.search(s.name) and s.text.strip():
            if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(s.lines[:5]):
                yield s, 1, "no SPDX-License-Identifier: Apache-2.0 in the first lines"


def blanks(tree):
    for s in tree.sources:
        for n, line in enumerate(s.lines, 1):
            if "\t" in line and not TABS_ALLOWED.search(s.name):
                yield s, n, "a tab"
            if line != line.rstrip() and not BLANKS_ALLOWED.search(s.name):
                yield s, n, "blanks at the end of the line"
        if s.text and not s.text.endswith("\n"):
            yield s, len(s.lines), "no newline at the end of the file"


def machine_paths(tree):
    for s in tree.sources:
        for line, m in s.find(MACHINE_PATH, s.lines):
            yield s, line, f"{m.group(0)}: a path of somebody's machine"


CHECKS = [includes, banned_calls, later_names, python_sleep, unique_numbers, long_files, long_functions,
          licence_line, blanks, machine_paths]
