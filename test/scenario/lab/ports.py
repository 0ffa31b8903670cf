# SPDX-License-Identifier: Apache-2.0
"""Free TCP ports of 127.0.0.1 that stay ours, also while nothing listens on them.

What it is: a reservation that holds between several runs of the lab at once and against the
kernel: ports lie outside the range from which outgoing connections get theirs, and each one is
locked by an abstract Unix socket, which vanishes with the process that holds it.
What it is not: a check that nobody outside the lab takes the port later.
"""

from __future__ import annotations

import os
import random
import socket


def _candidates() -> range:
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
            low, high = (int(n) for n in f.read().split())
    except OSError:
        low, high = 32768, 60999
    below, above = range(10240, max(low, 10240)), range(min(high + 1, 65536), 65536)
    best = max(below, above, key=len)
    return best if len(best) >= 1000 else range(10240, 65536)


class PortPool:
    """Hands out ports; all of them are given back by close()."""

    def __init__(self) -> None:
        self._range = _candidates()
        self._random = random.Random(os.urandom(8))
        self._locks: dict[int, socket.socket] = {}

    def take(self) -> int:
        for _ in range(2000):
            port = self._random.choice(self._range)
            if port not in self._locks and self._lock(port):
                return port
        raise RuntimeError("no free port found")

    def _lock(self, port: int) -> bool:
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(f"\0lbx-lab-port-{port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                probe.listen(1)
        except OSError:
            lock.close()
            return False
        self._locks[port] = lock
        return True

    def close(self) -> None:
        for lock in self._locks.values():
            lock.close()
        self._locks.clear()


def is_listening(port: int) -> bool:
    """True when somebody listens on the port (asked of the kernel: no connection is made)."""
    return bool(listening_inodes(port))


def listening_inodes(port: int) -> set[str]:
    """Inodes of the sockets that listen on this port of 127.0.0.1 or of any address."""
    found = set()
    with open("/proc/net/tcp", encoding="ascii") as table:
        next(table)
        for line in table:
            fields = line.split()
            address, _, hexport = fields[1].partition(":")
            if (fields[3] == "0A" and int(hexport, 16) == port
                    and address in ("0100007F", "00000000")):
                found.add(fields[9])
    return found
