# SPDX-License-Identifier: Apache-2.0
"""conf/examples: manager, bluegreen with its script; changes while requests go on."""

import json
import subprocess
import sys

import pytest

from core_help import who
from lab.example import DIRECTORY, example, suite

pytestmark = pytest.mark.skipif("manager" not in suite(), reason="mod_lbx_manager is not built")
API = "/balancer-manager/-/api/v1"


def test_manager(lab):
    one, two = lab.backend("one"), lab.backend("two")
    web = example(lab, "manager.conf", {"app-1.example.com:8080": one,
                                        "app-2.example.com:8080": two})
    assert set(who(web, 4, "/managed/")) == {"one", "two"}
    found = web.get(f"{API}/balancers/managed").json()["balancer"]
    assert [m["name"] for m in found["members"]] == [one.url, two.url]
    client = lab.client(web)
    path = f"{API}/balancers/managed/members/{found['members'][0]['id']}"
    answer = client.request("PATCH", path, json.dumps({"drain": True}),
                            {"Content-Type": "application/json"})
    assert answer.status == 200, answer
    assert set(who(web, 4, "/managed/")) == {"two"}
    # the one for looking
    seen = web.get("/balancers/-/api/v1/balancers/managed").json()["balancer"]
    assert seen["members"][0]["state"] == "draining"
    answer = client.request("PATCH", path.replace("/balancer-manager", "/balancers"),
                            json.dumps({"drain": False}), {"Content-Type": "application/json"})
    assert answer.status == 403, answer
    # the figures can be read there, and nothing can be changed
    metrics = web.get("/metrics")
    assert metrics.status == 200 and "lbx_member_in_flight" in metrics.text
    answer = client.request("PATCH", path.replace("/balancer-manager", "/metrics"), "{}",
                            {"Content-Type": "application/json"})
    assert answer.status >= 400


def switch(web, colour, **kw):
    return subprocess.run(
        [sys.executable, str(DIRECTORY / "bluegreen.py"), "--manager",
         web.url("/balancer-manager"), "--wait", "20", colour], capture_output=True, text=True,
        timeout=60, check=False, **kw)


def test_blue_green_without_a_failed_request(lab):
    names = ("blue-1", "blue-2", "green-1", "green-2")
    b = {name: lab.backend(name) for name in names}
    for each in b.values():
        each.behave("/", delay_ms=20)
    web = example(lab, "bluegreen.conf", {f"{n}.example.com:8080": b[n] for n in names})
    assert set(who(web, 4, "/release/")) == {"blue-1", "blue-2"}
    with lab.load(web, "/release/", rate=100, seconds=60, connections=8) as run:
        run.await_count(20)
        for colour in ("green", "blue", "green"):
            said = switch(web, colour)
            assert said.returncode == 0, said.stderr
            assert set(who(web, 4, "/release/")) == {f"{colour}-1", f"{colour}-2"}
            run.await_more(20)
        run.stop()
    assert run.result.all_ok, run.result
    assert set(run.result.backends) == set(names)
    said = switch(web, "yellow")
    assert said.returncode != 0 and "no member has a route that begins with yellow" in said.stderr
