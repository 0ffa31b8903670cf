# SPDX-License-Identifier: Apache-2.0
"""Cookies that nobody honest sends, in each mode.

What it is: long headers, thousands of pairs, quotes, control characters, other users' values: no
crash, no reflection, no wrong member.
What it is not: the parsers alone (unit tests and fuzzing).
"""

import random

import pytest

from sticky_help import MODES, sticky, users, where

NAMES = {"route": "S", "companion": "S-lbx", "inserted": "LB", "plain": "LB", "dated": "LB",
         "learned": "S", "rewritten": "S"}
CONF = "LimitRequestFieldSize 70000\nLimitRequestLine 70000\n"


def hostile(name, rng):
    yield f"{name}=" + "A" * 65000
    yield "; ".join(f"{name}=x{i}" for i in range(4000))
    yield "; ".join(f"c{i}=1" for i in range(5000)) + f"; {name}=x"
    yield f'{name}="' * 9000
    yield f"{name}=" + '"' * 30000
    yield "=" * 30000
    yield ";" * 60000
    yield f"{name}=.;{name}=..;{name}={'.' * 2000}"
    for _ in range(25):
        yield "".join(rng.choice(f'{name}=;,. "~<>&%\x01\x80') for _ in range(rng.randrange(300)))


@pytest.mark.parametrize("mode", MODES)
def test_hostile_cookies(lab, mode):
    rng = random.Random(4)
    web, backends = sticky(lab, mode, children=1)
    web.expect_log("LBX0312")
    at = users(lab, web, 3)
    children = web.children()
    for cookie in hostile(NAMES[mode], rng):
        for text in (cookie, *(f"{c.jar.header('/')}; {cookie}" for c in list(at)[:1])):
            if len(text) > 8100:
                text = text[:8100]
            answer = web.get("/", headers={"Cookie": text})
            assert answer.status in (200, 400), answer
            marks = [line for line in answer.headers.all("Set-Cookie") if "<" in line or "\x80" in line]
            assert not marks, marks
    assert web.children() == children, "nobody has crashed"
    for client, home in at.items():
        assert where(client, 3) == {home}


@pytest.mark.parametrize("mode", ["companion", "inserted", "learned"])
def test_values_are_not_for_others(lab, mode):
    """One user's value with another one's session: a new client or that user's member, at worst;
    with another balancer's name it is worth nothing."""
    web, backends = sticky(lab, mode)
    first, second = users(lab, web, 2)
    value = first.jar.get(NAMES[mode])
    for text in (value + "x", value[1:], value.swapcase(), "x" + value):
        web.get("/", headers={"Cookie": f"S=1; {NAMES[mode]}={text}"})
    assert where(first, 2) == {next(iter(where(first)))}
    assert where(second, 2) == {next(iter(where(second)))}
