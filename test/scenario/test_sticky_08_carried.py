# SPDX-License-Identifier: Apache-2.0
"""Sessions that are carried in other ways than cookies, or remembered in a store of others.

What it is: a lost member's users move once and stay, or are refused with nofailover=On, nobody
else is concerned; nodes that share a store know each other's sessions, and do without it.
What it is not: the same for sessions in cookies (test_sticky_01_modes.py).
"""

import collections
import contextlib
import shutil

import pytest

from core_help import balancer_conf, members, routes
from lab.program import Program
from sticky_help import DOWN, SUITE

STORES = {"redis": ["redis-server", "--bind", "127.0.0.1", "--save", "", "--port"],
          "memcache": ["memcached", "-l", "127.0.0.1", "-u", "nobody", "-p"]}
KEY = "LBXStickyKey a-secret-that-nodes-share"


def needs(store):
    program = STORES[store][0]
    return pytest.param(store, marks=pytest.mark.skipif(not shutil.which(program),
                                                        reason=f"no {program}"))


ROUTED, LEARNED = "LBXStickyAuto Off", "LBXStickyLearn "
CARRIED = {  # directive, what a member's answer opens a session with, how it is carried
    "path": (ROUTED, {"Set-Cookie": "S={seq}.{name}"}, lambda s: (f";S={s}", {})),
    "query": (ROUTED, {"Set-Cookie": "S={seq}.{name}"}, lambda s: (f"?a=1&S={s}", {})),
    "header": (LEARNED + "header:X-Session", {"X-Session": "{seq}of{name}"},
               lambda s: ("", {"X-Session": s})),
    "learned path": (LEARNED + "path:S", {"Set-Cookie": "S={seq}of{name}"},
                     lambda s: (f";S={s}", {})),
    "shmcb": (LEARNED + "cookie:S store=shmcb", {"Set-Cookie": "S={seq}of{name}"},
              lambda s: ("", {"Cookie": f"S={s}"})),
}


class User:
    """One with a session.  Keeps it when another member opens a new one, unless the route is in
    it: applications with that give their pages new links."""

    def __init__(self, client, path, carry, session=None):
        self.client, self.path, self.carry, self.session = client, path, carry, session
        self.home = None  # who answered last

    def get(self):
        tail, headers = self.carry(self.session) if self.session else ("", {})
        answer = self.client.get(self.path + tail, headers=headers, cookies=False)
        if answer.status == 200:
            opened = answer.headers.get("X-Session") or answer.headers["Set-Cookie"][2:]
            if not self.session or ("." in opened and answer.backend != self.home):
                self.session = opened
            self.home = answer.backend
        return answer

    def stays(self, n=2):
        """The one that answers n requests."""
        found = {self.get().backend for _ in range(n)}
        assert len(found) == 1, f"it moves: {found}"
        return self.home


def open_sessions(backends, headers):
    for backend in backends:
        named = {key: value.replace("{name}", backend.name) for key, value in headers.items()}
        backend.behave("/", "answer", headers=named)


def balancer(backends, directive, name, path, more=""):
    sticky = "stickysession=S " if directive == ROUTED else ""
    own = [f"{route.replace('=r', '=b')} retry=0" for route in routes(backends)]
    return balancer_conf(backends, f"{sticky}{more}".strip(), own, name=name, path=path).replace(
        "</Proxy>", f"    {directive}\n    {KEY}\n</Proxy>")


@pytest.mark.parametrize("way", CARRIED)
def test_a_lost_members_users_move_once_or_are_refused(lab, way):
    directive, headers, carry = CARRIED[way]
    backends = members(lab, 3)
    open_sessions(backends, headers)
    web = lab.httpd(balancer(backends, directive, "lenient", "/a/")
                    + balancer(backends, directive, "strict", "/b/", "nofailover=On"),
                    suite=SUITE, modules=["socache_shmcb"])
    web.expect_log(f"{DOWN}|LBX0160|LBX0319")
    lenient, strict = ([User(lab.client(web), path, carry, f"{path[1]}{n}" if "learned" in way else "")
                        for n in range(6)] for path in ("/a/x", "/b/x"))
    for user in lenient + strict:
        user.get()
        user.began = user.home
        assert user.stays() == user.began
    for users in (lenient, strict):
        assert sorted(collections.Counter(u.began for u in users).values()) == [2, 2, 2]
    backends[0].refuse()
    for user in strict:
        assert [user.get().status for _ in range(2)] == ([503] * 2 if user.began == "b1" else [200] * 2)
    for user in lenient:
        user.moved = user.stays(3)
        assert user.moved != "b1" and user.began in ("b1", user.moved), "nobody else moves"
    backends[0].accept_again()
    for user in lenient:
        assert user.stays() == user.moved
    for user in strict:
        assert user.stays() == user.began, "whoever was refused is at home again"


# -- a store that nodes share

@contextlib.contextmanager
def nodes(lab, store, n=2):
    """Nodes with one store, their members, and the store's program."""
    port = lab.ports.take()
    backends = members(lab, 3)
    open_sessions(backends, {"X-Session": "{seq}of{name}"})
    directive = f"LBXStickyLearn header:X-Session store={store}:127.0.0.1:{port}"
    conf = balancer(backends, directive, "mycluster", "/")
    conf += 'Header always set X-Sticky "expr=%{reqenv:LBX_STICKY}"\n'
    with Program(store, lab.dir, [*STORES[store], port], [port]) as program:
        webs = [lab.httpd(conf, suite=SUITE, modules=[f"socache_{store}"]) for _ in range(n)]
        for web in webs:
            web.expect_log(DOWN)
        yield webs, backends, program
        for web in webs:
            web.stop()  # before what they use


@pytest.mark.parametrize("store", [needs("redis"), needs("memcache")])
def test_nodes_know_each_others_sessions(lab, store):
    carry = CARRIED["header"][2]
    with nodes(lab, store) as ((one, two), backends, _):
        users = [User(lab.client(one), "/", carry) for _ in range(6)]
        for user in users:
            user.get()
            user.began = user.home
        for user in users:
            user.client = lab.client(two)
            assert user.stays() == user.began
            assert user.get().headers["X-Sticky"] == "match"
        backends[0].refuse()
        for user in users:
            user.moved = user.stays(1)
        backends[0].accept_again()
        for user in users:
            user.client = lab.client(one)
            assert user.stays() == user.moved, "who moved there has moved here"
            assert (user.moved == user.began) == (user.began != "b1")
        assert sorted(collections.Counter(u.began for u in users).values()) == [2, 2, 2]


@pytest.mark.parametrize("store", [needs("redis"), needs("memcache")])
def test_without_the_store_everybody_is_new(lab, store):
    carry = CARRIED["header"][2]
    with nodes(lab, store, 1) as ((web,), _, program):
        web.expect_log("socache_redis|socache_memcache|AH0[0-9]*: .*(redis|memcache|scache)")
        user = User(lab.client(web), "/", carry)
        user.get()
        assert user.get().headers["X-Sticky"] == "match"
        program.close()
        answers = [user.get() for _ in range(4)]
        assert {a.status for a in answers} == {200}, answers
        assert {a.headers["X-Sticky"] for a in answers} == {"new"}
        assert max(a.elapsed for a in answers) < 5
