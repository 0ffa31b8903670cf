# SPDX-License-Identifier: Apache-2.0
"""Backend: the test's handle on one backend process.

What it is: starts backend_server.py with a socket that already listens (so no waiting: early
connections queue up in the kernel) and sends it commands; each returns when it is in force.
What it is not: the server itself.
"""

from __future__ import annotations

import collections
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from . import proc

_SERVER = Path(__file__).with_name("backend_server.py")


class Arrival(NamedTuple):
    ns: int                  # time.monotonic_ns() when the request's head was there
    method: str
    target: str
    id: str | None
    conn: int
    in_flight_at_arrival: int  # others that were in flight


class Backend:
    def __init__(self, name: str, directory: Path, port: int = 0, unix: bool = False) -> None:
        self.name = name
        self.port = port
        self.path = directory / f"{name}.sock" if unix else None
        self.url = (f"unix:{self.path}|http://localhost" if unix
                    else f"http://127.0.0.1:{port}")
        self.stderr_path = directory / f"backend-{name}.err"
        self.witness_path = directory / f"backend-{name}.read"
        self.last_stats: dict[str, Any] = {}
        self._stopped = False
        self._ended = False
        self._process: subprocess.Popen | None = None
        self._spawn()

    def __repr__(self) -> str:
        return f"<backend {self.name} {self.url}>"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _spawn(self) -> None:
        if self.path:
            self.path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(self.path))
            self.path.chmod(0o777)
        else:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
        listener.listen(1024)
        self._control, theirs = socket.socketpair()
        with listener, theirs, open(self.stderr_path, "ab") as err:
            fds = (listener.fileno(), theirs.fileno())
            self._process = proc.spawn(
                [sys.executable, "-S", "-E", "-B", str(_SERVER), self.name, *map(str, fds)],
                pass_fds=fds, stdout=err, stderr=err)
        self._control.settimeout(10)
        self._pending = b""
        self._ended = self._stopped = False

    def _do(self, command: str, **args: Any) -> Any:
        if not self.alive or self._stopped:
            raise RuntimeError(f"{self!r} is " + ("stopped" if self._stopped else "not running"))
        self._control.sendall(json.dumps({"do": command, **args}).encode() + b"\n")
        while b"\n" not in self._pending:
            data = self._control.recv(1 << 20)
            if not data:
                raise RuntimeError(f"{self!r} has died: {self.stderr_path.read_text()}")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        reply = json.loads(line)
        if "error" in reply:
            raise ValueError(f"{self!r}: {reply['error']}")
        return reply["ok"]

    # -- behaviour

    def behave(self, path: str = "/", kind: str = "answer", **options: Any) -> None:
        """From now on requests below `path` get this kind of behaviour.

        Kinds and options: see behaviours.OPTIONS and the README.  times=N: only the next N
        requests; p=0.1, seed=7: only some of them; at="head": do not wait for the body.
        """
        if not path.startswith(("/", "*", "http")):
            raise ValueError(f"a path starts with '/', '*' or 'http', but this one is {path!r}")
        limits = {name: options.pop(name) for name in ("keepalive_requests", "idle_timeout_ms")
                  if name in options}
        if limits:
            self.limits(**limits)
        self._do("behave", path=path, kind=kind, options=options)

    def normal(self, path: str | None = None) -> None:
        """Back to the default answer, for one prefix or for all of them."""
        self._do("normal", path=path)

    def limits(self, keepalive_requests: int | None = None, idle_timeout_ms: int | None = None,
               announce: bool = True) -> None:
        """Limits per connection; announce=False closes without a "Connection: close" before."""
        self._do("limits", keepalive_requests=keepalive_requests,
                 idle_timeout_ms=idle_timeout_ms, announce=announce)

    def witness(self) -> None:
        """Of connections made from now on, write down what is read, at the moment it is."""
        self.witness_path.unlink(missing_ok=True)
        self._do("witness", path=str(self.witness_path))

    def witnessed(self) -> tuple[collections.Counter, bool]:
        """After the end of the process: how often each request's id had been read by it, and
        whether it was reading when it ended, so that there may be one more."""
        lines = self.witness_path.read_text().splitlines()
        return (collections.Counter(line for line in lines if line not in "?."),
                bool(lines) and lines[-1] != ".")

    # -- the listening side

    def refuse(self, existing: str = "close") -> None:
        """Close the listening socket; existing connections: "close", "rst" or "keep"."""
        self._do("refuse", existing=existing)

    def blackhole(self) -> None:
        """Connects hang from now on, existing connections are read no more."""
        self._do("blackhole")

    def accept_again(self) -> None:
        """The end of refuse() or blackhole()."""
        self._do("listen")

    def drop_connections(self, rst: bool = False) -> None:
        """Close all connections, whatever they are at."""
        self._do("drop", rst=rst)

    # -- the process

    def kill(self) -> None:
        """SIGKILL.  The counts up to here are in last_stats."""
        if self.alive and not self._stopped:
            self.last_stats = self.stats()
        self.close()

    def restart(self) -> None:
        """A new process on the same port: default behaviour, counts from zero."""
        if self.alive:
            self.kill()
        self._spawn()

    def stop(self) -> None:
        """SIGSTOP: connects succeed (the kernel does that), nothing is read or answered."""
        os.kill(self.pid, signal.SIGSTOP)
        self._stopped = True

    def cont(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self._stopped = False

    def close(self) -> None:
        """End the process for good (the lab does this at the end of the test)."""
        self._ended = True
        proc.end_group(self._process)
        self._control.close()

    def trouble(self) -> list[str]:
        """What went wrong in the backend that no test asked for."""
        found = []
        if not self._ended and not self.alive:
            found.append(f"{self!r} ended by itself: "
                         + proc.describe_exit(self._process.returncode))
        text = self.stderr_path.read_text(errors="replace")
        if text:
            found.append(f"{self!r} wrote to its standard error:\n{text}")
        return found

    # -- facts

    def stats(self) -> dict[str, Any]:
        """requests, in_flight, max_in_flight, max_open, aborted, connections, open, bytes_in, bytes_out,
        last_headers, and Counters by paths, ids and statuses."""
        found = self._do("stats")
        for name in ("paths", "ids", "statuses"):
            found[name] = collections.Counter(found[name])
        return found

    def reset_stats(self) -> None:
        """Counts start again from zero; what is in flight stays so."""
        self._do("reset_stats")

    def arrivals(self, n: int | None = None) -> list[Arrival]:
        """The last n arrivals (all when None), oldest first."""
        return [Arrival(*entry) for entry in self._do("arrivals", n=n)]

    @property
    def requests(self) -> int:
        return self.stats()["requests"]

    @property
    def in_flight(self) -> int:
        return self.stats()["in_flight"]

    @property
    def max_in_flight(self) -> int:
        return self.stats()["max_in_flight"]
