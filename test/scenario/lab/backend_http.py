# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of the backend process: requests and connections.

What it is: a minimal HTTP/1.1 server connection (keep-alive, content-length and chunked request
bodies); head and body of an answer go out in one write.
What it is not: the choice of what to do with a request (behaviours.py).
"""

import asyncio
import os
import socket
import struct
import urllib.parse

from behaviours import REASONS, act

LINGER_RST = struct.pack("ii", 1, 0)


class Request:
    def __init__(self, head):
        lines = head.split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ", 2)
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        self.path, _, query = self.target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, True)) if query else {}
        self.body = bytearray()
        self.body_bytes = 0

    def number(self, name):
        return int(self.query.get(name, 0))

    @property
    def keep_alive(self):
        connection = self.headers.get("connection", "").lower()
        if self.version == "HTTP/1.0":
            return "keep-alive" in connection
        return "close" not in connection


class Connection(asyncio.Protocol):
    """One client connection; one request at a time, more of them wait in the buffer."""

    def __init__(self, server):
        self.server = server
        self.buffer = bytearray()
        self.request = None     # in flight from its head on to the end of the answer
        self.rule = None
        self.need = None        # body bytes to come, "chunked", or None: no body is being read
        self.served = 0
        self.timers = set()
        self.idle = None
        self.skip = False       # the answer goes out without reading the body
        self.must_close = False
        self.echoing = False
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        self.server.connections_total += 1
        self.serial = self.server.connections_total
        self.server.connections.add(self)  # idle from its first answer on

    def connection_lost(self, exc):
        self.server.connections.discard(self)
        for timer in self.timers:
            timer.cancel()
        if self.idle:
            self.idle.cancel()
        if self.request is not None:
            self.server.in_flight -= 1
            if not self.echoing:
                self.server.aborted += 1
            self.request = None

    def data_received(self, data):
        if self.echoing:
            self.write(data)
            return
        self.buffer += data
        self.parse()

    def parse(self):
        while self.buffer and not self.transport.is_closing():
            if self.request is None:
                end = self.buffer.find(b"\r\n\r\n")
                if end < 0:
                    return
                head = self.buffer[:end].decode("latin-1")
                del self.buffer[:end + 4]
                self.begin(Request(head))
            elif self.skip:
                self.buffer.clear()  # the rest of a body that nobody wants: we close after it
            elif self.need is None or not self.read_body():
                return

    def begin(self, request):
        self.request = request
        if self.idle:
            self.idle.cancel()
            self.idle = None
        self.rule = self.server.arrived(self, request)
        headers = request.headers
        if "chunked" in headers.get("transfer-encoding", ""):
            self.need = "chunked"
        else:
            self.need = int(headers.get("content-length", 0)) or None
        if self.rule.at == "head":
            self.skip = self.need is not None
            act(self, self.rule)
            return
        if self.need is None:
            act(self, self.rule)
        elif headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def read_body(self):
        """Take body bytes out of the buffer; False when more must arrive first."""
        if self.need == "chunked":
            end = self.buffer.find(b"\r\n")
            if end < 0:
                return False
            size = int(self.buffer[:end].split(b";")[0], 16)
            if len(self.buffer) < end + 2 + size + 2:
                return False
            self.took(self.buffer[end + 2:end + 2 + size])
            del self.buffer[:end + 2 + size + 2]  # trailers are not supported
            if size:
                return True
        else:
            part = self.buffer[:self.need]
            del self.buffer[:self.need]
            self.took(part)
            self.need -= len(part)
            if self.need:
                return False
        self.need = None
        act(self, self.rule)
        return True

    def took(self, part):
        self.request.body_bytes += len(part)
        self.server.bytes_in += len(part)
        if self.rule.kind == "echo":
            self.request.body += part

    def message(self, opt, body):
        """Head and payload of an answer, framed as the behaviour's options say."""
        request, server = self.request, self.server
        status = request.number("status") or opt.get("status", 200)
        framing = opt.get("framing", "length")
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}",
                 f"X-Backend: {server.name}", f"X-Conn: {self.serial}",
                 f"X-Seq: {request.seq}", f"X-Conn-Seq: {self.served + 1}"]
        extra = opt.get("headers") or {}
        for name, value in extra.items():
            lines += [f"{name}: {one}".replace("{seq}", str(request.seq))
                      for one in (value if isinstance(value, list) else [value])]
        if "content-type" not in (name.lower() for name in extra):
            lines.append("Content-Type: text/plain")
        if "session" in opt:
            name = opt["session"].partition("=")[0]
            if f"{name}=" not in (request.headers.get("cookie") or ""):
                lines.append("Set-Cookie: " + opt["session"].replace("{seq}", str(request.seq)))
        if "setcookie" in request.query:
            lines.append(f"Set-Cookie: {request.query['setcookie']}")
        if request.body_bytes:
            lines.append(f"X-Body-Bytes: {request.body_bytes}")
        last = self.served + 1 >= (server.keepalive_requests or float("inf"))
        if framing == "close" or opt.get("close") or not request.keep_alive or (
                last and server.announce):
            lines.append("Connection: close")
        if status in (204, 304) or request.method == "HEAD":
            payload = b""
            if request.method == "HEAD" and framing == "length":
                lines.append(f"Content-Length: {len(body)}")
        elif framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
            payload = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        else:
            payload = body
            if framing == "length":
                lines.append(f"Content-Length: {len(body)}")
        server.statuses[str(status)] += 1
        self.must_close = last or "Connection: close" in lines
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8"), payload

    def answer(self, opt, body):
        head, payload = self.message(opt, body)
        self.write(head + payload)
        self.finish()

    def write(self, data):
        self.server.bytes_out += len(data)
        self.transport.write(data)

    def finish(self):
        """The answer is out: on to the next request, or close."""
        self.finish_cut()
        self.served += 1
        if self.must_close or self.need:
            self.transport.close()
            return
        self.arm_idle()
        if self.buffer:
            self.parse()

    def finish_cut(self):
        if self.request is not None:
            self.request = None
            self.server.in_flight -= 1

    def start_echo(self):
        self.echoing = True
        if self.buffer:
            self.write(bytes(self.buffer))
            self.buffer.clear()

    def reset(self):
        sock = self.transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
            self.transport.abort()
        else:
            self.transport.close()

    def later(self, delay, fn, *args):
        def run():
            self.timers.discard(timer)
            if not self.transport.is_closing():
                fn(*args)
        timer = self.server.loop.call_later(delay, run)
        self.timers.add(timer)

    def arm_idle(self):
        if self.server.idle_timeout_ms:
            self.idle = self.server.loop.call_later(
                self.server.idle_timeout_ms / 1000, self.transport.close)


class Witnessed(Connection, asyncio.BufferedProtocol):
    """Says in the server's witness file that it reads, what it got, and that it has done so, each
    by a write of its own: what stands there outlives the process, whenever that is killed."""

    def __init__(self, server):
        super().__init__(server)
        self.chunk = memoryview(bytearray(65536))

    def get_buffer(self, sizehint):
        os.write(self.server.witness, b"?\n")
        return self.chunk

    def buffer_updated(self, nbytes):
        self.data_received(bytes(self.chunk[:nbytes]))
        os.write(self.server.witness, b".\n")
