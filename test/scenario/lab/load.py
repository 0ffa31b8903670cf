# SPDX-License-Identifier: Apache-2.0
"""Load: requests in numbers, sent by a process of its own while the test does other things.

What it is: start(), progress and result of one run.  With rate= the loop is open (requests start
by the clock, whatever happens to those before), without it is closed (each connection sends its
next request when the last one is answered).
What it is not: the sending itself (load_client.py).
"""

from __future__ import annotations

import collections
import itertools
import json
import mmap
import signal
import struct
import sys
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

from . import proc
from .wait import eventually

_PROGRAM = Path(__file__).with_name("load_client.py")
_COUNTERS = struct.Struct("6q")  # as in load_client.py
_serials = itertools.count(1)


class Sample(NamedTuple):
    n: int
    id: str
    user: int
    path: str
    start_ns: int        # time.monotonic_ns(); open loop: when it was due
    us: int              # latency
    status: int
    backend: str | None
    bytes: int
    error: str | None    # connect, closed, truncated, timeout, garbage

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.us * 1000


class Result:
    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.samples = sorted((Sample(r["n"], r["id"], r["user"], r["path"], r["start"], r["us"],
                                      r["status"], r["backend"], r["bytes"], r["error"])
                               for r in raw["records"]), key=lambda s: s.n)
        self.seconds: float = raw["seconds"]
        self.peak: int = raw["peak"]                # most requests in flight at once
        self.stale_retries: int = raw["stale"]      # idle connections closed, sent once more
        good = [s for s in self.samples if s.error is None]
        self.done = len(self.samples)
        self.statuses = collections.Counter(s.status for s in good)
        self.backends = collections.Counter(s.backend for s in good)
        self.errors = collections.Counter(s.error for s in self.samples if s.error)
        self.failed = [s for s in self.samples if s.error or s.status >= 400 or s.status < 200]
        self.users: dict[int, collections.Counter] = collections.defaultdict(collections.Counter)
        for s in good:
            self.users[s.user][s.backend] += 1
        self._latencies = sorted(s.us / 1000 for s in self.samples)

    def percentile(self, p: float) -> float:
        """Latency in milliseconds: p = 0, 50, 99, 100..."""
        if not self._latencies:
            return 0.0
        return self._latencies[min(len(self._latencies) - 1,
                                   int(len(self._latencies) * p / 100))]

    @property
    def latency(self) -> dict[str, float]:
        return {"min": self.percentile(0), "p50": self.percentile(50), "p90": self.percentile(90),
                "p99": self.percentile(99), "max": self.percentile(100)}

    @property
    def rate(self) -> float:
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def all_ok(self) -> bool:
        return not self.failed

    def slowest(self, n: int = 10) -> list[Sample]:
        return sorted(self.samples, key=lambda s: -s.us)[:n]

    def between(self, start_ns: int, end_ns: int) -> list[Sample]:
        """Samples that started in this span of time.monotonic_ns()."""
        return [s for s in self.samples if start_ns <= s.start_ns < end_ns]

    def __repr__(self) -> str:
        lat = " ".join(f"{name}={value:.1f}" for name, value in self.latency.items())
        return (f"<load: {self.done} in {self.seconds:.2f} s ({self.rate:.0f}/s) "
                f"statuses={dict(self.statuses)} backends={dict(self.backends)} "
                f"errors={dict(self.errors)} stale={self.stale_retries} ms: {lat} "
                f"first failed={self.failed[:3]}>")


class Load:
    def __init__(self, directory: Path, port: int, path: str | Sequence[str] = "/", *,
                 requests: int | None = None, rate: float | None = None,
                 seconds: float | None = None, connections: int | None = None,
                 keepalive: bool = True, method: str | None = None, body: str | None = None,
                 headers: Mapping[str, str | list[str]] | None = None, ids: bool = True,
                 cookies: bool = False, timeout: float = 30.0, retry_stale: bool = True) -> None:
        if rate and not seconds:
            raise ValueError("an open loop needs seconds=")
        self.serial = next(_serials)
        self._dir = directory / f"load-{self.serial}"
        self._dir.mkdir()
        if requests is None:
            requests = 10**9 if seconds else 1000
        self._plan = dict(
            port=port, paths=[path] if isinstance(path, str) else list(path), requests=requests,
            rate=rate, seconds=seconds, connections=connections or (256 if rate else 32),
            keepalive=keepalive, method=method or ("POST" if body is not None else "GET"),
            body=body, headers=dict(headers or {}), ids=ids, prefix=f"load{self.serial}",
            cookies=cookies, timeout=timeout, retry_stale=retry_stale,
            shared=str(self._dir / "counters"), result=str(self._dir / "result.json"))
        self._process = None
        self._map: mmap.mmap | None = None
        self._result: Result | None = None

    def start(self) -> "Load":
        """Returns when the first requests are on their way."""
        (self._dir / "plan.json").write_text(json.dumps(self._plan))
        (self._dir / "counters").write_bytes(bytes(_COUNTERS.size))
        with open(self._dir / "counters", "r+b") as f:
            self._map = mmap.mmap(f.fileno(), _COUNTERS.size)
        with open(self._dir / "stderr", "wb") as err:
            self._process = proc.spawn(
                [sys.executable, "-S", "-E", "-B", str(_PROGRAM), str(self._dir / "plan.json")],
                stdout=err, stderr=err)
        eventually(lambda: self.started > 0 or self._process.poll() is not None, 10,
                   "the load generator starts")
        return self

    def _counters(self) -> tuple[int, ...]:
        return _COUNTERS.unpack_from(self._map, 0) if self._map else (0,) * 6

    @property
    def started(self) -> int:
        return self._counters()[1]

    @property
    def done(self) -> int:
        """Requests over so far, failed ones included."""
        return self._counters()[2]

    @property
    def failed(self) -> int:
        """Requests so far that got no complete answer."""
        return self._counters()[3]

    @property
    def in_flight(self) -> int:
        counters = self._counters()
        return counters[1] - counters[2]

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def await_count(self, n: int, within: float = 30.0) -> int:
        """Wait until n requests are over."""
        eventually(lambda: self.done >= n or not self.running, within, f"{n} requests are over")
        assert self.done >= n, f"the load ended after {self.done} requests, before {n}"
        return self.done

    def await_more(self, n: int, within: float = 30.0) -> int:
        """Wait until n more requests than now have *started and* ended."""
        return self.await_count(self.started + n, within)

    def wait(self, within: float = 60.0) -> Result:
        """The end of the run, and its result."""
        if self._result is None:
            eventually(lambda: not self.running, within, "the load generator ends")
            path = Path(self._plan["result"])
            assert path.exists(), ("the load generator failed: "
                                   + (self._dir / "stderr").read_text(errors="replace"))
            self._result = Result(json.loads(path.read_text()))
        return self._result

    def stop(self, within: float = 30.0) -> Result:
        """Send nothing new, wait for what is in flight."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        return self.wait(within)

    @property
    def result(self) -> Result:
        return self.wait()

    def close(self) -> None:
        if self._process:
            proc.end_group(self._process)
        if self._map:
            self._map.close()
            self._map = None

    def __enter__(self) -> "Load":
        return self.start()

    def __exit__(self, kind, exc, trace) -> None:
        if kind is None:
            self.wait()
        else:
            self.close()
