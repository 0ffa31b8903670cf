# SPDX-License-Identifier: Apache-2.0
"""How many members can be checked, and how exactly: `bench_hcheck.py N INTERVAL HUNG [TIMEOUT]`.

    bench_hcheck.py 1000 5 100 2      1,000 members every 5 s, 100 of them hang
    bench_hcheck.py 10000 10 100 2

Prints when the hung ones were down, the share of a core that the checking thread takes once they
are, how late checks begin, and how long none begins after the child that checks was killed.
What it is not: part of make check; it needs a machine that has nothing else to do.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rig import ORIGIN, layout, proc
from lab.ports import PortPool
from lab.wait import eventually

CONF = """\
ServerRoot "{dir}"
DefaultRuntimeDir "{dir}"
PidFile "{dir}/httpd.pid"
{load}
{user}
ServerName localhost
Listen 127.0.0.1:{port}
ServerLimit 2
StartServers 2
ThreadsPerChild 25
MinSpareThreads 1
MaxSpareThreads 50
MaxRequestWorkers 50
LogLevel notice lbx_hcheck:debug
ErrorLogFormat "[%{{cu}}t] [%-m:%l] [pid %P:tid %T] %M"
ErrorLog "{dir}/error.log"
<Proxy "balancer://many">
{members}
</Proxy>
"""


def address(i: int) -> str:
    return f"127.{1 + i // 62500}.{i // 250 % 250}.{1 + i % 250}"


class Web:
    def __init__(self, directory: Path, members: list[str]) -> None:
        self.log_path = directory / "error.log"
        modules = ("mpm_event", "authz_core", "unixd", "proxy", "proxy_http",
                   *((f"lbx_{n}", layout.SUITE_DIR / f"mod_lbx_{n}.so") for n in ("core", "hcheck")))
        conf = directory / "httpd.conf"
        self.ports = PortPool()
        conf.write_text(CONF.format(
            dir=directory, port=self.ports.take(), user=layout.user_lines(),
            load="\n".join(filter(None, map(layout.load_module, modules))),
            members="\n".join(f"BalancerMember {m}" for m in members)))
        self.process = proc.spawn([layout.httpd(), "-f", str(conf), "-DFOREGROUND"])

    def lines(self, pattern: str) -> list[str]:
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return [line for line in text.splitlines() if re.search(pattern, line)]

    def thread(self) -> tuple[int, int]:
        """(pid, tid) of the thread that checks: the one that has the most CPU time."""
        found = []
        for child in proc.processes():
            if child.ppid == self.process.pid:
                for task in Path(f"/proc/{child.pid}/task").iterdir():
                    if (task / "comm").read_text().strip() == "lbx-hcheck":
                        found.append((self.cpu(child.pid, int(task.name)), child.pid,
                                      int(task.name)))
        return max(found)[1:]

    @staticmethod
    def cpu(pid: int, tid: int) -> float:
        fields = Path(f"/proc/{pid}/task/{tid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stamp(line: str) -> float:
    """Seconds of the day."""
    h, m, s = line[line.index(" ") + 1:line.index("]")].split(":")
    return int(h) * 3600 + int(m) * 60 + float(s)


def reports(web: Web) -> list[tuple[int, int, int]]:
    """(checks begun in 10 s, latest in ms, average lateness in us)."""
    pattern = r"LBX0445: .*: (\d+) begun in \d+s, the latest (\d+)ms late, (\d+)us"
    return [tuple(map(int, re.search(pattern, line).groups())) for line in web.lines("LBX0445")]


def measure(web: Web, n: int, interval: float, hung: int, timeout: float) -> None:
    begun = stamp(eventually(lambda: web.lines("LBX0444"), 120, "checks begin")[0])
    bound = interval + timeout + 1
    lines = eventually(lambda: len(d := web.lines("is down")) >= hung and d, 4 * bound + 30,
                       "the hung ones are down")
    print(f"  {len(lines)} of {hung} hung members down after {stamp(lines[-1]) - begun:.2f} s "
          f"(promised: {bound:.0f} s)")
    pid, tid = web.thread()
    seen = len(reports(web))
    cpu, wall = web.cpu(pid, tid), time.monotonic()
    eventually(lambda: len(reports(web)) >= seen + 4, 90, "reports")
    share = (web.cpu(pid, tid) - cpu) / (time.monotonic() - wall)
    late = reports(web)[seen + 1:seen + 4]
    print(f"  {share:.1%} of a core; {sum(r[0] for r in late) / 30:.0f} checks/s; latest begin "
          f"{max(r[1] for r in late)} ms, on average {sum(r[2] for r in late) / 3000:.2f} ms late")
    os.kill(pid, signal.SIGKILL)
    killed = time.time() % 86400
    line = eventually(lambda: (a := web.lines("LBX0444")) and f"pid {pid}:" not in a[-1] and a[-1],
                      30, "another child checks")
    print(f"  child killed: another one checks after {stamp(line) - killed:.2f} s")
    print(f"  wrongly down: {len({x.split('member ')[1].split()[0] for x in web.lines('is down')}) - hung}")


def main(n: int, interval: float, hung: int, timeout: float) -> int:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    origin = proc.spawn([str(ORIGIN), "any"], stdout=subprocess.PIPE)
    port = int(origin.stdout.readline())
    silent = socket.create_server(("0.0.0.0", 0), backlog=4096)  # never accepts
    own = f"hcmethod=GET11 hcuri=/c hcinterval={interval * 1000:.0f}ms hctimeout={timeout:.0f}"
    members = [f"http://{address(i)}:{silent.getsockname()[1] if i % (n // hung) == 0 else port} {own}"
               for i in range(n)]
    print(f"{n} members every {interval:g} s, {hung} hang, timeout {timeout:g} s")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        web = Web(Path(directory), members)
        try:
            measure(web, n, interval, hung, timeout)
        finally:
            proc.end_group(web.process, signal.SIGTERM)
            proc.end_group(origin)
            silent.close()
            web.ports.close()
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__.splitlines()[0])
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]),
                  float(sys.argv[4]) if len(sys.argv) > 4 else 2.0))
