# SPDX-License-Identifier: Apache-2.0
"""WebSockets (RFC 6455): a client, and a server that says its name and echoes.

What it is: the opening handshake with its key checked, masked frames, text, ping and close.
What it is not: complete; no fragments, no extensions, messages below 64 KiB.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
import threading

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # from the RFC


def _accept(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


class _Frames:
    """Frames over a connected socket."""

    def __init__(self, connection: socket.socket, rest: bytes, mask: bool) -> None:
        self.socket, self._data, self._mask = connection, rest, mask

    def _read(self, n: int) -> bytes:
        while len(self._data) < n:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("the connection was closed within or before a frame")
            self._data += more
        found, self._data = self._data[:n], self._data[n:]
        return found

    def receive(self) -> tuple[int, bytes]:
        first, second = self._read(2)
        size = second & 127
        if size == 126:
            size = struct.unpack(">H", self._read(2))[0]
        assert size < 65536, "a longer message than this lab has"
        mask = self._read(4) if second & 128 else b"\0\0\0\0"
        assert bool(second & 128) != self._mask, "clients mask their frames, servers do not"
        return first & 15, bytes(c ^ mask[i % 4] for i, c in enumerate(self._read(size)))

    def send(self, opcode: int, data: bytes = b"") -> None:
        head = bytes([0x80 | opcode])
        bit = 0x80 if self._mask else 0
        head += bytes([bit | len(data)]) if len(data) < 126 else \
            bytes([bit | 126]) + struct.pack(">H", len(data))
        if self._mask:
            mask = os.urandom(4)
            head += mask
            data = bytes(c ^ mask[i % 4] for i, c in enumerate(data))
        self.socket.sendall(head + data)


def _head(connection: socket.socket) -> tuple[str, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise EOFError(f"no complete head: {data!r}")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest


def _field(head: str, name: str) -> str | None:
    for line in head.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name.lower():
            return value.strip()
    return None


class WebSocket:
    """`ws = WebSocket(web.port, "/live/")`; ws.server is who answered.  ConnectionError with the
    status when there was no upgrade."""

    def __init__(self, port: int, path: str, timeout: float = 15.0) -> None:
        connection = socket.create_connection(("127.0.0.1", port), timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                            "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        head, rest = _head(connection)
        self.status = int(head.split(" ")[1])
        if self.status != 101:
            connection.close()
            raise ConnectionError(head.split("\r\n")[0])
        assert _field(head, "Sec-WebSocket-Accept") == _accept(key), head
        self._frames = _Frames(connection, rest, mask=True)
        self.server = self.receive()

    def send(self, text: str) -> None:
        self._frames.send(TEXT, text.encode())

    def receive(self) -> str:
        opcode, data = self._frames.receive()
        assert opcode == TEXT, opcode
        return data.decode()

    def echo(self, text: str) -> str:
        self.send(text)
        return self.receive()

    def ping(self) -> bool:
        self._frames.send(PING, b"there?")
        return self._frames.receive() == (PONG, b"there?")

    def close(self) -> int:
        """The closing handshake; returns the code that came back."""
        self._frames.send(CLOSE, struct.pack(">H", 1000))
        opcode, data = self._frames.receive()
        assert opcode == CLOSE, opcode
        self._frames.socket.close()
        return struct.unpack(">H", data[:2])[0]

    def await_end(self) -> None:
        """Returns when the other side has closed the connection, in whatever way."""
        try:
            while True:
                self._frames.receive()
        except (EOFError, ConnectionError):
            self._frames.socket.close()


class EchoServer:
    """A WebSocket server in a thread; plain requests get 200 and X-Backend.  `with`, or close()."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.port, self.path = name, port, None  # as Backend has them
        self.open = 0
        self._listener = socket.create_server(("127.0.0.1", port))
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept_all, daemon=True).start()

    def __enter__(self) -> "EchoServer":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.refuse()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def refuse(self) -> None:
        """No new connections; those that are open go on."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self._listener.close()

    def _accept_all(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while self._request(connection):
                    pass
            except (OSError, EOFError):
                pass

    def _request(self, connection: socket.socket) -> bool:
        head, rest = _head(connection)
        key = _field(head, "Sec-WebSocket-Key")
        if not key or (_field(head, "Upgrade") or "").lower() != "websocket":
            connection.sendall(f"HTTP/1.1 200 OK\r\nX-Backend: {self.name}\r\n"
                               "Content-Length: 6\r\n\r\nplain\n".encode())
            return True
        connection.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            f"Connection: Upgrade\r\nSec-WebSocket-Accept: {_accept(key)}\r\n"
                            "\r\n").encode())
        with self._lock:
            self.open += 1
        try:
            self._talk(_Frames(connection, rest, mask=False))
        finally:
            with self._lock:
                self.open -= 1
        return False

    def _talk(self, frames: _Frames) -> None:
        frames.send(TEXT, self.name.encode())
        while True:
            opcode, data = frames.receive()
            frames.send({PING: PONG}.get(opcode, opcode), data)
            if opcode == CLOSE:
                return
