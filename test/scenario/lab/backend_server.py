# SPDX-License-Identifier: Apache-2.0
"""The backend process: a small, fast HTTP/1.1 server that misbehaves on request.

What it is: a program, started by backend.py with a listening socket and a control socket: it
accepts (or not), keeps the counts and obeys the control channel.  It ends when that one closes.
What it is not: a general web server, nor importable by tests (use backend.Backend).
"""

import asyncio
import collections
import json
import os
import select
import socket
import sys
import time

from backend_http import Connection, Witnessed
from behaviours import Rule, Rules


class Server:
    def __init__(self, name, listener, control):
        self.name, self.listener, self.control = name, listener, control
        self.default_body = f"{name}\n".encode()
        self.address = listener.getsockname()
        self.family = listener.family
        self.loop = asyncio.get_running_loop()
        self.done = self.loop.create_future()
        self.rules = Rules()
        self.connections = set()
        self.connections_total = 0
        self.in_flight = 0
        self.keepalive_requests = None
        self.idle_timeout_ms = None
        self.announce = True
        self.fillers = []
        self.witness = None
        self.line = b""
        self.do_reset_stats()
        self.accepting(True)
        self.loop.add_reader(control, self.on_control)

    # -- the listening side

    def accepting(self, yes):
        if yes:
            self.listener.setblocking(False)
            self.loop.add_reader(self.listener, self.on_accept)
        else:
            self.loop.remove_reader(self.listener)

    def on_accept(self):
        for _ in range(100):
            try:
                sock, peer = self.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            if peer in self.own_peers:
                sock.close()
                continue
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kind = Connection if self.witness is None else Witnessed
            self.loop.create_task(
                self.loop.connect_accepted_socket(lambda: kind(self), sock))

    def arrived(self, conn, request):
        """Note the request, which is in flight from now on; returns the rule it falls under."""
        self.requests += 1
        request.seq = self.requests
        ident = request.headers.get("x-request-id") or request.query.get("id")
        self.log.append((time.monotonic_ns(), request.method, request.target, ident, conn.serial,
                         self.in_flight))
        if self.witness is not None:
            os.write(self.witness, f"{ident}\n".encode())
        self.in_flight += 1
        if self.in_flight > self.max_in_flight:
            self.max_in_flight = self.in_flight
        if self.in_flight > self.max_open:
            self.max_open = max(self.max_open, 1 + self.still_open(conn))
        self.paths[request.path] += 1
        if ident is not None:
            self.ids[ident] += 1
        self.last_headers = request.headers
        return self.rules.pick(request.path)

    def still_open(self, but):
        """Connections other than this one with a request, of which the peer's end is not closed.

        Of a client that was killed the kernel knows at once, and we only when we read.
        """
        poll = select.poll()
        for conn in self.connections:
            if conn is not but and conn.request is not None:
                poll.register(conn.transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
        waiting = sum(c is not but and c.request is not None for c in self.connections)
        return waiting - len(poll.poll(0))

    # -- the control channel: one JSON object per line, answered by one

    def on_control(self):
        data = self.control.recv(65536)
        if not data:
            self.loop.remove_reader(self.control)
            self.done.set_result(None)
            return
        self.line += data
        while b"\n" in self.line:
            line, _, self.line = self.line.partition(b"\n")
            command = json.loads(line)
            try:
                reply = getattr(self, "do_" + command.pop("do"))(**command)
                answer = {"ok": reply}
            except Exception as exc:  # goes to the test, which shows it
                answer = {"error": f"{type(exc).__name__}: {exc}"}
            self.control.sendall(json.dumps(answer).encode() + b"\n")

    def do_ping(self):
        return self.name

    def do_behave(self, path, kind, options):
        self.rules.add(Rule(path, kind, options))

    def do_normal(self, path=None):
        self.rules.remove(path)

    def do_limits(self, keepalive_requests, idle_timeout_ms, announce):
        self.keepalive_requests = keepalive_requests
        self.idle_timeout_ms = idle_timeout_ms
        self.announce = announce

    def do_witness(self, path):
        self.witness = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def do_refuse(self, existing):
        if self.listener:
            self.accepting(False)
            self.listener.close()
            self.listener = None
        if existing != "keep":
            self.do_drop(existing == "rst")

    def do_drop(self, rst=False):
        for conn in list(self.connections):
            if rst:
                conn.reset()
            else:
                conn.transport.abort()

    def do_listen(self):
        self.own_peers = {s.getsockname() for s in self.fillers if s.family != socket.AF_UNIX}
        for sock in self.fillers:
            sock.close()
        self.fillers = []
        for conn in self.connections:
            conn.transport.resume_reading()
        if self.listener is None:
            self.listener = socket.socket(self.family)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self.family == socket.AF_UNIX:
                if os.path.exists(self.address):
                    os.unlink(self.address)
            self.listener.bind(self.address)
            if self.family == socket.AF_UNIX:
                os.chmod(self.address, 0o777)
        self.listener.listen(1024)
        self.accepting(True)

    def do_blackhole(self):
        """Stop accepting and fill the queue: the kernel then drops what wants to connect."""
        self.accepting(False)
        for conn in self.connections:
            conn.transport.pause_reading()
        self.listener.listen(0)
        for _ in range(2000):
            sock = socket.socket(self.family)
            sock.setblocking(False)
            try:
                sock.connect(self.address)
            except BlockingIOError:
                if self.family == socket.AF_UNIX:
                    sock.close()
                    break
            self.fillers.append(sock)
            if not select.select([], [sock], [], 0.02)[1]:
                break
        return len(self.fillers)

    def do_reset_stats(self):
        self.requests = self.max_in_flight = self.bytes_out = self.bytes_in = self.aborted = 0
        self.max_in_flight = self.max_open = self.in_flight
        self.paths = collections.Counter()
        self.ids = collections.Counter()
        self.statuses = collections.Counter()
        self.log = collections.deque(maxlen=200000)
        self.last_headers = {}
        if not hasattr(self, "own_peers"):
            self.own_peers = set()

    def do_stats(self):
        return {"requests": self.requests, "in_flight": self.in_flight,
                "max_in_flight": self.max_in_flight, "max_open": self.max_open, "aborted": self.aborted,
                "connections": self.connections_total, "open": len(self.connections),
                "paths": self.paths, "ids": self.ids, "statuses": self.statuses,
                "bytes_out": self.bytes_out, "bytes_in": self.bytes_in,
                "last_headers": self.last_headers}

    def do_arrivals(self, n=None):
        return list(self.log)[-n:] if n else list(self.log)


async def main():
    name, listen_fd, control_fd = sys.argv[1:4]
    server = Server(name, socket.socket(fileno=int(listen_fd)),
                    socket.socket(fileno=int(control_fd)))
    await server.done


if __name__ == "__main__":
    asyncio.run(main())
