# SPDX-License-Identifier: Apache-2.0
"""200 users with 20 requests each, in every mode of stickiness, over three children: a graceful
reload and a killed child in between, and no request at a wrong member.

    make soak T=sticky        LBX_USERS=200 users, LBX_REQUESTS=20 requests each

A request that the kill has cut is made again by its user, as browsers do.
Not here: the same with fewer (test_sticky_01_modes.py), members that die.
"""
from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import Any, Callable, NamedTuple

from soak_help import NOISE, Promises, run

from core_help import balancer_conf, members, routes
from lab import Lab, eventually
from lab.program import Program
from sticky_help import SUITE

USERS = int(os.environ.get("LBX_USERS", "200"))
REQUESTS = int(os.environ.get("LBX_REQUESTS", "20"))
THREADS = 20
SESSION = "S={seq}of{name}; Path=/"


def by_cookie(user: "User") -> dict[str, Any]:
    return {}


def by_path(user: "User") -> dict[str, Any]:
    return {"path": f"/page;S={user.session}" if user.session else "/page", "cookies": False}


def by_query(user: "User") -> dict[str, Any]:
    return {"path": f"/page?a=1&S={user.session}" if user.session else "/page", "cookies": False}


def by_header(user: "User") -> dict[str, Any]:
    return {"headers": {"X-Session": user.session} if user.session else {}}


def by_own_id(user: "User") -> dict[str, Any]:
    return {"path": f"/page;sid=user-{user.number}"}


class Mode(NamedTuple):
    balancer: str               # parameters of the balancer
    directive: str
    routed: bool                # members have route=
    cookie: str                 # what a member opens a session with
    carry: Callable = by_cookie
    header: str = ""            # ... in X-Session
    store: str = ""             # a program that keeps the sessions


MODES = {
    "route in the cookie": Mode("stickysession=S", "LBXStickyAuto Off", True, "S={seq}.{route}; Path=/"),
    "route in the path": Mode("stickysession=S", "LBXStickyAuto Off", True, "S={seq}.{route}; Path=/", by_path),
    "route in the query": Mode("stickysession=S", "LBXStickyAuto Off", True, "S={seq}.{route}; Path=/", by_query),
    "companion": Mode("stickysession=S", "", True, SESSION),
    "companion, no routes (the guide)": Mode("stickysession=JSESSIONID", "", False,
                                             "JSESSIONID={seq}of{name}; Path=/; HttpOnly"),
    "inserted": Mode("", "LBXStickyCookie LB", False, ""),
    "inserted, plain": Mode("", "LBXStickyCookie LB plain", False, ""),
    "inserted, dated": Mode("", "LBXStickyCookie LB maxidle=10m maxlife=1h", False, ""),
    "rewritten": Mode("stickysession=S", "LBXStickyRewrite On", False, SESSION),
    "learned from a cookie": Mode("", "LBXStickyLearn cookie:S", False, SESSION),
    "learned from a header": Mode("", "LBXStickyLearn header:X-Session", False, "", by_header,
                                  "{seq}of{name}"),
    "learned from the path": Mode("", "LBXStickyLearn path:sid", False, "", by_own_id),
    "learned, shmcb": Mode("", "LBXStickyLearn cookie:S store=shmcb", False, SESSION, store="shmcb"),
    "learned, redis": Mode("", "LBXStickyLearn cookie:S store=redis:127.0.0.1:{port}", False, SESSION,
                           store="redis"),
    "learned, memcached": Mode("", "LBXStickyLearn cookie:S store=memcache:127.0.0.1:{port}", False,
                               SESSION, store="memcache"),
}

PROGRAMS = {
    "redis": ["redis-server", "--bind", "127.0.0.1", "--save", "", "--port"],
    "memcache": ["memcached", "-l", "127.0.0.1", "-u", "nobody", "-p"],
}


