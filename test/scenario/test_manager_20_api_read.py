# SPDX-License-Identifier: Apache-2.0
"""Reading through the JSON interface: balancers, members, events, their figures and states.

What it is: GET and HEAD, what each state looks like, that every answer is of the published schema.
What it is not: changes (test_manager_21), errors (test_manager_23).
"""

import json

import pytest

from core_help import change, finish, hold, who
from lab import eventually
from manager_help import API, LOCATION, SUITE, call, get, manager, member, path_of

DEAD = "AH00957|AH00959|AH01114|LBX0182"


def test_what_there_is_to_read(lab):
    web, (one, two) = manager(lab, 2, "lbmethod=bytraffic stickysession=S|s timeout=3",
                              ["route=r1 loadfactor=2.5", "route=r2 lbset=0 retry=600"])
    who(web, 7)
    root = get(web, "/")
    assert root["version"] == 1 and root["resources"]["balancers"] == "balancers"
    assert root["latency_bounds"][0] == 0.001 and len(root["latency_bounds"]) == 15

    [app] = get(web, "/balancers")["balancers"]
    assert (app["name"], app["lbmethod"], app["timeout"], app["maxattempts"], app["stickysession"],
            app["stickysession_path"]) == ("mycluster", "bytraffic", 3, -1, "S", "s")
    assert app["requests"] == 7 and app["queue"]["waiting"] == 0
    assert sum(m["elected"] for m in app["members"]) == 7
    assert get(web, "/balancers/mycluster")["balancer"].keys() == app.keys()
    assert get(web, "/balancers/MyCluster/")["balancer"]["name"] == "mycluster"

    m = member(web, one)
    assert (m["name"], m["host"], m["port"], m["scheme"], m["socket"]) == (
        one.url, "127.0.0.1", one.port, "http", None)
    assert (m["loadfactor"], m["route"], m["state"], m["role"], m["usable"]) == (
        2.5, "r1", "up", "active", True)
    assert m["attempts"]["answered"] == m["responses"]["2xx"] == m["elected"]
    assert sum(m["latency"]["buckets"]) == m["elected"] and m["latency"]["seconds"] > 0
    assert m["bytes_received"] > 0 and m["since"] is None and m["cause"] is None
    assert get(web, path_of(web, one))["member"]["name"] == one.url
    assert [x["id"] for x in get(web, "/balancers/mycluster/members")["members"]] == [
        x["id"] for x in app["members"]]


def test_head_and_headers(lab):
    web, _ = manager(lab, 1)
    for path in ("/", "/balancers", "/balancers/mycluster", "/events", "/schema"):
        whole, head = call(web, "GET", path), call(web, "HEAD", path)
        assert (whole.status, head.status, head.body) == (200, 200, b""), path
        assert whole.headers.get("X-Content-Type-Options") == "nosniff"
    etag = call(web, "GET", "/balancers/mycluster").headers.get("ETag")
    assert etag.strip('"').isdigit() and etag.startswith('"')
    assert call(web, "GET", "/balancers/mycluster/members").headers.get("ETag") == etag


@pytest.mark.parametrize("field, state", [("disabled", "disabled"), ("stopped", "stopped"),
                                          ("drain", "draining"), ("shutdown", "shutdown")])
def test_states_that_an_operator_makes(lab, field, state):
    web, (one, two) = manager(lab, 2)
    change(web, one, field, "on")
    m = member(web, one)
    assert (m["state"], m["usable"], m[field]) == (state, False, True)
    assert m["cause"]["who"] == "the scenario" and m["since"]
    assert m["safe_to_stop"] == (field != "shutdown")
    assert member(web, two)["state"] == "up" and not member(web, two)["safe_to_stop"]


def test_a_member_in_error_says_why_and_since_when(lab):
    web, (one, two) = manager(lab, 2, per_member="retry=600")
    web.expect_log(DEAD)
    one.refuse()
    who(web, 4)
    m = member(web, one)
    assert m["state"] == "error" and not m["usable"] and m["cause"]["kind"] == "down"
    assert m["cause"]["text"] and 0 < m["retry_at"] - m["since"] <= 600
    assert m["attempts"]["connect-failure"] == m["retried"]["connect-failure"] == 1
    assert member(web, two)["attempts"]["connect-failure"] == 0


