# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of whole requests are made of: a member, httpds, load, and their CPU clocks.

What it is: processes of our own on 127.0.0.1, in a directory of our own, each ended and reaped.
What it is not: aware of what is compared with what (run.py), nor a place for scenarios: these
httpds are tuned for speed and write no access log.
"""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))

from lab import layout, proc  # noqa: E402
from lab.load import Load  # noqa: E402
from lab.ports import PortPool  # noqa: E402
from lab.wait import eventually  # noqa: E402

CHILDREN, THREADS = 2, 32
CONNECTIONS = 16
SLICE = 0.03        # seconds, of a turn
ORIGIN = layout.ROOT / "build/test/fast/bin/origin"
WRK = shutil.which("wrk")

BASE = ("mpm_event", "authz_core", "unixd", "proxy", "proxy_http")
STOCK = ("slotmem_shm", "proxy_balancer", "lbmethod_byrequests", "lbmethod_bybusyness",
         "lbmethod_bytraffic")

OWN_NOISE = "AH10159:"      # the number of children is fixed below

CONF = """\
ServerRoot "{dir}"
DefaultRuntimeDir "{dir}"
PidFile "{dir}/httpd.pid"
Mutex pthread default
{load}
{user}
ServerName localhost
Listen 127.0.0.1:{port}
AcceptFilter http none
ServerLimit {children}
StartServers {children}
ThreadLimit 64
ThreadsPerChild {threads}
MinSpareThreads {min_spare}
MaxSpareThreads {all_threads}
MaxRequestWorkers {all_threads}
LogLevel warn
ErrorLog "{dir}/error.log"
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
{proxy}
"""


class Problem(Exception):
    """Something the person at the keyboard should read, without a traceback."""


def cpu_clock(pid: int) -> float:
    """CPU seconds of another process, all threads, user and system, to the nanosecond: its
    clock_getcpuclockid() (Linux: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED))."""
    return time.clock_gettime(~pid << 3 | 2)


def memory(pid: int) -> tuple[float, float]:
    """RSS and PSS in MB.  PSS shares what is shared (the segment, the program) fairly."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        kb = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.M))
    return int(kb["Rss"]) / 1024, int(kb["Pss"]) / 1024


class Sample(NamedTuple):
    requests: int
    cpu: float      # seconds of the httpd, parent and children
    wall: float

    @property
    def us(self) -> float:
        return self.cpu / self.requests * 1e6


class Origin:
    def __init__(self) -> None:
        if not ORIGIN.exists():
            raise Problem(f"{ORIGIN} is missing: `make bench` builds it")
        self._process = proc.spawn([str(ORIGIN)], stdout=subprocess.PIPE)
        self.port = int(self._process.stdout.readline())

    def close(self) -> None:
        proc.end_group(self._process)
        self._process.stdout.close()


class Web:
    """One httpd: `kind` is plain (no balancer), stock or suite.  Under a tool (a command line
    that httpd's is added to) it is one process, which serves by itself."""

    def __init__(self, rig: "Rig", kind: str, members: int, method: str,
                 tool: Sequence[str] = ()) -> None:
        self.kind = kind
        self._rig = rig
        self._dir = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=rig.dir))
        self._dir.chmod(0o755)
        self.port = rig.ports.take()
        conf = self._dir / "httpd.conf"
        conf.write_text(self._conf(members, method))
        argv = [*tool, layout.httpd(), "-d", str(self._dir), "-f", str(conf),
                "-X" if tool else "-DFOREGROUND"]
        with open(self._dir / "output", "wb") as output:
            self._process = proc.spawn(argv, stdout=output, stderr=output,
                                       death_signal=signal.SIGTERM)
        self.pids: list[int] = []

    def _conf(self, members: int, method: str) -> str:
        modules: list = list(BASE)
        modules += {"plain": (), "stock": STOCK,
                    "suite": [("lbx_core", self._rig.suite)]}[self.kind]
        origin = f"http://127.0.0.1:{self._rig.origin.port}"
        if self.kind == "plain":
            # what a section costs is httpd's matter, and the same for all
            proxy = [f'<Proxy "{origin}/m0001/">', "ProxySet keepalive=Off", "</Proxy>",
                     f'ProxyPass "/" "{origin}/m0001/"']
        else:
            # a path makes a worker of its own, with connections of its own, as long as none is
            # the beginning of another
            proxy = ['<Proxy "balancer://bench">',
                     *[f'BalancerMember "{origin}/m{i:04}"' for i in range(1, members + 1)],
                     f"ProxySet lbmethod={method}", "</Proxy>", 'ProxyPass "/" "balancer://bench/"']
        return CONF.format(
            dir=self._dir, port=self.port, children=CHILDREN, threads=THREADS,
            min_spare=(CHILDREN - 1) * THREADS + 1, all_threads=CHILDREN * THREADS,
            load="\n".join(filter(None, map(layout.load_module, modules))),
            user=layout.user_lines(), proxy="\n".join(proxy))

    def log(self) -> str:
        text = ""
        for name in ("output", "error.log"):
            with contextlib.suppress(FileNotFoundError):
                text += (self._dir / name).read_text(errors="replace")
        return text

    def _children(self) -> list[proc.Proc]:
        return [p for p in proc.processes() if p.ppid == self._process.pid and p.state not in "ZX"]

    def _all_up(self) -> bool:
        found = self._children()
        return len(found) == CHILDREN and all(p.threads > THREADS for p in found)

    def await_ready(self, within: float = 20.0) -> None:
        eventually(lambda: self._process.poll() is not None or self._all_up(), within,
                   f"httpd ({self.kind}) has its children")
        if self._process.poll() is not None:
            raise Problem(f"httpd ({self.kind}) did not start:\n{self.log()}")
        self.pids = [self._process.pid, *sorted(p.pid for p in self._children())]

    def cpu(self) -> float:
        """Of the parent and its children; nobody may have come or gone."""
        now = [self._process.pid, *sorted(p.pid for p in self._children())]
        if now != self.pids:
            raise Problem(f"httpd ({self.kind}): children {self.pids[1:]} became {now[1:]}:\n"
                          + self.log()[-2000:])
        return sum(map(cpu_clock, now))

    def memory(self) -> tuple[float, float]:
        """RSS and PSS of all children."""
        each = [memory(pid) for pid in self.pids[1:]]
        return sum(m[0] for m in each), sum(m[1] for m in each)

    def measure(self, seconds: float) -> Sample:
        before, start = self.cpu(), time.monotonic()
        requests = self._rig.load(self.port, seconds)
        return Sample(requests, self.cpu() - before, time.monotonic() - start)

    def close(self) -> None:
        if self._process.poll() is None and self.pids:
            with contextlib.suppress(AssertionError):   # idle threads: see lab/httpd.py
                eventually(lambda: proc.all_asleep(self.pids), 0.5)
        proc.end_group(self._process, signal.SIGTERM)
        complaints = [line for line in self.log().splitlines()
                      if re.search(r"[:\[](emerg|alert|crit|error|warn)\]", line)
                      and not re.search(OWN_NOISE, line)]
        shutil.rmtree(self._dir, ignore_errors=True)
        if complaints:
            raise Problem(f"httpd ({self.kind}) complained:\n" + "\n".join(complaints[:10]))