class User:
    """One that goes on with its session; `at`: who has answered."""

    def __init__(self, number: int, client: Any, mode: Mode) -> None:
        self.number, self.client, self.mode = number, client, mode
        self.at: set[str] = set()
        self.session = ""
        self.cut = 0

    def ask(self) -> None:
        for _ in range(3):
            answer = self.client.get(**{"path": "/page", **self.mode.carry(self)})
            if answer.raw_close is None:
                break
            self.cut += 1
        assert answer.status == 200, answer
        self.at.add(answer.backend)
        if not self.session:
            opened = answer.headers.get("X-Session") or answer.headers.get("Set-Cookie") or ""
            self.session = opened.partition("; ")[0].partition("=")[2] or opened


class Crowd:
    """Users on THREADS threads; each thread's take turns."""

    def __init__(self, users: list[User]) -> None:
        self.users = users
        self.done = 0
        self.errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._serve, args=(users[i::THREADS],))
                         for i in range(THREADS)]

    def _serve(self, users: list[User]) -> None:
        try:
            for _ in range(REQUESTS):
                for user in users:
                    user.ask()
                    with self._lock:
                        self.done += 1
        except BaseException as exc:  # told in the verdict
            self.errors.append(exc)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def reached(self, share: float) -> bool:
        return bool(self.errors) or self.done >= share * len(self.users) * REQUESTS

    def wait(self) -> None:
        for thread in self._threads:
            thread.join(120)


def start(lab: Lab, mode: Mode, port: int) -> tuple[Any, str]:
    backends = members(lab, 3)
    for backend in backends:
        filled = {"{route}": f"r{backend.name[1:]}", "{name}": backend.name}
        cookie, header = mode.cookie, mode.header
        for key, value in filled.items():
            cookie, header = cookie.replace(key, value), header.replace(key, value)
        options: dict[str, Any] = {"session": cookie} if cookie else {}
        if header:
            options["headers"] = {"X-Session": header}
        backend.behave("/", "answer", **options)
    conf = balancer_conf(backends, mode.balancer, routes(backends) if mode.routed else "")
    conf = conf.replace("</Proxy>", f"    {mode.directive.replace('{port}', str(port))}\n</Proxy>")
    web = lab.httpd(conf, suite=SUITE, children=3, threads=100,
                    modules=[f"socache_{mode.store}"] if mode.store else [])
    web.expect_log(NOISE + "|LBX0319")
    return web, conf


def stay(lab: Lab, promises: Promises, mode: Mode) -> None:
    port = lab.ports.take()
    program = (Program(mode.store, lab.dir, [*PROGRAMS[mode.store], port], [port])
               if mode.store in PROGRAMS else contextlib.nullcontext())
    with program:
        web, conf = start(lab, mode, port)
        crowd = Crowd([User(n, lab.client(web), mode) for n in range(USERS)])
        crowd.start()
        eventually(lambda: crowd.reached(0.3), 60, "a third of the requests")
        if mode.store != "shmcb":  # which begins empty then, as is said at configtest
            web.graceful(conf, need=1)
        eventually(lambda: crowd.reached(0.6), 60, "two thirds of them")
        web.kill_child()
        crowd.wait()
        moved = [user.number for user in crowd.users if len(user.at) != 1]
        homes = [sum(backend.name in user.at for user in crowd.users) for backend in lab.backends]
        promises.keep("requests answered", crowd.done,
                      crowd.done == USERS * REQUESTS and not crowd.errors)
        for error in crowd.errors[:1]:
            promises.keep("error", error, False)
        promises.keep("users that were at a wrong member", len(moved), not moved)
        promises.keep("users of each member", homes, min(homes) >= USERS / 3 * 0.8)
        promises.keep("asked again after the kill", sum(u.cut for u in crowd.users), True)
        web.stop()


def part(name: str) -> Callable[[Lab, Promises], None]:
    def one(lab: Lab, promises: Promises) -> None:
        stay(lab, promises, MODES[name])
    one.__doc__ = name
    return one


if __name__ == "__main__":
    sys.exit(run(*[part(name) for name in MODES if not sys.argv[1:] or sys.argv[1] in name]))
