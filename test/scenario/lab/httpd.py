# SPDX-License-Identifier: Apache-2.0
"""Httpd: one httpd of the test, with its own configuration, port and directory.

What it is: starts httpd in the foreground as our child, waits for its states, sends it the
signals of its trade, looks at its children and its logs.
What it is not: the configuration text (conf.py), nor the judgement of logs (logaudit.py).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any, Mapping, Sequence

from . import conf as conf_text
from . import layout, proc
from .client import Client, Response
from .logaudit import Expectations, unexpected
from .ports import is_listening, listening_inodes
from .wait import eventually

_READY = "resuming normal operations"


class Httpd:
    def __init__(self, directory: Path, ports: Sequence[int], conf: str = "", *,
                 vhost_conf: str | Mapping[str, str] | None = None, mpm: str = "event",
                 children: int | None = None, threads: int = 25,
                 max_children: int | None = None, modules: Sequence = (),
                 suite: Sequence[str] = ("core",), loglevel: str = "info",
                 env: Mapping[str, str] | None = None, args: Sequence[str] = (),
                 expected: Expectations | None = None) -> None:
        self.dir = directory
        self.ports = list(ports)
        self.port = self.ports[0]
        self.mpm = mpm
        self.n_children = children or (8 if mpm == "prefork" else 2)
        self.conf_path = directory / "httpd.conf"
        self.error_log_path = directory / "logs" / "error.log"
        self.access_log_path = directory / "logs" / "access.log"
        self.stderr_path = directory / "logs" / "stderr.log"
        self._parts: dict[str, Any] = dict(
            conf=conf, vhost_conf=vhost_conf, mpm=mpm, children=self.n_children, threads=threads,
            max_children=max_children, modules=modules, suite=suite, loglevel=loglevel)
        self._env = {**os.environ, **(env or {})}
        self._args = list(args)
        self._process: subprocess.Popen | None = None
        self._ended = True      # by the test's will
        self._audited = 0
        self._shown = 0
        self.problems: list[str] = []
        self.expected = Expectations(expected)
        for regex in conf_text.OWN_NOISE[mpm]:
            self.expected.add(regex)
        if suite and "sticky" not in suite:  # core says so when a balancer wants sessions
            self.expected.add("LBX0171: .*mod_lbx_sticky is not loaded")
        for name in ("run", "logs", "htdocs"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "htdocs" / "index.html").write_text("lab\n")
        self.rewrite()

    def __repr__(self) -> str:
        return f"<httpd {self.mpm} on port {self.port} in {self.dir}>"

    # -- configuration

    def rewrite(self, conf: str | None = None, **parts: Any) -> None:
        """Write httpd.conf anew; what is not given stays as it was."""
        if conf is not None:
            parts["conf"] = conf
        self._parts.update(parts)
        self.conf_path.write_text(conf_text.render(self.dir, self.ports, **self._parts))

    @property
    def argv(self) -> list[str]:
        return [layout.httpd(), "-d", str(self.dir), "-f", str(self.conf_path), *self._args]

    def configtest(self) -> tuple[int, str]:
        """httpd -t: exit status and what it said."""
        done = subprocess.run([*self.argv, "-t"], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self._env,
                              check=False)
        return done.returncode, done.stdout

    # -- life

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _spawn(self) -> None:
        assert not self.running, f"{self!r} already runs"
        self._ended = False
        with open(self.stderr_path, "ab") as err:
            self._process = proc.spawn([*self.argv, "-DFOREGROUND"], stdout=err, stderr=err,
                                       env=self._env, death_signal=signal.SIGTERM)

    def _said(self) -> str:
        return self.stderr_path.read_text(errors="replace") + self.error_log()

    def start(self, within: float = 15.0) -> "Httpd":
        """Start and wait until it serves."""
        before = self._ready_count()
        self._spawn()
        eventually(lambda: self._ready_count() > before or not self.running, within,
                   f"{self!r} starts")
        if not self.running:
            code = proc.describe_exit(self._process.returncode)
            self._after_end()
            raise AssertionError(f"{self!r} did not start ({code}):\n{self._said()}")
        self._await_serving(within)
        return self

    def start_fails(self, within: float = 15.0) -> tuple[int, str]:
        """Start that is expected to fail: exit status, standard error and log."""
        self._spawn()
        before = self._ready_count()
        eventually(lambda: self._ready_count() > before or not self.running, within,
                   f"{self!r} fails to start")
        if self.running:
            self.stop()
            raise AssertionError(f"{self!r} started, though it should not have")
        text = self._said()
        self._audited = len(self.error_log())  # the caller judges it
        self._after_end()
        return self._process.returncode, text

    def _await_serving(self, within: float) -> None:
        """A child answers (the request reaches no backend and no access log)."""
        def up() -> bool:
            with contextlib.closing(Client(self.port, timeout=within)) as client:
                return client.get("/-up").status == 204
        eventually(up, within, f"{self!r} answers")

    def trouble(self) -> list[str]:
        """What went wrong with the processes that no test asked for."""
        if not self._ended and not self.running:
            how = proc.describe_exit(self._process.returncode)
            return [*self.problems, f"{self!r} ended by itself: {how}"]
        return self.problems

    def _ready_count(self) -> int:
        return self.error_log().count(_READY)

    def graceful(self, conf: str | None = None, within: float = 15.0, need: int | None = None,
                 **parts: Any) -> None:
        """SIGUSR1, then wait until only children of the new generation take connections and
        `need` of them live (default: all; httpd takes up to a second to start the last ones).
        Old ones may still be busy with what they have."""
        if conf is not None or parts:
            self.rewrite(conf, **parts)
        self._reload(signal.SIGUSR1, within, need or self.n_children)

    def restart(self, conf: str | None = None, within: float = 15.0, need: int | None = None,
                **parts: Any) -> None:
        """SIGHUP, which cuts off what is in flight; waits like graceful().  See settle()."""
        if conf is not None or parts:
            self.rewrite(conf, **parts)
        self.settle()
        self._reload(signal.SIGHUP, within, need or self.n_children)

    def _reload(self, signum: int, within: float, need: int) -> None:
        before = self._ready_count()
        old = {p.pid for p in self._child_procs()}
        os.kill(self.pid, signum)
        eventually(lambda: self._ready_count() > before or not self.running, within,
                   f"{self!r} has reloaded")
        assert self.running, f"{self!r} ended at the reload:\n{self._said()[-3000:]}"

        def replaced() -> bool:
            inodes = listening_inodes(self.port)
            live = {p.pid for p in self._child_procs()}
            listening = {pid for pid in live if proc.holds_socket(pid, inodes)}
            return not listening & old and len(listening - old) >= need

        eventually(replaced, within, f"{self!r} has {need} new children")
        self._await_serving(within)

    def settle(self, within: float = 0.5) -> bool:
        """Wait until no thread of the children is at work; False when some still are.

        An ungraceful end that meets event's worker threads while they finish a connection can
        crash the child, in httpd itself: its main thread closes sockets that are being freed.
        """
        def quiet() -> bool:
            pids = [p.pid for p in self._child_procs()]
            return proc.all_asleep(pids) and proc.all_asleep(pids)
        try:
            return eventually(quiet, within)
        except AssertionError:
            return False

    def stop(self, graceful: bool = False, within: float = 15.0, settle: bool = True) -> None:
        """End it; nothing may be left of it.  Not running: does nothing.
        settle=False: at once, see settle()."""
        if self._process is None:
            return
        how = signal.SIGWINCH if graceful else signal.SIGTERM
        if settle and not graceful and self.running:
            self.settle()
        was_running = self.running
        left = proc.end_group(self._process, how, within)
        if was_running and self._process.returncode != 0:
            self.problems.append(f"{self!r}: at its stop: "
                                 + proc.describe_exit(self._process.returncode))
        if was_running and left:
            self.problems.append(f"{self!r} left processes behind: {left}")
        self._after_end()

    def kill9(self) -> None:
        """SIGKILL for the parent and all children at once."""
        self.expect_log("AH00098: pid file .* overwritten")  # what the next start says
        proc.end_group(self._process, signal.SIGKILL)
        self._after_end()

    def _after_end(self) -> None:
        proc.end_group(self._process)
        self._ended = True
        for port in self.ports:
            try:  # a killed leader may be gone before its last thread lets the socket go
                eventually(lambda p=port: not is_listening(p), within=2)
            except AssertionError:
                self.problems.append(f"{self!r}: port {port} still listens after the end")

    # -- children

    def _child_procs(self) -> list[proc.Proc]:
        program = proc.exe(self.pid)
        return [p for p in proc.processes()
                if p.ppid == self.pid and p.state not in "ZX" and proc.exe(p.pid) == program]

    def children(self) -> list[int]:
        """Pids of the children that serve requests, also of those that are on their way out.

        Helpers of other programs (piped logs) do not count, nor those of the same program that
        have neither the listening socket nor threads (mod_cgid's daemon).
        """
        inodes = listening_inodes(self.port)
        return sorted(p.pid for p in self._child_procs()
                      if p.threads > 1 or proc.holds_socket(p.pid, inodes))

    def await_children(self, n: int, within: float = 10.0) -> list[int]:
        return eventually(lambda: (c := self.children()) and len(c) == n and c, within,
                          f"{self!r} has {n} children")

    def kill_child(self, pid: int | None = None) -> int:
        """SIGKILL one child (the first); announced to the audit, in case httpd logs it (it
        does not for SIGKILL, as of 2.4).  Returns its pid."""
        pid = pid or self.children()[0]
        self.expect_log(rf"child pid {pid} exit signal Killed")
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: pid not in (p.pid for p in self._child_procs()), what=f"{pid} is gone")
        return pid

    # -- requests

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path: str = "/", **kw: Any) -> Response:
        """One request on a connection of its own."""
        with contextlib.closing(Client(self.port)) as client:
            return client.get(path, **kw)

    def post(self, path: str, body: bytes | str = b"", **kw: Any) -> Response:
        with contextlib.closing(Client(self.port)) as client:
            return client.post(path, body, **kw)

    def lab_state(self, path: str = "/-lab") -> Any:
        """The JSON of the project's test-only module."""
        response = self.get(path)
        assert response.status == 200, f"{path}: {response!r}"
        return response.json()

    def lab_post(self, path: str = "/-lab", **params: Any) -> tuple[int, Any]:
        response = self.post(path, form=params)
        with contextlib.suppress(ValueError):
            return response.status, response.json()
        return response.status, response.text

    # -- logs

    def expect_log(self, regex: str, must: bool = False) -> None:
        """Announce lines of the error log; must=True: they have to be there at the end."""
        self.expected.add(regex, must)

    def error_log(self) -> str:
        try:
            return self.error_log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def log_lines(self, regex: str) -> list[str]:
        pattern = re.compile(regex)
        return [line for line in self.error_log().splitlines() if pattern.search(line)]

    def await_log(self, regex: str, within: float = 5.0, count: int = 1) -> list[str]:
        return eventually(lambda: len(found := self.log_lines(regex)) >= count and found, within,
                          f"{regex!r} in the log of {self!r}")

    def access_log(self) -> list[dict[str, str]]:
        """Records by the names in the format: status, us, pid, worker, backend, id, req...
        A record is written after the answer went out: use eventually()."""
        with contextlib.suppress(FileNotFoundError):
            return [dict((name, value.strip('"')) for name, value in
                         re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line))
                    for line in self.access_log_path.read_text(errors="replace").splitlines()]
        return []

    def audit(self, serious: Sequence[str] | None = None) -> list[str]:
        """Unannounced lines since the last audit."""
        text = self.error_log()
        new, self._audited = text[self._audited:], len(text)
        err = self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""
        more, self._shown = err[self._shown:], len(err)
        found = unexpected(new, self.expected, *([tuple(serious)] if serious else []))
        found += unexpected(more, self.expected, ("emerg", "alert", "crit", "error"))
        return [f"{self!r}: {line}" for line in found]