def test_full_standby_spare_and_in_flight(lab):
    web, (one, two, three) = manager(lab, 3, per_member=["maxconn=1", "status=+H", "status=+R"])
    held = hold(lab, web)
    assert (member(web, one)["state"], member(web, one)["in_flight"]) == ("full", 1)
    assert member(web, two)["role"] == "standby" and member(web, three)["role"] == "spare"
    finish(held)
    eventually(lambda: member(web, one)["state"] == "up", what="it has room again")


def test_draining_is_safe_when_the_last_request_is_over(lab):
    web, (one,) = manager(lab, 1)
    held = hold(lab, web)
    change(web, one, "drain", "on")
    m = member(web, one)
    assert (m["state"], m["safe_to_stop"], m["in_flight"]) == ("draining", False, 1)
    finish(held)
    eventually(lambda: member(web, one)["safe_to_stop"], what="nothing is in flight")


def test_events(lab):
    web, (one, _) = manager(lab, 2)
    assert get(web, "/events")["events"] == []
    change(web, one, "loadfactor", 3)
    change(web, None, "lbmethod", "bybusyness")
    first, second = get(web, "/events")["events"]
    assert (first["seq"], first["kind"], first["balancer"], first["member"]) == (
        1, "change", "mycluster", one.url)
    assert second["member"] == "" and second["text"] == "lbmethod: byrequests -> bybusyness"
    assert [e["seq"] for e in get(web, "/events?after=1")["events"]] == [2]
    assert get(web, "/events?after=2")["events"] == []


def test_hostile_texts_are_escaped(lab):
    web, (one,) = manager(lab, 1)
    hostile = '</script><img src=x onerror=alert(1)>"\\\x01\x7f'
    web.lab_post("/-lab/events", kind="finding", who=hostile[:20], text=hostile,
                 balancer="balancer://mycluster", member=one.url)
    raw = call(web, "GET", "/events").body
    assert b"<" not in raw and b"\x01" not in raw and b"\x7f" not in raw
    [event] = json.loads(raw)["events"]
    assert event["text"] == hostile


def test_each_virtual_host_shows_its_own(lab):
    one, two = lab.backend("b1"), lab.backend("b2")
    own = '<Proxy "balancer://%s">\nBalancerMember "%s"\n</Proxy>\n'
    web = lab.httpd(suite=SUITE, vhost_conf={
        "one.test": LOCATION % "" + own % ("one", one.url),
        "two.test": LOCATION % "" + own % ("two", two.url)})
    for name in ("one", "two"):
        client = lab.client(web, host=f"{name}.test")
        assert [b["name"] for b in get(client, "/balancers")["balancers"]] == [name]
        other = "two" if name == "one" else "one"
        assert call(client, "GET", f"/balancers/{other}").status == 404


def test_every_answer_is_of_the_schema(lab):
    jsonschema = pytest.importorskip("jsonschema")
    web, (one, two) = manager(lab, 2, per_member=["retry=600", "route=x"])
    schema = call(web, "GET", "/schema").json()
    validator = jsonschema.Draft7Validator(schema)
    validator.check_schema(schema)
    web.expect_log(DEAD)
    two.refuse()
    who(web, 4)
    change(web, one, "drain", "on")
    member_path = path_of(web, one)
    for method, path, data in [
            ("GET", "/", None), ("GET", "/balancers", None), ("GET", "/balancers/mycluster", None),
            ("GET", "/balancers/mycluster/members", None), ("GET", member_path, None),
            ("GET", "/events", None), ("GET", "/nothing", None), ("DELETE", "/balancers", None),
            ("PATCH", member_path, {"loadfactor": 2.5}),
            ("PATCH", member_path + "?dry-run=1", {"loadfactor": 3}),
            ("PATCH", member_path + "?wait=drained", {"drain": True}),
            ("PATCH", member_path, {"loadfactor": "2"}), ("PATCH", member_path, "{"),
            ("DELETE", member_path + "?dry-run=1", None)]:
        answer = call(web, method, path, data)
        validator.validate(answer.json())
        assert answer.status != 500
    for broken in ({"balancers": [{"name": "x"}]}, {"error": {"status": "404"}}, {"what": 1}):
        assert not validator.is_valid(broken), "a schema that takes anything proves nothing"


def test_one_connection_serves_many(lab):
    web, _ = manager(lab, 2)
    client = lab.client(web)
    for _ in range(20):
        assert call(client, "GET", "/balancers").status == 200
        assert call(client, "PATCH", "/nothing", {"a": 1}).status == 404
    assert not client.get(API + "/").new_connection
