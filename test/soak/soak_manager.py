# SPDX-License-Identifier: Apache-2.0
"""Operators without pause: editors with If-Match, members that come and go, checks that change, while
requests run, the server reloads and children are killed.  No update is lost, no answer is one that
the manual does not know, no client notices, and a stop keeps everything.

    make soak T=manager          LBX_SECONDS=40

Not here: one change at a time (test_manager_*.py).
"""
import collections
import os
import random
import sys
import threading
import time

from soak_help import NOISE, run, until

from core_help import members
from lab import eventually
from manager_help import SUITE, balancer, call, conf, get, member
from page_help import posted

SECONDS = int(os.environ.get("LBX_SECONDS", "40"))
EXPRS = "ProxyHCExpr fine {%{REQUEST_STATUS} == 200}\nProxyHCExpr other {hc('body') =~ /b/}\n"
KNOWN = {200, 201, 202, 404, 409, 412, 503}


class Operators:
    """Threads that change things until `end`; what they were answered."""

    def __init__(self, web, backends, spare, end):
        self.web, self.backends, self.spare, self.end = web, backends, spare, end
        self.answers = collections.Counter()
        self.cut = 0  # a child was killed: nobody knows
        self.done = self.unsure = 0
        self.lock = threading.Lock()
        self.trouble = []
        self.paths = {b.name: f"/balancers/mycluster/members/{member(web, b)['id']}" for b in backends}
        work = [self.count] * 6 + [self.checks] * 2 + [self.come_and_go] * 2 + [self.by_form]
        self.threads = [threading.Thread(target=self.loop, args=(f, n)) for n, f in enumerate(work)]

    def loop(self, what, seed):
        rng = random.Random(seed)
        while time.monotonic() < self.end:
            try:
                what(rng)
            except Exception as exc:  # reported at the end
                with self.lock:
                    self.trouble.append(f"{what.__name__}: {exc!r:.200}")

    def ask(self, *args, **kw):
        """An answer; None: the connection was cut, or the server has just gone for a reload."""
        try:
            answer = call(self.web, *args, **kw)
        except OSError:
            answer = None
        with self.lock:
            if answer is None or not answer.status or answer.raw_close:
                self.cut += 1
                return None
            self.answers[answer.status] += 1
        return answer

    def count(self, rng):
        """One more, on the condition that nobody was faster."""
        path = self.paths["b2"]
        seen = self.ask("GET", path)
        if not seen or seen.status != 200:
            return
        body = {"maxconn": seen.json()["member"]["maxconn"] + 1}
        answer = self.ask("PATCH", path, body, {"If-Match": seen.headers["ETag"]})
        with self.lock:
            self.done += answer is not None and answer.status == 200
            self.unsure += answer is None

    def checks(self, rng):
        self.ask("PATCH", self.paths[rng.choice(("b3", "b4"))], {
            "hcmethod": rng.choice(("NONE", "TCP", "GET", "HEAD11")), "hcuri": rng.choice(("/x", None)),
            "hcinterval": rng.choice((0.1, 0.2)), "hcexpr": rng.choice((None, "fine", "other")),
            "hcfails": rng.randrange(1, 4)})

    def come_and_go(self, rng):
        new = rng.choice(self.spare)
        self.ask("POST", "/balancers/mycluster/members", {"url": new.url, "route": "x"})
        found = self.ask("GET", "/balancers/mycluster/members")
        for m in found.json()["members"] if found and found.status == 200 else ():
            if m["name"] == new.url and rng.randrange(4):
                self.ask("DELETE", f"/balancers/mycluster/members/{m['id']}")

    def by_form(self, rng):
        try:
            posted(self.web, {"w": rng.choice(self.backends[2:]).url, rng.choice(
                ("w_status_C", "w_status_D", "w_status_N")): rng.choice("01")})
        except (OSError, AssertionError, IndexError):
            pass  # cut


def settle(web):
    """All that an operator can decide, by member."""
    return {m["name"]: [m[k] for k in m["configured"]] + [m["params"]]
            for m in balancer(web)["members"] if m["state"] != "retired"}


def operators(lab, promises):
    """Eleven operators, a reload every 5 s, a child killed every 3 s, 100 requests a second."""
    backends = members(lab, 4)
    spare = [lab.backend(f"s{i}") for i in range(3)]
    web = lab.httpd("BalancerPersist On\n" + EXPRS + conf(backends, "", "hcmethod=TCP hcinterval=200ms"),
                    children=3, threads=25, suite=(*SUITE, "hcheck"), modules=("watchdog",))
    web.expect_log(NOISE + "|LBX0122|AH00052|AH00051|LBX0171|LBX0511|LBX0512")
    start = time.monotonic()
    load = lab.load(web, rate=100, seconds=SECONDS, connections=8).start()
    ops = Operators(web, backends, spare, start + SECONDS)
    for thread in ops.threads:
        thread.start()
    killed = reloads = 0
    for second in range(1, SECONDS):
        until(start, second)
        if second % 5 == 0:
            web.graceful(need=1)
            reloads += 1
        elif second % 3 == 0:
            web.kill_child()
            killed += 1
    for thread in ops.threads:
        thread.join()
    result = load.wait()
    lost = [s for s in result.failed if s.status]
    print(f"  {reloads} reloads, {killed} killed children, answers: {dict(sorted(ops.answers.items()))}, "
          f"cut: {ops.cut}")
    promises.keep("answers that the manual does not know", sorted(set(ops.answers) - KNOWN),
                  set(ops.answers) <= KNOWN)
    promises.keep("trouble", ops.trouble[:3], not ops.trouble)
    count = member(web, backends[1])["maxconn"]
    promises.keep("updates done, unsure, found", (ops.done, ops.unsure, count),
                  ops.done <= count <= ops.done + ops.unsure and ops.done > 20)
    promises.keep("requests, of them answered with an error", (result.done, len(lost)), not lost)
    before = settle(web)
    web.stop()
    web.start()
    eventually(lambda: get(web, "/balancers"), 10)
    after = settle(web)
    promises.keep("members and values after a stop", len(after), before == after)
    for name in {*before, *after}:
        if before.get(name) != after.get(name):
            print(f"    {name}\n      {before.get(name)}\n      {after.get(name)}")


if __name__ == "__main__":
    sys.exit(run(operators))