class Wrk:
    """A load generator that stands still until it may go on.  It counts in whole seconds: it is
    asked for more and told to stop, which it does as if its time was over."""

    def __init__(self, port: int, *options: str) -> None:
        argv = [WRK, "-t1", f"-c{CONNECTIONS}", "-d60s", *options, f"http://127.0.0.1:{port}/page"]
        self._process = proc.spawn(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True)
        self._process.send_signal(signal.SIGSTOP)

    def __enter__(self) -> "Wrk":
        return self

    def __exit__(self, *_) -> None:
        self._process.send_signal(signal.SIGCONT)
        proc.end_group(self._process)

    def go_on_for(self, seconds: float) -> None:
        self._process.send_signal(signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._process.send_signal(signal.SIGSTOP)

    def finish(self) -> int:
        """Completed requests."""
        self._process.send_signal(signal.SIGCONT)
        end = time.monotonic() + 10
        # again: one that comes just before the thread that is to notice it falls asleep is lost
        while self._process.poll() is None and time.monotonic() < end:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.1)
        said, _ = self._process.communicate(timeout=1)
        found = re.search(r"(\d+) requests in", said)
        if not found or not int(found[1]) or "Non-2xx" in said or "Socket errors" in said:
            raise Problem(f"wrk had trouble:\n{said}")
        return int(found[1])


class Rig:
    """`with Rig() as rig`: a directory, ports, the member, and the httpds started meanwhile."""

    def __init__(self) -> None:
        built = layout.SUITE_DIR / "mod_lbx_core.so"
        if not built.exists():
            raise Problem(f"{built} is missing: run `make`")
        proc.become_reaper()
        self.dir = Path(tempfile.mkdtemp(prefix="lbxbench-"))
        self.dir.chmod(0o755)
        # a copy, so that all rounds measure the same one
        self.suite = Path(shutil.copy(built, self.dir))
        self.ports = PortPool()
        self.origin = Origin()
        self._webs: list[Web] = []

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, *_) -> None:
        try:
            self.close_webs()
        finally:
            self.origin.close()
            self.ports.close()
            shutil.rmtree(self.dir, ignore_errors=True)

    def web(self, kind: str, members: int, method: str, tool: Sequence[str] = ()) -> Web:
        made = Web(self, kind, members, method, tool)
        self._webs.append(made)
        return made

    def adopt(self, webs: Sequence[Web]) -> None:
        """Those that others made end with the rig, too."""
        self._webs += webs

    def close_webs(self) -> None:
        while self._webs:
            self._webs.pop().close()

    def by_turns(self, webs: Sequence[Web], seconds: float) -> list[Sample]:
        """Each under load for so long, a few milliseconds at a time: what disturbs the machine
        meanwhile disturbs all.  The generators of the others are stopped."""
        if not WRK:
            return [web.measure(seconds) for web in webs]
        before, start = [web.cpu() for web in webs], time.monotonic()
        with contextlib.ExitStack() as stack:
            loads = [stack.enter_context(Wrk(web.port)) for web in webs]
            end = start + seconds * len(webs)
            while time.monotonic() < end:
                for load in random.sample(loads, len(loads)):
                    load.go_on_for(SLICE)
            # each runs on for some 0.1 s until its generator ends: nobody always first
            done = {load: load.finish() for load in random.sample(loads, len(loads))}
        wall = (time.monotonic() - start) / len(webs)
        return [Sample(n, web.cpu() - b, wall) for n, web, b in zip(map(done.get, loads), webs, before)]

    def load(self, port: int, seconds: float) -> int:
        """Completed requests; all of them must have been answered with 200."""
        return self._wrk(port, seconds) if WRK else self._lab_load(port, seconds)

    def _wrk(self, port: int, seconds: float) -> int:
        with Wrk(port) as load:
            load.go_on_for(seconds)
            return load.finish()

    def _lab_load(self, port: int, seconds: float) -> int:
        load = Load(self.dir, port, "/page", seconds=seconds, connections=CONNECTIONS, ids=False)
        with load:
            pass
        if not load.result.all_ok:
            raise Problem(f"requests failed: {load.result!r}")
        return load.result.done
