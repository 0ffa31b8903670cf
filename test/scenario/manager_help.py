# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of the manager's JSON interface and metrics have in common.

What it is: an httpd with the manager at /balancer-manager, calls of its JSON interface.
What it is not: the legacy page and form (their scenarios post them themselves).
"""

from __future__ import annotations

import json
import threading
from typing import Any, Mapping

from lab import Backend, Client, Httpd, Lab, Response

from core_help import balancer_conf, members

API = "/balancer-manager/-/api/v1"
SUITE = ("core", "sticky", "manager")
LOCATION = '''<Location "/balancer-manager">
    ProxyPass "!"
    SetHandler balancer-manager
    %s
</Location>
'''


def conf(backends: list[Backend], params: str = "", per_member: Any = "",
         location: str = "", **kw: Any) -> str:
    return LOCATION % location + balancer_conf(backends, params, per_member, **kw)


def manager(lab: Lab, n: int = 3, params: str = "", per_member: Any = "", more: str = "",
            **options: Any) -> tuple[Httpd, list[Backend]]:
    backends = members(lab, n)
    location, path = options.pop("location", ""), options.pop("path", "/")
    web = lab.httpd(conf(backends, params, per_member, location, path=path) + more,
                    suite=options.pop("suite", SUITE), **options)
    return web, backends


def call(to: Httpd | Client, method: str, path: str, data: Any = None,
         headers: Mapping[str, str] | None = None, **kw: Any) -> Response:
    """One request to the JSON interface; data: what becomes the body."""
    given = dict(headers or {})
    body = None
    if data is not None:
        given.setdefault("Content-Type", "application/json")
        body = data if isinstance(data, (str, bytes)) else json.dumps(data)
    client = to if isinstance(to, Client) else Client(to.port, keepalive=False)
    try:
        return client.request(method, API + path, body, headers=given, **kw)
    finally:
        if client is not to:
            client.close()


def get(to: Httpd | Client, path: str) -> Any:
    answer = call(to, "GET", path)
    assert answer.status == 200, answer
    assert answer.headers.get("Content-Type") == "application/json"
    return answer.json()


def balancer(to: Httpd | Client, name: str = "mycluster") -> dict[str, Any]:
    return get(to, f"/balancers/{name}")["balancer"]


def member(to: Httpd | Client, backend: Backend, name: str = "mycluster") -> dict[str, Any]:
    return next(m for m in balancer(to, name)["members"] if m["name"] == backend.url)


def path_of(to: Httpd | Client, backend: Backend, name: str = "mycluster") -> str:
    return f"/balancers/{name}/members/{member(to, backend, name)['id']}"


def error(answer: Response, status: int, field: str | None = None) -> str:
    """The message of an answer that must be an error of this kind."""
    assert answer.status == status, answer
    assert answer.headers.get("Content-Type") == "application/json", answer
    told = answer.json()["error"]
    assert told["status"] == status and told["code"] and told["message"], told
    assert told.get("field") == field, told
    return told["message"]


class Later(threading.Thread):
    """A call that takes its time."""

    def __init__(self, *args, **kw):
        super().__init__(daemon=True)
        self.how = args, kw
        self.answer = None
        self.start()

    def run(self):
        args, kw = self.how
        self.answer = call(*args, **kw)
