# SPDX-License-Identifier: Apache-2.0
"""The checks that ask another program: clang-format for the layout, nm for the modules."""
import concurrent.futures
import glob
import os
import re
import subprocess

from source import TOP

WANTED_CLANG_FORMAT = "14"
# Old linkers export these for every shared object.
LINKER_SYMBOLS = {"_init", "_fini", "_edata", "_end", "__bss_start"}


def clang_format():
    """(program, None), or (None, why layout is not checked here)."""
    program = os.environ.get("CLANG_FORMAT", "clang-format")
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None, f"{program} does not run"
    version = re.search(r"version (\d+)", said)
    if not version or version.group(1) != WANTED_CLANG_FORMAT:
        return None, f"clang-format {WANTED_CLANG_FORMAT} is wanted, other versions lay out differently"
    return program, None


def layout(tree):
    """One message for each line that `make format` would change."""
    program, why_not = clang_format()
    if program is None:
        print(f"note: layout is not checked: {why_not}")
        return
    by_name = {s.name: s for s in tree.c}

    def ask(chunk):
        command = [program, "--dry-run", "--style=file", *chunk]
        return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False).stderr

    everything = sorted(by_name)
    workers = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for said in pool.map(ask, filter(None, (everything[i::workers] for i in range(workers)))):
            lines = {}
            for name, line in re.findall(r"^(\S+?):(\d+):\d+: (?:warning|error)", said, re.M):
                lines.setdefault(name, set()).add(int(line))
            for name, where in sorted(lines.items()):
                for line in sorted(where):
                    yield by_name[name], line, "laid out differently by clang-format (`make format`)"


def exported(path):
    listing = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True,
                             check=True).stdout
    return {line.split()[-1].split("@")[0] for line in listing.splitlines()} - LINKER_SYMBOLS


def exports(_tree):
    """httpd loads modules into one symbol scope: a module exports its record only."""
    for path in sorted(glob.glob(os.path.join(TOP, "build", "modules", "mod_lbx_*.so"))):
        name = os.path.relpath(path, TOP)
        record = os.path.basename(path)[len("mod_"):-len(".so")] + "_module"
        found = exported(path)
        for symbol in sorted(found - {record}):
            yield name, 0, f"exports {symbol}: only {record} may be visible"
        if record not in found:
            yield name, 0, f"does not export {record}"


CHECKS = [layout, exports]
