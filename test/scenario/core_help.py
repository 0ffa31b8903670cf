# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of the core have in common: configurations, requests, the suite's own counts.

What it is: functions over the lab's parts; `members` are always the lab's backends, in the order
in which the configuration has them.
What it is not: a lab of its own; whatever starts, waits or judges is in the package lab/.
"""

from __future__ import annotations

import collections
import re
from typing import Any, Mapping, Sequence

from lab import Backend, Client, Httpd, Lab, eventually


def members(lab: Lab, n: int = 3) -> list[Backend]:
    """Backends "b1", "b2"..., which name themselves in each answer (response.backend)."""
    return [lab.backend(f"b{i}") for i in range(1, n + 1)]


def balancer_conf(members: Sequence[Backend], params: str = "",
                  per_member: str | Sequence[str] = "", name: str = "mycluster",
                  path: str = "/", pass_params: str = "") -> str:
    """<Proxy balancer://name> with all members, and the ProxyPass of `path` to it.

    params: of the balancer ("lbmethod=bytraffic stickysession=S"); per_member: of every member
    ("retry=1"), or a list with one text for each; path="": no ProxyPass.
    """
    each = [per_member] * len(members) if isinstance(per_member, str) else list(per_member)
    assert len(each) == len(members), f"{len(members)} members, but {len(each)} per_member"
    lines = [f'<Proxy "balancer://{name}">']
    lines += [f'    BalancerMember "{m.url}" {own}'.rstrip() for m, own in zip(members, each)]
    lines += [f"    ProxySet {params}"] if params else []
    lines += ["</Proxy>"]
    if path:
        to = "/" if path.endswith("/") else ""
        lines += [f'ProxyPass "{path}" "balancer://{name}{to}" {pass_params}'.rstrip()]
    return "\n".join(lines) + "\n"


def routes(members: Sequence[Backend], more: str = "") -> list[str]:
    """per_member= that gives b1 route=r1, b2 route=r2..."""
    return [f"route=r{m.name[1:]} {more}".rstrip() for m in members]


# -- requests

def who(to: Client | Httpd, n: int, path: str = "/", **kw: Any) -> list[str]:
    """The backends that answered n requests one after the other; all of them have to be 200."""
    found = []
    for _ in range(n):
        answer = to.get(path, **kw)
        assert answer.status == 200, answer
        found.append(answer.backend)
    return found


def hold(lab: Lab, web: Httpd, path: str = "/", headers: Mapping[str, str] | None = None
         ) -> Client:
    """A request that stays in flight, at a member chosen already, until finish(): the last byte
    of its body is missing.  Returns when the suite counts it."""
    before = sum(total_in_flight(web))
    client = lab.client(web)
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", "Content-Length: 2",
             *(f"{name}: {value}" for name, value in (headers or {}).items())]
    client.send(("\r\n".join(lines) + "\r\n\r\nx").encode())
    eventually(lambda: sum(total_in_flight(web)) == before + 1, what="the held request is counted")
    return client


def finish(client: Client) -> str:
    """The end of a held request; returns the backend's name."""
    client.send(b"y")
    answer = client.recv(1 << 20).decode("latin-1")
    client.close()
    assert answer.startswith("HTTP/1.1 200 "), answer
    return re.search(r"(?im)^X-Backend: (\S+)", answer)[1]


def windows(found: Sequence[str], size: int) -> list[dict[str, int]]:
    """How often each backend is in any `size` answers that follow each other."""
    return [dict(collections.Counter(found[i:i + size])) for i in range(len(found) - size + 1)]


# -- the suite's own view

def balancer_state(web: Httpd, name: str = "mycluster") -> dict[str, Any]:
    """One balancer as the lab module tells it: method, requests, failovers, refused, members..."""
    return next(b for b in web.lab_state()["balancers"] if b["name"] == f"balancer://{name}")


def member_state(web: Httpd, member: Backend, name: str = "mycluster") -> dict[str, Any]:
    """One member: elected, in_flight, inelig (0: usable), health, error_at_us, failures, run..."""
    return next(m for m in balancer_state(web, name)["members"]
                if (str(member.path) in m["name"] if member.path else m["port"] == member.port))


def elected(web: Httpd, name: str = "mycluster") -> list[int]:
    """How often each member was chosen, in the order of the configuration."""
    return [m["elected"] for m in balancer_state(web, name)["members"]]


def total_in_flight(web: Httpd) -> list[int]:
    """Of all members of all balancers."""
    return [m["in_flight"] for b in web.lab_state()["balancers"] for m in b["members"]]


def in_flight(web: Httpd, name: str = "mycluster") -> list[int]:
    return [m["in_flight"] for m in balancer_state(web, name)["members"]]


def await_idle(web: Httpd, name: str = "mycluster", within: float = 5.0) -> None:
    """Wait until the suite counts no request in flight any more."""
    eventually(lambda: not any(in_flight(web, name)), within, f"balancer://{name} is idle")


def change(web: Httpd, member: Backend | None, field: str, value: Any, name: str = "mycluster"
           ) -> None:
    """Change a field of a member (of the balancer when None) as the manager would."""
    target = member_state(web, member, name)["name"] if member else ""
    status, reply = web.lab_post(balancer=f"balancer://{name}", member=target, field=field,
                                 value=value)
    assert status == 200 and reply["rc"] == 0, reply
