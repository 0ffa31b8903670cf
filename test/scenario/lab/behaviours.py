# SPDX-License-Identifier: Apache-2.0
"""What a backend does with a request: the kinds of behaviour and the choice between them.

What it is: part of the backend's own process (see backend_server.py, which has the HTTP side).
A rule binds a kind to a path prefix; the longest prefix wins, among equals the newest.
What it is not: used by the tests directly; they say backend.behave(path, kind, ...).
"""

import functools
import random

REASONS = {200: "OK", 201: "Created", 204: "No Content", 301: "Moved Permanently", 302: "Found",
           304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 408: "Request Timeout", 429: "Too Many Requests",
           500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
           504: "Gateway Timeout"}

OPTIONS = {
    # session: a Set-Cookie line for requests without that cookie; {seq}, also in headers, is a
    # number of its own
    "answer": {"status", "headers", "body", "size", "delay_ms", "framing", "close", "session"},
    "echo": {"status", "headers", "delay_ms", "framing", "close"},
    "hang": set(),
    "reset": {"delay_ms"},
    "close": {"delay_ms"},
    "half": {"status", "headers", "body", "size", "delay_ms", "fraction", "end", "framing"},
    "half_head": {"delay_ms", "end"},
    "trickle": {"status", "headers", "body", "size", "delay_ms", "bytes", "every_ms", "framing"},
    "garbage": {"data", "delay_ms", "end"},
    "upgrade": {"delay_ms"},
}
COMMON = {"times", "p", "seed", "at"}


@functools.lru_cache(64)
def filler(size):
    """`size` bytes that show where they come from in the body when one looks at them."""
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


class Rule:
    def __init__(self, prefix, kind, options):
        if kind not in OPTIONS:
            raise ValueError(f"unknown kind of behaviour: {kind!r}, not in {sorted(OPTIONS)}")
        unknown = set(options) - OPTIONS[kind] - COMMON
        if unknown:
            raise ValueError(f"{kind!r} does not know {sorted(unknown)}")
        self.prefix = prefix
        self.kind = kind
        self.options = options
        self.left = options.get("times")
        self.p = options.get("p", 1.0)
        self.random = random.Random(options.get("seed", 1))
        # "head": act as soon as the request's head is there; "body": once all of it was read
        self.at = options.get("at", "head" if kind == "reset" else "body")

    def delay(self):
        """Seconds before the behaviour shows; [low, high] draws from the rule's own seed."""
        value = self.options.get("delay_ms", 0)
        if isinstance(value, list):
            value = self.random.uniform(*value)
        return value / 1000


NORMAL = Rule("/", "answer", {})


class Rules:
    def __init__(self):
        self._rules = []

    def add(self, rule):
        if rule.left is None and rule.p >= 1:
            self.remove(rule.prefix)
        self._rules.insert(0, rule)
        self._rules.sort(key=lambda r: -len(r.prefix))  # stable: the newest first among equals

    def remove(self, prefix=None):
        self._rules = [r for r in self._rules if prefix is not None and r.prefix != prefix]

    def pick(self, path):
        for rule in self._rules:
            if path.startswith(rule.prefix):
                if rule.p < 1 and rule.random.random() >= rule.p:
                    continue
                if rule.left is not None:
                    rule.left -= 1
                    if rule.left <= 0:
                        self._rules.remove(rule)
                return rule
        return NORMAL


def act(conn, rule):
    """Do with the connection's current request what the rule says."""
    delay = rule.delay() + conn.request.number("delay") / 1000
    if delay > 0:
        conn.later(delay, _KINDS[rule.kind], conn, rule.options)
    else:
        _KINDS[rule.kind](conn, rule.options)


def _answer(conn, opt):
    conn.answer(opt, _body(conn, opt))


def _echo(conn, opt):
    conn.answer(opt, bytes(conn.request.body))


def _hang(conn, opt):
    """The request stays in flight until the other side gives up."""


def _end(conn, opt, default="close"):
    if opt.get("end") == "hang":
        return
    conn.finish_cut()
    if opt.get("end", default) == "rst":
        conn.reset()
    else:
        conn.transport.close()


def _half(conn, opt):
    body = _body(conn, opt) or filler(1000)
    head, payload = conn.message({**opt, "size": len(body)}, body)
    conn.write(head + payload[:max(1, int(len(payload) * opt.get("fraction", 0.5)))])
    _end(conn, opt)


def _half_head(conn, opt):
    conn.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Le")
    _end(conn, opt)


def _garbage(conn, opt):
    conn.write(opt.get("data", "\x00\x01 this is no HTTP \x7f\xff\r\n\r\n").encode("latin-1"))
    _end(conn, opt)


def _trickle(conn, opt):
    step, every = opt.get("bytes", 1), opt.get("every_ms", 10) / 1000
    head, payload = conn.message(opt, _body(conn, opt))
    conn.write(head)

    def more(at):
        conn.write(payload[at:at + step])
        if at + step < len(payload):
            conn.later(every, more, at + step)
        else:
            conn.finish()

    if payload:
        more(0)
    else:
        conn.finish()


def _upgrade(conn, opt):
    conn.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
               + (conn.request.headers.get("upgrade") or "echo").encode("latin-1")
               + f"\r\nX-Backend: {conn.server.name}\r\n\r\n".encode("latin-1"))
    conn.start_echo()


def _body(conn, opt):
    request = conn.request
    if "size" in request.query:
        return filler(request.number("size"))
    if "size" in opt:
        return filler(opt["size"])
    if "body" in opt:
        return opt["body"].encode("utf-8")
    return conn.server.default_body


_KINDS = {"answer": _answer, "echo": _echo, "hang": _hang, "half": _half,
          "half_head": _half_head, "garbage": _garbage, "trickle": _trickle, "upgrade": _upgrade,
          "reset": lambda conn, opt: _end(conn, {"end": "rst"}),
          "close": lambda conn, opt: _end(conn, {})}
