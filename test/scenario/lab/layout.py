# SPDX-License-Identifier: Apache-2.0
"""Where this machine's httpd keeps its program and its modules.

What it is: asked of httpd and apxs themselves, so that it holds on any distribution.  The
environment overrides: LBX_HTTPD (program), LBX_APXS, LBX_MODULES (directory of httpd's modules).
What it is not: a search for the project's own modules; these are in build/ of the checkout.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SUITE_DIR = ROOT / "build" / "modules"
LAB_MODULE = ROOT / "build" / "test" / "mod_lbx_lab.so"


def _which(*names: str) -> str | None:
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


@functools.lru_cache(1)
def httpd() -> str:
    found = os.environ.get("LBX_HTTPD") or _which("httpd", "apache2")
    if not found:
        raise RuntimeError("no httpd found; set LBX_HTTPD to its path")
    return found


def _ask(*argv: str) -> str:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False).stdout


@functools.lru_cache(1)
def static_modules() -> frozenset[str]:
    """Modules compiled into the program, as "log_config" and the like."""
    return frozenset(re.findall(r"^\s*(?:mod_)?(\w+)\.c$", _ask(httpd(), "-l"), re.M))


@functools.lru_cache(1)
def version() -> tuple[int, ...]:
    match = re.search(r"Apache/(\d+)\.(\d+)\.(\d+)", _ask(httpd(), "-v"))
    return tuple(int(n) for n in match.groups()) if match else ()


@functools.lru_cache(1)
def modules_dir() -> Path:
    if os.environ.get("LBX_MODULES"):
        return Path(os.environ["LBX_MODULES"])
    apxs = os.environ.get("LBX_APXS") or _which("apxs", "apxs2")
    if apxs:
        asked = _ask(apxs, "-q", "LIBEXECDIR").strip()
        if asked and Path(asked).is_dir():
            return Path(asked)
    root = re.search(r'HTTPD_ROOT="([^"]+)"', _ask(httpd(), "-V"))
    for place in (root and f"{root[1]}/modules", "/usr/lib/apache2/modules",
                  "/usr/lib64/httpd/modules", "/usr/libexec/apache2"):
        if place and Path(place).is_dir():
            return Path(place)
    raise RuntimeError("httpd's modules not found; set LBX_APXS or LBX_MODULES")


def load_module(module: str | tuple[str, str | Path]) -> str:
    """The LoadModule line for "proxy", or for ("lbx_core", path); "" when it is static."""
    if isinstance(module, str):
        if module in static_modules():
            return ""
        module = (module, modules_dir() / f"mod_{module}.so")
    name, path = module
    if not name.endswith("_module"):
        name += "_module"
    return f'LoadModule {name} "{path}"'


def user_lines() -> str:
    """User and Group for the children, needed (and allowed) only when we are root."""
    if os.geteuid() != 0:
        return ""
    for name in ("www-data", "apache", "www", "daemon", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return f"User {name}\nGroup #{entry.pw_gid}"
    raise RuntimeError("no unprivileged user found for the children")
