# SPDX-License-Identifier: Apache-2.0
"""Changing through the JSON interface: PATCH of members and balancers, dry runs, If-Match.

What it is: every field, all or nothing, nobody's change lost, what the log and the events say.
What it is not: adding and removing (test_manager_22), bad requests (test_manager_23).
"""

import threading

from core_help import who
from manager_help import balancer, call, error, get, manager, member, path_of

FIELDS = [("loadfactor", 2.5), ("loadfactor", 100), ("lbset", 7), ("maxconn", 12), ("route", "node1"),
          ("redirect", "node2"), ("ignore_errors", True), ("drain", True), ("shutdown", True),
          ("disabled", True), ("stopped", True), ("standby", True), ("spare", True)]


def test_every_field_of_a_member(lab):
    web, (one, two) = manager(lab, 2, per_member="maxconn=5")
    client = lab.client(web)
    path = path_of(client, one)
    for field, value in FIELDS:
        before = member(client, one)
        assert before[field] != value
        after = call(client, "PATCH", path, {field: value}).json()["member"]
        assert after[field] == value and after["configured"][field] == before[field], field
        assert member(client, one)[field] == value
        assert call(client, "PATCH", path, {field: before[field]}).json()["member"][field] == before[field]
    assert member(client, two)["state"] == "up"
    assert call(client, "PATCH", path, {"route": None}).json()["member"]["route"] == ""


def test_every_field_of_a_balancer(lab):
    web, _ = manager(lab, 2)
    client = lab.client(web)
    for field, value in [("lbmethod", "bybusyness"), ("timeout", 5), ("maxattempts", 3),
                         ("nofailover", True), ("stickysession", "JSESSIONID"),
                         ("stickysession_path", "jsessionid")]:
        after = call(client, "PATCH", "/balancers/mycluster", {field: value}).json()["balancer"]
        assert after[field] == value and balancer(client)[field] == value
    assert after["configured"]["lbmethod"] == "byrequests"
    assert call(client, "PATCH", "/balancers/mycluster", {"maxattempts": -1}).status == 200


def test_what_is_changed_has_its_effect(lab):
    web, (one, two) = manager(lab, 2)
    path = path_of(web, one)
    assert call(web, "PATCH", path, {"disabled": True}).status == 200
    assert set(who(web, 6)) == {"b2"}
    assert call(web, "PATCH", path, {"disabled": False, "loadfactor": 3}).status == 200
    assert sorted(who(web, 8)) == ["b1"] * 6 + ["b2"] * 2


def test_all_or_nothing(lab):
    web, (one, two) = manager(lab, 2)
    path = path_of(web, one)
    for data, field in [({"loadfactor": 5, "lbset": 100}, "lbset"),
                        ({"loadfactor": 5, "colour": "red"}, "colour"),
                        ({"loadfactor": 5, "drain": "yes"}, "drain")]:
        error(call(web, "PATCH", path, data), 422, field)
        assert member(web, one)["loadfactor"] == 1
    # over members and the balancer's own fields, too
    data = {"timeout": 9, "members": {one.url: {"drain": True}, member(web, two)["id"]: {"lbset": 1}}}
    bad = {**data, "members": {**data["members"], two.url: {"lbset": 200}}}
    error(call(web, "PATCH", "/balancers/mycluster", bad), 422, "lbset")
    assert balancer(web)["timeout"] == 0 and not member(web, one)["drain"]
    answer = call(web, "PATCH", "/balancers/mycluster", data)
    assert answer.status == 200, answer
    assert balancer(web)["timeout"] == 9 and member(web, one)["drain"]
    assert member(web, two)["lbset"] == 1


def test_a_dry_run_checks_and_changes_nothing(lab):
    web, (one,) = manager(lab, 1)
    path = path_of(web, one)
    etag = call(web, "GET", path).headers.get("ETag")
    answer = call(web, "PATCH", path + "?dry-run=1", {"drain": True, "loadfactor": 4})
    assert answer.status == 200 and answer.json()["dry_run"] is True
    assert not member(web, one)["drain"] and call(web, "GET", path).headers.get("ETag") == etag
    assert get(web, "/events")["events"] == []
    error(call(web, "PATCH", path + "?dry-run=1", {"loadfactor": 4000}), 422, "loadfactor")
    assert call(web, "PATCH", path + "?dry-run=0", {"drain": True}).status == 200
    assert member(web, one)["drain"]


