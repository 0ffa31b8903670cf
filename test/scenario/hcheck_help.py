# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of active checks have in common.

What it is: configurations and what the suite thinks of a member.
What it is not: a lab of its own (the package lab/), nor requests (core_help).
"""

from __future__ import annotations

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
