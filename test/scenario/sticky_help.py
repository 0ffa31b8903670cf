# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of mod_lbx_sticky have in common: balancers in each mode, cookies of answers.

What it is: functions over the lab's parts and core_help.
What it is not: a lab of its own.
"""

from __future__ import annotations

import re
from typing import Any, Sequence

from core_help import balancer_conf, members, routes
from lab import Backend, Client, Httpd, Lab

SUITE = ("core", "sticky")
DOWN = "AH00957|AH01114|AH00959|AH01102|LBX0182"  # what a lost member is worth in the log

# mode: parameters of the balancer, directives, whether members have a route, the member's cookie
MODES: dict[str, tuple[str, str, bool, str]] = {
    "route": ("stickysession=S", "LBXStickyAuto Off", True, "S={seq}.{route}; Path=/"),
    "companion": ("stickysession=S", "", False, "S={seq}; Path=/"),
    "inserted": ("", "LBXStickyCookie LB", False, ""),
    "plain": ("", "LBXStickyCookie LB plain", False, ""),
    "dated": ("", "LBXStickyCookie LB maxidle=10m maxlife=1h", False, ""),
    "learned": ("", "LBXStickyLearn cookie:S", False, "S={seq}id{route}; Path=/"),
    "rewritten": ("stickysession=S", "LBXStickyRewrite On", False, "S={seq}; Path=/"),
}


def sticky(lab: Lab, mode: str = "companion", n: int = 3, params: str = "", more: str = "",
           per_member: str = "", **options: Any) -> tuple[Httpd, list[Backend]]:
    """An httpd whose balancer is sticky in this mode, with members that open sessions."""
    own, directives, routed, cookie = MODES[mode]
    backends = members(lab, n)
    if cookie:
        for backend in backends:
            backend.behave("/", "answer",
                           session=cookie.replace("{route}", f"r{backend.name[1:]}"))
    web = lab.httpd(conf_of(backends, mode, params, more, per_member), suite=SUITE, **options)
    return web, backends


def conf_of(backends: Sequence[Backend], mode: str, params: str = "", more: str = "",
            per_member: str = "") -> str:
    own, directives, routed, _ = MODES[mode]
    conf = balancer_conf(backends, f"{own} {params}".strip(),
                         routes(backends, per_member) if routed else per_member)
    return conf.replace("</Proxy>", f"    {directives}\n    {more}\n</Proxy>")


def set_cookies(answer: Any) -> dict[str, str]:
    """Name -> the rest of the line, of an answer's Set-Cookie fields; the last of a name."""
    return dict(line.split("=", 1) for line in answer.headers.all("Set-Cookie"))


def attributes(line: str) -> dict[str, str]:
    """Path=/x; Secure -> {"path": "/x", "secure": ""}."""
    parts = [part.strip().partition("=") for part in line.split(";")[1:]]
    return {name.lower(): value for name, _, value in parts}


def users(lab: Lab, web: Httpd, n: int) -> dict[Client, str]:
    """n clients that have begun a session, and where."""
    found = {}
    for _ in range(n):
        client = lab.client(web)
        answer = client.get("/")
        assert answer.status == 200, answer
        found[client] = answer.backend
    return found


def where(client: Client, n: int = 1, path: str = "/") -> set[str]:
    answers = [client.get(path) for _ in range(n)]
    assert all(a.status == 200 for a in answers), answers
    return {a.backend for a in answers}


def digits(text: str) -> str:
    return re.sub(r"\D", "", text)