def test_if_match(lab):
    web, (one, two) = manager(lab, 2)
    path = path_of(web, one)
    etag = call(web, "GET", path).headers.get("ETag")
    first = call(web, "PATCH", path, {"loadfactor": 2}, {"If-Match": etag})
    assert first.status == 200 and first.headers.get("ETag") != etag
    error(call(web, "PATCH", path, {"loadfactor": 3}, {"If-Match": etag}), 412)
    # a change of another member of the balancer counts: weights are shares
    error(call(web, "PATCH", path_of(web, two), {"lbset": 1}, {"If-Match": etag}), 412)
    for wrong in ('"0"', "17", 'W/"17"', '"x"', f'{etag}, "1"'):
        error(call(web, "PATCH", path, {"loadfactor": 3}, {"If-Match": wrong}), 412)
    assert member(web, one)["loadfactor"] == 2
    assert call(web, "PATCH", path, {"loadfactor": 3}, {"If-Match": "*"}).status == 200
    latest = call(web, "GET", "/balancers/mycluster").headers.get("ETag")
    assert call(web, "PATCH", path, {"loadfactor": 4}, {"If-Match": latest}).status == 200


def test_fifty_editors_lose_no_update(lab):
    """Each adds one to the same number, as often as it takes."""
    web, (one,) = manager(lab, 1, threads=40)
    path = path_of(web, one)
    trouble, conflicts = [], []

    def edit():
        client = lab.client(web)
        for _ in range(2000):
            seen = call(client, "GET", path)
            answer = call(client, "PATCH", path, {"maxconn": seen.json()["member"]["maxconn"] + 1},
                          {"If-Match": seen.headers.get("ETag")})
            if answer.status == 200:
                return
            conflicts.append(answer.status)
        trouble.append("never got through")

    editors = [threading.Thread(target=edit) for _ in range(50)]
    for editor in editors:
        editor.start()
    for editor in editors:
        editor.join()
    assert not trouble and set(conflicts) <= {412}
    assert member(web, one)["maxconn"] == 50


def test_who_what_old_new(lab):
    web, (one,) = manager(lab, 1)
    call(web, "PATCH", path_of(web, one), {"loadfactor": 2.5})
    [event] = get(web, "/events")["events"]
    assert (event["kind"], event["who"], event["text"]) == (
        "change", "127.0.0.1", "loadfactor: 1.00 -> 2.50")
    assert web.log_lines(r"LBX0170: .*loadfactor=2.50 \(was 1.00\), set by 127.0.0.1")


def test_a_body_in_many_packets_and_a_long_one(lab):
    web, (one,) = manager(lab, 1)
    path = "/balancer-manager/-/api/v1" + path_of(web, one)
    client = lab.client(web)
    body = b'{"loadfactor":' + b" " * 5000 + b'2}'
    client.send(b"PATCH %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body)))
    for i in range(0, len(body), 100):
        client.send(body[i:i + 100])
    assert client.recv(1 << 20).startswith(b"HTTP/1.1 200 ")
    assert member(web, one)["loadfactor"] == 2
    answer = call(web, "PATCH", path_of(web, one), {"loadfactor": 3}, chunked=True)
    assert answer.status == 200 and member(web, one)["loadfactor"] == 3


def test_changes_survive_a_reload_and_reach_every_process(lab):
    web, (one, two) = manager(lab, 2, children=3)
    call(web, "PATCH", path_of(web, one), {"drain": True, "loadfactor": 5})
    etag = call(web, "GET", "/balancers/mycluster").headers.get("ETag")
    web.graceful()
    for _ in range(6):
        seen = member(web, one)
        assert seen["drain"] and seen["loadfactor"] == 5 and not seen["configured"]["drain"]
    assert set(who(web, 6)) == {"b2"}
    if call(web, "GET", "/balancers/mycluster").headers.get("ETag") == etag:
        assert call(web, "PATCH", path_of(web, one), {"drain": False}, {"If-Match": etag}).status == 200
