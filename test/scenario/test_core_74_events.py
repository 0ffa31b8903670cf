# SPDX-License-Identifier: Apache-2.0
"""The ring of events: what core tells, what siblings add, over processes and reloads.

What it is: changes, members going out and coming back; the limit; numbers that go on after a
graceful restart.
What it is not: the ring's own logic (the unit tests of lbx_events).
"""

from core_help import balancer_conf, change, member_state, members, who

REFUSED = "AH00957|AH00959|AH01114|LBX0182"


def events(web, after=0):
    return web.lab_state(f"/-lab/events?{after}")["events"]


def test_what_core_tells(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1, b2], per_member="retry=0"))
    assert events(web) == []
    change(web, b1, "loadfactor", "2.5")
    change(web, b1, "loadfactor", "2.5")  # no change, no event
    change(web, None, "lbmethod", "bytraffic")
    first, second = events(web)
    assert (first["kind"], first["who"], first["balancer"], first["member"], first["text"]) == (
        "change", "the scenario", "balancer://mycluster", b1.url, "loadfactor: 1.00 -> 2.5")
    assert (second["seq"], second["member"], second["text"]) == (
        2, "", "lbmethod: byrequests -> bytraffic")
    assert 0 < first["at_us"] <= second["at_us"]

    web.expect_log(REFUSED)
    b2.refuse()
    who(web, 4)
    down = next(e for e in events(web, 2) if e["kind"] == "down")
    assert down["who"] == "requests" and down["member"] == b2.url and down["text"]
    who(web, 4)  # retry=0: asked again
    assert any(e["kind"] == "up" and e["member"] == b2.url for e in events(web, 2))


def test_numbers_go_on(lab):
    web = lab.httpd(balancer_conf(members(lab, 1)))
    hostile = 'x"<script>\n\x01\u00e9' + "y" * 300
    web.lab_post("/-lab/events", kind="finding", who=hostile, balancer="balancer://mycluster",
                 text=hostile)
    [seen] = events(web)
    assert seen["text"].startswith('x"<script>\n\x01') and len(seen["text"].encode()) == 159
    for _ in range(2):
        web.graceful()
    for n in range(2, 303):
        web.lab_post("/-lab/events", kind="finding", text=str(n))
    kept = events(web)
    assert [e["seq"] for e in kept] == list(range(47, 303))
    assert [e["text"] for e in kept] == [str(n) for n in range(47, 303)]
    assert [e["seq"] for e in events(web, 300)] == [301, 302]
    assert events(web, 302) == events(web, 99999) == []
