# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of active checks have in common.

What it is: configurations and what the suite thinks of a member.
What it is not: a lab of its own (the package lab/), nor requests (core_help).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Any, Callable, Sequence

from core_help import balancer_conf, member_state

from lab import Backend, Httpd, eventually

SUITE = ("core", "hcheck")
FAST = "hcinterval=100ms hctimeout=2s retry=0"

FAILED = 0x400  # enum lbx_health


def balancer(members: Sequence[Backend], per_member: str | Sequence[str] = "",
             **more: Any) -> str:
    return balancer_conf(members, per_member=per_member, **more)


def is_down(member: dict[str, Any]) -> bool:
    return bool(member["health"] & FAILED)


def is_up(member: dict[str, Any]) -> bool:
    return not member["inelig"]


def await_state(web: Httpd, member: Backend, state: Callable[[dict[str, Any]], bool],
                within: float = 10.0, name: str = "mycluster") -> None:
    eventually(lambda: state(member_state(web, member, name)), within,
               f"{member!r} of {name}: {state.__name__}")


def checks(member: Backend, request_line: str) -> int:
    """How many checks with this method and target the member has had."""
    method, target = request_line.split()
    return sum(a.method == method and a.target == target for a in member.arrivals())


def checked(web: Httpd, member: Any, name: str = "mycluster") -> dict[str, Any]:
    """What the health checker knows of a member: state, cause, checks, failed, text..."""
    found = web.lab_state("/-lab/checks")["members"]
    return next(m for m in found if m["balancer"] == f"balancer://{name}"
                and (m["port"] == member.port if member.port else str(member.path) in m["name"]))


def await_checks(web: Httpd, member: Any, n: int, within: float = 10.0,
                 name: str = "mycluster") -> dict[str, Any]:
    """Until so many checks of the member have ended; returns what is known then."""
    return eventually(lambda: (c := checked(web, member, name))["checks"] >= n and c, within,
                      f"{n} checks of {member!r}")


def steer(web: Httpd, member: Any, do: str) -> None:
    """do: now, pause, resume."""
    status, _ = web.lab_post("/-lab/checks", member=checked(web, member)["name"], do=do)
    assert status == 200


class Listener:
    """A member that speaks something else than HTTP: `serve` gets each accepted socket.

    `with Listener(lab, serve) as member:`; has port and url like a backend.
    """

    path = None

    def __init__(self, lab: Any, serve: Callable[[socket.socket], None], scheme: str,
                 host: str = "127.0.0.1") -> None:
        self.port = lab.port()
        self.url = f"{scheme}://{host}:{self.port}"
        self.serve = serve
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._one, args=(conn,), daemon=True).start()

    def _one(self, conn: socket.socket) -> None:
        with contextlib.suppress(OSError), conn:
            conn.settimeout(10)
            self.serve(conn)

    def __enter__(self) -> "Listener":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def http_over_tls(cert: Path, key: Path) -> Callable[[socket.socket], None]:
    """Each request on a connection is answered with 200; names asked for are in .names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def serve(conn: socket.socket) -> None:
        with context.wrap_socket(conn, server_side=True) as tls:
            pending = b""
            while True:
                while b"\r\n\r\n" not in pending:
                    data = tls.recv(65536)
                    if not data:
                        return
                    pending += data
                pending = pending.partition(b"\r\n\r\n")[2]
                tls.sendall(b"HTTP/1.1 200 OK\r\nX-Backend: tls\r\nContent-Length: 3\r\n\r\nok\n")

    context.sni_callback = lambda _sock, name, _ctx: serve.names.append(name)
    serve.names = []
    return serve
