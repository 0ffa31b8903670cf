# SPDX-License-Identifier: Apache-2.0
"""The load generator's process.

What it is: a program, started by load.py with a JSON plan; users (closed loop) or a clock (open
loop) send requests over keep-alive connections.  It counts in a small shared file while it runs
and writes the result as JSON at the end, also after SIGTERM, which ends it early.
What it is not: importable by tests (use load.Load).
"""

import asyncio
import json
import mmap
import signal
import socket
import struct
import sys
import time

from http1 import Answer, CookieJar

COUNTERS = struct.Struct("6q")  # state (1: running, 2: over), started, done, failed, stale, t0


class User(asyncio.Protocol):
    """One connection at a time, and what belongs to its owner (cookies)."""

    def __init__(self, load, number):
        self.load, self.number = load, number
        self.jar = CookieJar() if load.plan["cookies"] else None
        self.transport = None
        self.current = None
        self.used = 0

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def one(self, n, due=None):
        """Request number n; never raises."""
        record = self.load.begin(n, self.number, due)
        kind = "timeout"
        try:
            kind = await asyncio.wait_for(self._exchange(record), self.load.plan["timeout"])
        except asyncio.TimeoutError:
            self._drop()
        self.load.end(record, kind)

    async def _exchange(self, record):
        plan = self.load.plan
        data, path = self.load.render(record, self)
        for attempt in range(2):
            reused = self.transport is not None and not self.transport.is_closing()
            if not reused:
                self.used = 0
                try:
                    await self.load.loop.create_connection(
                        lambda: self, "127.0.0.1", plan["port"])
                except OSError:
                    return "connect"
            self.answer = Answer(plan["method"], keep_body=False)
            self.current = self.load.loop.create_future()
            self.used += 1
            self.transport.write(data)
            kind = await self.current
            if kind == "closed" and reused and plan["retry_stale"] and attempt == 0:
                self.load.count(stale=1)  # an idle connection that closed under our hands
                continue
            break
        answer = self.answer
        record["status"] = answer.status
        record["backend"] = answer.headers.get("x-backend")
        record["bytes"] = answer.body_bytes
        if kind is None and self.jar is not None:
            self.jar.update(answer.headers, path)
        if kind or answer.close or not plan["keepalive"]:
            self._drop()
        return kind

    def _drop(self):
        self.current = None
        if self.transport:
            self.transport.abort()
            self.transport = None

    def _over(self, kind):
        if self.current and not self.current.done():
            self.current.set_result(kind)

    def data_received(self, data):
        if self.current is None or self.current.done():
            self.transport.abort()
            return
        try:
            if self.answer.feed(data):
                self._over(None)
        except ValueError:
            self._over("garbage")

    def connection_lost(self, exc):
        self.transport = None
        if self.current and not self.current.done():
            if exc is None and self.answer.eof():
                self._over(None)
            elif self.answer.any:
                self._over("truncated")
            else:
                self._over("closed")


class LoadRun:
    def __init__(self, plan, shared):
        self.plan, self.shared = plan, shared
        self.loop = asyncio.get_running_loop()
        self.counts = {"state": 0, "started": 0, "done": 0, "failed": 0, "stale": 0, "t0": 0}
        self.records = []
        self.stop = False
        self.peak = 0

    def count(self, **more):
        for name, value in more.items():
            self.counts[name] += value
        COUNTERS.pack_into(self.shared, 0, *self.counts.values())

    def begin(self, n, user, due):
        self.count(started=1)
        self.peak = max(self.peak, self.counts["started"] - self.counts["done"])
        paths = self.plan["paths"]
        return {"n": n, "id": f"{self.plan['prefix']}-{n}", "user": user,
                "path": paths[n % len(paths)], "start": due or time.monotonic_ns(),
                "status": 0, "backend": None, "bytes": 0}

    def end(self, record, kind):
        record["us"] = (time.monotonic_ns() - record["start"]) // 1000
        record["error"] = kind
        self.records.append(record)
        self.count(done=1, failed=1 if kind else 0)

    def render(self, record, user):
        plan, n = self.plan, record["n"]
        lines = [f"{plan['method']} {record['path']} HTTP/1.1"]
        headers = {"Host": "localhost", **plan["headers"]}
        if plan["ids"]:
            headers["X-Request-Id"] = record["id"]
        if not plan["keepalive"]:
            headers["Connection"] = "close"
        if user.jar is not None and (cookie := user.jar.header(record["path"])):
            headers["Cookie"] = cookie
        body = plan["body"].encode("latin-1") if plan["body"] is not None else b""
        if plan["body"] is not None:
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            if isinstance(value, list):
                value = value[n % len(value)]
            value = value.replace("{n}", str(n)).replace("{user}", str(user.number))
            lines.append(f"{name}: {value}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body, record["path"]

    async def closed_loop(self):
        todo = iter(range(self.plan["requests"]))
        until = time.monotonic() + (self.plan["seconds"] or float("inf"))

        async def work(user):
            for n in todo:
                if self.stop or time.monotonic() >= until:
                    break
                await user.one(n)
            user._drop()

        await asyncio.gather(*(work(User(self, i)) for i in range(self.plan["connections"])))

    async def open_loop(self):
        """Requests start when the clock says so; latency counts from that moment."""
        rate, total = self.plan["rate"], int(self.plan["rate"] * self.plan["seconds"])
        free = [User(self, i) for i in reversed(range(self.plan["connections"]))]
        users, waiting, tasks = list(free), [], set()
        start = time.monotonic_ns()

        async def work(user, n, due):
            await user.one(n, due)
            while waiting and not self.stop:
                await user.one(*waiting.pop(0))
            free.append(user)

        for n in range(total):
            due = start + int(n * 1e9 / rate)
            late = (due - time.monotonic_ns()) / 1e9
            if late > 0:
                await asyncio.sleep(late)
            if self.stop:
                break
            if free:
                task = self.loop.create_task(work(free.pop(), n, due))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            else:
                waiting.append((n, due))
        if tasks:
            await asyncio.gather(*tasks)
        for user in users:
            user._drop()

    async def run(self):
        def end_early():
            self.stop = True
        self.loop.add_signal_handler(signal.SIGTERM, end_early)
        self.count(state=1, t0=time.monotonic_ns())
        await (self.open_loop() if self.plan["rate"] else self.closed_loop())
        seconds = (time.monotonic_ns() - self.counts["t0"]) / 1e9
        with open(self.plan["result"], "w", encoding="ascii") as f:
            json.dump({"records": self.records, "seconds": seconds, "peak": self.peak,
                       "stale": self.counts["stale"]}, f)
        self.count(state=1)


async def main():
    with open(sys.argv[1], encoding="ascii") as f:
        plan = json.load(f)
    with open(plan["shared"], "r+b") as f, mmap.mmap(f.fileno(), COUNTERS.size) as shared:
        await LoadRun(plan, shared).run()


if __name__ == "__main__":
    asyncio.run(main())
