# SPDX-License-Identifier: Apache-2.0
"""Cookies that nobody honest sends, in each mode.

What it is: long headers, thousands of pairs, quotes, control characters, NUL, other users' and
other balancers' values: no crash, no reflection, no wrong member.
What it is not: the parsers alone (unit tests and fuzzing).
"""

import random
import re

import pytest

from core_help import balancer_conf, members
from sticky_help import MODES, SUITE, conf_of, set_cookies, sticky, users, where

NAMES = {"route": "S", "companion": "S-lbx", "inserted": "LB", "plain": "LB", "dated": "LB",
         "learned": "S", "rewritten": "S"}
OURS = {"companion": "S-lbx", "inserted": "LB", "plain": "LB", "dated": "LB"}  # that we set
CONF = "LimitRequestFieldSize 100000\nLimitRequestLine 100000\n"
# a number of the lab's, a token or a route; and attributes as this configuration has them
LINE = re.compile(r"(S=[0-9]+(id|\.)?r?[0-9a-f]*|S-lbx=[\w-]+|LB=[\w~-]+); Path=/(; HttpOnly)?")


def hostile(name, rng):
    yield f"{name}=" + "A" * 65000
    yield "; ".join(f"{name}=x{i}" for i in range(7000))
    yield "; ".join(f"c{i}=1" for i in range(7000)) + f"; {name}=x"
    yield f'{name}="' * 9000
    yield f"{name}=" + '"' * 65000
    yield f"{name}=" + "." * 65000
    yield "=" * 65000
    yield ";" * 65000
    yield f"{name}=.;{name}=..;{name}={'.' * 2000}"
    for _ in range(20):
        yield "".join(rng.choice(f'{name}=;,. "~<>&%\t\x80') for _ in range(rng.randrange(300)))


@pytest.mark.parametrize("mode", MODES)
def test_hostile_cookies(lab, mode):
    rng = random.Random(4)
    web, backends = sticky(lab, mode, children=1)
    web.stop()
    web.rewrite(CONF + conf_of(backends, mode))
    web.start()
    web.expect_log("LBX0312")
    at = users(lab, web, 3)
    children = web.children()
    honest = next(iter(at)).jar.header("/")
    client = lab.client(web)
    for cookie in hostile(NAMES[mode], rng):
        for text in (cookie, f"{honest}; {cookie}"):
            answer = client.get("/", headers={"Cookie": text}, cookies=False)
            assert answer.status == 200, (text[:80], answer)
            wrong = [line for line in answer.headers.all("Set-Cookie") if not LINE.fullmatch(line)]
            assert not wrong, (text[:80], wrong)
    raw = f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {honest}; {NAMES[mode]}=\0%s\r\n\r\n"
    assert lab.client(web).raw(raw.encode()).startswith(b"HTTP/1.1 400 "), "a NUL is httpd's matter"
    assert web.children() == children, "nobody has crashed"
    for client, home in at.items():
        assert where(client, 3) == {home}


@pytest.mark.parametrize("mode", sorted(OURS))
def test_values_are_not_for_others(lab, mode):
    """A damaged value is that of a new client, and one that was made for another balancer, too;
    with somebody else's one gets to that one's member, and changes nothing for anybody."""
    backends = members(lab, 3)
    for backend in backends:
        backend.behave("/", "answer", session="S={seq}; Path=/")
    other = balancer_conf(backends, "stickysession=S", name="other", path="/other/").replace(
        "</Proxy>", f"    {MODES[mode][1]}\n</Proxy>")
    web = lab.httpd(other + conf_of(backends, mode), suite=SUITE)
    at = users(lab, web, 3)
    values = {home: client.jar.get(OURS[mode]) for client, home in at.items()}
    assert len(values) == 3

    def goes_to(value, path="/"):
        headers = {"Cookie": f"S=1; {OURS[mode]}={value}"}
        return {web.get(path, headers=headers).backend for _ in range(3)}

    for home, value in values.items():
        assert goes_to(value) == {home}
        for damaged in (value + "x", value[1:], value.swapcase(), "x" + value):
            assert len(goes_to(damaged)) > 1, damaged
        if mode != "plain" and mode != "dated":
            assert len(goes_to(value, "/other/x")) > 1, "made for another balancer"
    for client, home in at.items():
        assert where(client, 2) == {home}


@pytest.mark.parametrize("where_from", ["path", "query", "header", "expression"])
def test_hostile_ids_elsewhere(lab, where_from):
    rng = random.Random(5)
    backends = members(lab, 2)
    learn = {"path": "path:S", "header": "header:X-S", "expression": '"expr:%{HTTP:X-S}"'}
    params = "stickysession=S" if where_from == "query" else ""
    conf = balancer_conf(backends, params)
    if where_from in learn:
        conf = conf.replace("</Proxy>", f"    LBXStickyLearn {learn[where_from]}\n</Proxy>")
    web = lab.httpd(CONF + conf, suite=SUITE, children=1)
    web.expect_log("AH10244|AH00128|AH00026")  # what httpd itself refuses
    children = web.children()
    client = lab.client(web)
    for text in ("A" * 60000, ";S=" * 15000, "%2e" * 15000, "." * 60000, "%", "%0d%0a", '"' * 30000,
                 *("".join(rng.choice([*"S=;,.&?/~'", "%3b", "%2E", "%22"]) for _ in range(200))
                   for _ in range(15))):
        target = {"path": f"/x;S={text}", "query": f"/x?S={text}"}.get(where_from, "/x")
        headers = {} if target != "/x" else {"X-S": text}
        answer = client.get(target, headers=headers)
        assert answer.status in (200, 400, 404), (text[:80], answer)
        assert not set_cookies(answer)
    assert web.children() == children, "nobody has crashed"
    assert {web.get("/").backend for _ in range(4)} == {"b1", "b2"}
