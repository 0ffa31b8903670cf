# SPDX-License-Identifier: Apache-2.0
"""The httpd.conf of one server of the lab.

What it is: text from parameters.  Within the user's part these are defined: ${LAB_PORT},
${LAB_PORT1}.. (extra ports) and ${LAB_DIR} (the server's directory).
What it is not: an example of a good configuration; it is tuned for watching, not for speed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from . import layout

BASE_MODULES = ("authz_core", "unixd", "log_config", "headers", "env", "setenvif", "alias",
                "proxy", "proxy_http")

# where requests are answered by the server itself, whatever the user's part proxies
UP = '''<Location "/-up">
    ProxyPass "!"
</Location>
'''
LAB = '''<Location "/-lab">
    ProxyPass "!"
    SetHandler lbx-lab
</Location>
'''

# what the tuning below provokes: it keeps the number of children fixed
OWN_NOISE = {
    "event": (r"AH10159:",),     # within MinSpareThreads of MaxRequestWorkers
    "worker": (r"AH00287:", r"AH10159:"),
    "prefork": (r"AH00161:",),   # reached MaxRequestWorkers
}

LOG_FORMATS = r'''
ErrorLogFormat "[%{cu}t] [%-m:%l] [pid %P:tid %T] %7F: %E: [client\ %a] %M"
LogFormat "%{%Y-%m-%dT%H:%M:%S}t.%{usec_frac}t status=%>s us=%D pid=%P conn=%X \
peer=%{remote}p worker=%{BALANCER_WORKER_NAME}e backend=%{X-Backend}o id=%{X-Request-Id}i bytes=%B req=\"%r\"" lab
SetEnvIf Request_URI "^/-(up|lab)" lab_internal
'''


def suite_modules(suite: Sequence[str]) -> list[tuple[str, Path]]:
    found = [(f"lbx_{name}", layout.SUITE_DIR / f"mod_lbx_{name}.so") for name in suite]
    if suite and layout.LAB_MODULE.exists():
        found.append(("lbx_lab", layout.LAB_MODULE))
    return found


def mpm_lines(mpm: str, children: int, threads: int, max_children: int | None) -> str:
    """Exactly `children` children at start; a lost one is replaced, none goes for idleness."""
    limit = max_children or 2 * children
    if mpm == "prefork":
        return "\n".join((
            f"ServerLimit {limit}", f"StartServers {children}", f"MinSpareServers {children}",
            f"MaxSpareServers {children + 1}", f"MaxRequestWorkers {children}"))
    # one child less leaves (children - 1) * threads idle at most: below MinSpareThreads
    return "\n".join((
        f"ServerLimit {limit}", f"ThreadLimit {max(threads, 64)}", f"ThreadsPerChild {threads}",
        f"StartServers {children}", f"MinSpareThreads {(children - 1) * threads + 1}",
        f"MaxSpareThreads {children * threads}", f"MaxRequestWorkers {children * threads}"))


def render(directory: Path, ports: Sequence[int], conf: str, vhost_conf: str | dict | None,
           mpm: str, children: int, threads: int, max_children: int | None,
           modules: Sequence, suite: Sequence[str], loglevel: str) -> str:
    own = suite_modules(suite)
    with_lab = any(name == "lbx_lab" for name, _ in own)
    tail = UP + (LAB if with_lab else "")
    loads = [layout.load_module(m)
             for m in (f"mpm_{mpm}", *BASE_MODULES, *modules, *own)]
    lines = [
        "# made by the scenario lab",
        f'ServerRoot "{directory}"',
        f'DefaultRuntimeDir "{directory}/run"',
        f'PidFile "{directory}/run/httpd.pid"',
        "Mutex pthread default",
        *[line for line in loads if line],
        layout.user_lines(),
        "ServerName localhost",
        *[f"Listen 127.0.0.1:{port}" for port in ports],
        "AcceptFilter http none",  # a connection is accepted before its first byte
        mpm_lines(mpm, children, threads, max_children),
        f"LogLevel {loglevel}",
        LOG_FORMATS,
        f'ErrorLog "{directory}/logs/error.log"',
        f'CustomLog "{directory}/logs/access.log" lab env=!lab_internal',
        f'DocumentRoot "{directory}/htdocs"',
        "Timeout 20", "KeepAlive On", "MaxKeepAliveRequests 0", "KeepAliveTimeout 5",
        "GracefulShutdownTimeout 5",
        'Redirect 204 "/-up"',
        'ProxyPass "/-up" "!"',
        'ProxyPass "/-lab" "!"' if with_lab else "",
        f'Define LAB_DIR "{directory}"', f"Define LAB_PORT {ports[0]}",
        *[f"Define LAB_PORT{i} {port}" for i, port in enumerate(ports[1:], 1)],
        "# --- the test's part", conf.strip(), "# --- end of the test's part", tail,
    ]
    if vhost_conf is not None:
        hosts = vhost_conf if isinstance(vhost_conf, dict) else {"localhost": vhost_conf}
        for name, text in hosts.items():
            lines += [f"<VirtualHost 127.0.0.1:{ports[0]}>", f"ServerName {name}", text.strip(),
                      tail, "</VirtualHost>"]
    return "\n".join(line for line in lines if line) + "\n"
