# SPDX-License-Identifier: Apache-2.0
"""The scenario lab: real httpds, real backends and real load, one set per test.

What it is: Lab, which makes the parts, and takes them apart and judges them at the end.
What it is not: a mock of anything.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from . import proc
from .backend import Backend
from .client import Client, Response
from .httpd import Httpd
from .load import Load, Result
from .logaudit import Expectations, unexpected
from .ports import PortPool
from .wait import eventually, stays

__all__ = ["Lab", "Backend", "Client", "Response", "Httpd", "Load", "Result", "eventually",
           "stays", "unexpected"]


class Lab:
    def __init__(self, loglevel: str | None = None, mpm: str | None = None) -> None:
        proc.become_reaper()
        self.dir = Path(tempfile.mkdtemp(prefix="lbxlab-"))
        self.dir.chmod(0o755)  # httpd's children run as another user
        self.ports = PortPool()
        self.expected = Expectations()
        self.backends: list[Backend] = []
        self.httpds: list[Httpd] = []
        self.clients: list[Client] = []
        self.loads: list[Load] = []
        self._defaults: dict[str, Any] = {}
        if loglevel:
            self._defaults["loglevel"] = loglevel
        if mpm:
            self._defaults["mpm"] = mpm
        self._problems: list[str] | None = None

    # -- the parts

    def backend(self, name: str | None = None, unix: bool = False) -> Backend:
        name = name or f"b{len(self.backends) + 1}"
        made = Backend(name, self.dir, 0 if unix else self.ports.take(), unix)
        self.backends.append(made)
        return made

    def httpd(self, conf: str = "", *, extra_ports: int = 0, start: bool = True,
              **options: Any) -> Httpd:
        """Options: see httpd.Httpd."""
        directory = self.dir / f"httpd{len(self.httpds) + 1}"
        ports = [self.ports.take() for _ in range(1 + extra_ports)]
        made = Httpd(directory, ports, conf, expected=self.expected,
                     **{**self._defaults, **options})
        self.httpds.append(made)
        return made.start() if start else made

    def client(self, to: Httpd | Backend | int, **options: Any) -> Client:
        made = Client(to, **options)
        self.clients.append(made)
        return made

    def load(self, to: Httpd | Backend | int, path: str | list[str] = "/", **options: Any
             ) -> Load:
        """Options: see load.Load.  Not started yet: use `with`, or start() and wait()."""
        made = Load(self.dir, getattr(to, "port", to), path, **options)
        self.loads.append(made)
        return made

    def port(self) -> int:
        """A free port that nobody listens on, ours until the end of the test."""
        return self.ports.take()

    def expect_log(self, regex: str, must: bool = False) -> None:
        """Announce lines in the error log of any httpd of this test."""
        self.expected.add(regex, must)

    # -- the end

    def finish(self) -> list[str]:
        """End everything; returns what the test must fail for.  Later calls say the same."""
        if self._problems is not None:
            return self._problems
        found: list[str] = []
        for web in self.httpds:
            found += web.audit()
        for part in [*self.loads, *self.clients]:
            part.close()
        for backend in self.backends:
            found += backend.trouble()
        # requests that still hang would keep the children; ending the backends frees them, at
        # the price of errors in the log that then are ours
        hung = [b for b in self.backends if b.alive and (b._stopped or b.in_flight)]
        for backend in hung:
            backend.close()
        for web in self.httpds:
            found += web.trouble()
            try:
                web.stop()
            except AssertionError as exc:
                found.append(str(exc))
            found += [p for p in web.problems if p not in found]
            found += web.audit(serious=("emerg", "alert") if hung else None)
            found += web.expected.missing()
        found += self.expected.missing()
        for backend in self.backends:
            if backend.alive:
                backend.close()
            found += [t for t in backend.trouble() if t not in found]
        self.ports.close()
        self._problems = found
        return found

    def log_tails(self, lines: int = 40) -> str:
        """The ends of the error logs, for the report of a failed test."""
        parts = []
        for web in self.httpds:
            tail = "\n".join(web.error_log().splitlines()[-lines:])
            parts.append(f"--- {web.error_log_path}\n{tail}")
        return "\n".join(parts)

    def remove(self) -> None:
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not os.path.exists(self.dir), f"{self.dir} could not be removed"
