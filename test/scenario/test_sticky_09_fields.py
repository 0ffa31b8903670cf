# SPDX-License-Identifier: Apache-2.0
"""Clients that send a Cookie field for each cookie, over HTTP/1.1 and HTTP/2.

What it is: in each mode the session is found in them, and members see what is theirs.
What it is not: what httpd makes of several fields: it joins them, with ', ' or '; '.
"""

import re
import subprocess

import pytest

from sticky_help import MODES, conf_of, sticky, users


def ask_http1(lab, web, cookies):
    return lab.client(web).get("/", headers={"Cookie": cookies}, cookies=False).backend


def ask_http2(lab, web, cookies):
    fields = [word for cookie in cookies for word in ("-H", f"cookie: {cookie}")]
    done = subprocess.run(["curl", "-sSi", "-m", "10", "--http2-prior-knowledge", *fields, web.url("/")],
                          capture_output=True, text=True, check=True)
    assert done.stdout.startswith("HTTP/2 200"), done.stdout
    return re.search(r"(?im)^x-backend: (\S+)", done.stdout)[1]


@pytest.mark.parametrize("mode", MODES)
def test_a_field_for_each_cookie(lab, mode):
    web, backends = sticky(lab, mode, n=2, modules=("http2",))
    web.expect_log("AH10034")
    web.stop()
    web.rewrite("Protocols h2c http/1.1\n" + conf_of(backends, mode))
    web.start()
    for client, home in users(lab, web, 2).items():
        own = client.jar.header("/").split("; ")
        session = client.jar.get("S", "").partition(".")[0] if mode == "rewritten" else client.jar.get("S")
        for cookies in ([*own, "a=1"], ["a=1", *reversed(own), "b=2"]):
            for ask in (ask_http1, ask_http2):
                assert {ask(lab, web, cookies) for _ in range(2)} == {home}, (ask, cookies)
                seen = next(b for b in backends if b.name == home).stats()["last_headers"]["cookie"]
                expected = {cookie for cookie in cookies if cookie not in own}
                expected |= {f"S={session}"} if session else set()
                assert set(re.split("[;,] ", seen)) == expected, (ask, seen)
