# SPDX-License-Identifier: Apache-2.0
"""Processes of the lab: starting them so that none outlives us, looking at them, ending them.

What it is: thin helpers over fork, prctl and /proc (Linux).  Every process gets its own session
(so its own process group), dies when the test process dies, and is reaped here: the test process
makes itself the reaper of orphans, for nobody else may do it (in a container, for instance).
What it is not: aware of httpd or of backends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from typing import Any, Iterable, NamedTuple, Sequence

from .wait import eventually

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class Proc(NamedTuple):
    pid: int
    state: str
    ppid: int
    pgid: int
    threads: int


def become_reaper() -> None:
    """Orphans of processes that we started become our children, to be reaped by end_group()."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(argv: Sequence[str], *, death_signal: int = signal.SIGKILL, **popen: Any
          ) -> subprocess.Popen:
    """Popen in a session of its own; the child gets death_signal when this process dies."""
    if threading.current_thread() is not threading.main_thread():
        # the kernel means "when the thread dies that forked"
        raise RuntimeError("processes of the lab must be started from the main thread")
    parent = os.getpid()

    def in_child() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)

    popen.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(argv, preexec_fn=in_child, start_new_session=True, **popen)


def processes() -> list[Proc]:
    """All processes that can be seen, zombies included."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            found.append(Proc(int(name), fields[0], int(fields[1]), int(fields[2]),
                              int(fields[17])))
    return found


def exe(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def holds_socket(pid: int, inodes: set[str]) -> bool:
    """True when the process has one of these sockets open."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for name in names:
        try:
            if os.readlink(f"/proc/{pid}/fd/{name}") in wanted:
                return True
        except OSError:
            pass
    return False


def all_asleep(pids: Iterable[int]) -> bool:
    """True when no thread of these processes runs or wants to."""
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/stat", "rb") as f:
                    if f.read().rpartition(b")")[2].split()[0] != b"S":
                        return False
        except OSError:
            return False  # it is just ending
    return True


def group(pgid: int) -> list[int]:
    """Pids in the process group that are not zombies."""
    return [p.pid for p in processes() if p.pgid == pgid and p.state not in "ZX"]


def reap_group(pgid: int) -> None:
    """Collect the dead of the group that became our children."""
    try:
        while os.waitpid(-pgid, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_group(process: subprocess.Popen, how: int = signal.SIGKILL, within: float = 10.0
              ) -> list[int]:
    """End a process that spawn() started together with its group.

    Signals the process, waits for it, then kills what is left of the group.  Returns the pids
    that were still alive after the process itself had gone (empty in a clean end).
    """
    pgid = process.pid  # spawn() made it the leader
    if process.poll() is None:
        try:
            if how == signal.SIGKILL:
                os.killpg(pgid, how)
            else:
                process.send_signal(how)
            process.wait(within)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            pass
    left = [] if how == signal.SIGKILL else group(pgid)
    if group(pgid):
        try:
            os.killpg(pgid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait(within)

    def gone() -> bool:
        reap_group(pgid)
        return not group(pgid)

    eventually(gone, within, f"no process left of group {pgid}")
    reap_group(pgid)
    return left


def describe_exit(code: int | None) -> str:
    """What a Popen return code says, in words."""
    if code is None:
        return "running"
    if code < 0:
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"
    return f"exit status {code}"
