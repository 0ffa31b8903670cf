# SPDX-License-Identifier: Apache-2.0
"""Client: one HTTP/1.1 connection with a cookie jar, for one request at a time.

What it is: blocking, with keep-alive; how an exchange ended, also badly, is told in the Response
rather than raised, for scenarios assert on it.
What it is not: a load generator (load.py), and it never sends a request twice.
"""

from __future__ import annotations

import json
import select
import socket
import time
import urllib.parse
from typing import Any, Mapping

from .http1 import Answer, CookieJar, Headers


class Response:
    def __init__(self, answer: Answer, elapsed: float, raw_close: str | None, new: bool) -> None:
        self.status: int = answer.status
        self.reason: str = answer.reason
        self.headers: Headers = answer.headers
        self.body: bytes = bytes(answer.body)
        self.elapsed = elapsed              # seconds
        # None, or how it ended instead of completely: "refused", "closed" (not a byte of an
        # answer), "truncated", "reset", "timeout", "garbage"
        self.raw_close = raw_close
        self.new_connection = new
        self.will_close: bool = answer.close

    @property
    def ok(self) -> bool:
        return self.raw_close is None and 200 <= self.status < 400

    @property
    def backend(self) -> str | None:
        return self.headers.get("X-Backend")

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return (f"<response {self.status} {self.reason} backend={self.backend} "
                f"raw_close={self.raw_close} {self.elapsed * 1000:.1f} ms "
                f"headers=({self.headers}) body={self.body[:200]!r}>")


class Client:
    def __init__(self, port: Any, keepalive: bool = True, timeout: float = 15.0,
                 host: str = "localhost", source: str | None = None) -> None:
        self.port: int = getattr(port, "port", port)  # a port, an Httpd or a Backend
        self.keepalive = keepalive
        self.timeout = timeout
        self.host = host
        self.source = source  # local address to come from: 127.0.0.2 and the like
        self.jar = CookieJar()
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        self.close()
        self._socket = socket.create_connection(
            ("127.0.0.1", self.port), self.timeout,
            (self.source, 0) if self.source else None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    @property
    def local_port(self) -> int:
        return self._socket.getsockname()[1]

    def _is_stale(self) -> bool:
        """The server has closed the idle connection."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def get(self, path: str = "/", **kw: Any) -> Response:
        return self.request("GET", path, **kw)

    def head(self, path: str = "/", **kw: Any) -> Response:
        return self.request("HEAD", path, **kw)

    def post(self, path: str = "/", body: bytes | str = b"", **kw: Any) -> Response:
        return self.request("POST", path, body, **kw)

    def request(self, method: str, path: str = "/", body: bytes | str | None = None,
                headers: Mapping[str, Any] | None = None, form: Mapping[str, Any] | None = None,
                chunked: bool = False, cookies: bool = True, timeout: float | None = None
                ) -> Response:
        """headers: values may be lists; chunked: send the body in chunks; form: urlencoded."""
        data = self._render(method, path, body, headers or {}, form, chunked, cookies)
        started = time.monotonic()
        answer = Answer(method)
        new = self._socket is None or self._is_stale()
        try:
            if new:
                self.connect()
        except OSError as exc:
            self.close()
            how = "timeout" if isinstance(exc, TimeoutError) else "refused"
            return Response(answer, time.monotonic() - started, how, True)
        how = self._exchange(data, answer, started + (timeout or self.timeout))
        if how or answer.close or not self.keepalive:
            if not answer.upgraded:
                self.close()
        if cookies:
            self.jar.update(answer.headers, path)
        return Response(answer, time.monotonic() - started, how, new)

    def _render(self, method, path, body, headers, form, chunked, cookies) -> bytes:
        if form is not None:
            body = urllib.parse.urlencode(form, doseq=True)
            headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        if isinstance(body, str):
            body = body.encode()
        given = {name.lower() for name in headers}
        lines = [f"{method} {path} HTTP/1.1"]
        if "host" not in given:
            lines.append(f"Host: {self.host}")
        cookie = self.jar.header(path) if cookies and "cookie" not in given else None
        if cookie:
            lines.append(f"Cookie: {cookie}")
        if not self.keepalive:
            lines.append("Connection: close")
        for name, value in headers.items():
            lines += [f"{name}: {one}" for one in (value if isinstance(value, list) else [value])]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        elif body is not None and "content-length" not in given:
            lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")

    def _exchange(self, data: bytes, answer: Answer, deadline: float) -> str | None:
        """Send, read the answer; returns how it failed, or None."""
        try:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            self._socket.sendall(data)
        except TimeoutError:
            return "timeout"
        except OSError:
            pass  # there may be an answer all the same
        while True:
            try:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                part = self._socket.recv(1 << 18)
                if not part:
                    if answer.eof():
                        return None
                    return "truncated" if answer.any else "closed"
                if answer.feed(part):
                    return None
            except TimeoutError:
                return "timeout"
            except OSError:
                return "reset"
            except ValueError:
                return "garbage"

    def raw(self, data: bytes, timeout: float | None = None, shut: bool = False) -> bytes:
        """Send bytes on a new connection and return all that comes until the close (or until
        the timeout); shut=True closes our sending side first."""
        self.connect()
        deadline = time.monotonic() + (timeout or self.timeout)
        self._socket.sendall(data)
        if shut:
            self._socket.shutdown(socket.SHUT_WR)
        found = b""
        try:
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                part = self._socket.recv(1 << 18)
                if not part:
                    break
                found += part
        except OSError:
            pass
        self.close()
        return found

    def send(self, data: bytes) -> None:
        """Bytes on the present connection (a new one when there is none), nothing read."""
        if self._socket is None:
            self.connect()
        self._socket.sendall(data)

    def recv(self, n: int, timeout: float | None = None) -> bytes:
        """Read exactly n bytes, fewer only at the close."""
        self._socket.settimeout(timeout or self.timeout)
        found = b""
        while len(found) < n and (part := self._socket.recv(n - len(found))):
            found += part
        return found
