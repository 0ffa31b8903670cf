# SPDX-License-Identifier: Apache-2.0
"""Members that are removed at run time: nobody new goes there, what is under way ends well.

What it is: under load, with requests in flight, the last one, added again, after a reload.
What it is not: adding (test_core_70_add.py), stops and starts (test_core_72_persist.py).
"""

from core_help import (balancer_conf, balancer_state, finish, hold, member_state, members, who)
from lab import eventually

NAME = "balancer://mycluster"
NOTFOUND, VALUE = 6, 8


def remove(web, member, **more):
    url = member if isinstance(member, str) else member.url
    return web.lab_post("/-lab/remove", balancer=NAME, member=url, **more)[1]


def add(web, member, params=""):
    return web.lab_post("/-lab/add", balancer=NAME, url=member.url, params=params)[1]


def names(web):
    return [m["name"] for m in balancer_state(web)["members"]]


def revision(web):
    return web.get(f"/-lab/revision?{NAME}").json()["revision"]


def test_under_load_without_a_failed_request(lab):
    backends = members(lab, 4)
    web = lab.httpd(balancer_conf(backends[:2]))
    for b in backends[2:]:
        assert add(web, b)["rc"] == 0
    with lab.load(web, requests=3000, connections=24) as run:
        for i, b in enumerate(backends[:3], 1):  # two of the file, one that was added
            run.await_count(500 * i)
            assert remove(web, b)["rc"] == 0
    assert run.result.all_ok, run.result
    before = [b.requests for b in backends]
    with lab.load(web, requests=100, connections=12) as run:
        pass
    assert run.result.all_ok and run.result.backends == {"b4": 100}, run.result
    assert [b.requests for b in backends[:3]] == before[:3]
    assert names(web) == [backends[3].url]


def test_what_is_under_way_ends_well(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1, b2], "stickysession=S", ["route=r1", "route=r2"]),
                    suite=("core", "sticky"))
    held = hold(lab, web, "/", {"Cookie": "S=x.r2"})
    at = revision(web)
    assert remove(web, b2, dry_run=1)["rc"] == 0 and revision(web) == at
    assert remove(web, b2)["rc"] == 0 and revision(web) > at
    state = member_state(web, b2)  # shown until its last request is over
    assert state["retired"] and state["in_flight"] == 1 and state["inelig"]
    assert who(web, 3, headers={"Cookie": "S=x.r2"}) == ["b1"] * 3, "its sessions move"
    answer = remove(web, b2)
    assert answer["rc"] == NOTFOUND and "has no such member" in answer["error"], answer
    status, answer = web.lab_post(balancer=NAME, member=b2.url, field="lbset", value="1")
    assert status == 422 and answer["error"], answer
    assert finish(held) == "b2"
    eventually(lambda: names(web) == [b1.url], what="it is gone")


def test_one_of_the_file_comes_back_at_the_next_reload(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1, b2]))
    assert remove(web, b2)["rc"] == 0
    assert web.log_lines("LBX0174.*comes back at the next reload")
    assert who(web, 4) == ["b1"] * 4
    web.graceful()
    assert sorted(who(web, 4)) == ["b1", "b1", "b2", "b2"]


def test_an_added_one_does_not_come_back(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1]))
    assert add(web, b2)["rc"] == 0
    assert sorted(who(web, 2)) == ["b1", "b2"]
    assert remove(web, b2)["rc"] == 0
    web.graceful()
    assert names(web) == [b1.url] and who(web, 4) == ["b1"] * 4


def test_removed_and_added_again_is_a_new_one(lab):
    """With other parameters, in all children, and while a request of the old one is under way."""
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1], "stickysession=S", "route=r1"),
                    suite=("core", "sticky"))
    assert add(web, b2, "route=r2")["rc"] == 0
    held = hold(lab, web, "/", {"Cookie": "S=x.r2"})
    for i in range(3, 8):
        assert remove(web, b2)["rc"] == 0
        assert add(web, b2, f"route=r{i}")["rc"] == 0
        assert who(web, 4, headers={"Cookie": f"S=x.r{i}"}) == ["b2"] * 4
        with lab.load(web, requests=40, connections=10) as run:
            pass
        assert run.result.all_ok, run.result
        # the four of its sessions count for its share
        assert run.result.backends["b2"] >= 16, run.result
    live = [m for m in balancer_state(web)["members"] if not m["retired"]]
    assert [m["name"] for m in live] == [b1.url, b2.url] and live[1]["run"]["route"] == "r7"
    assert finish(held) == "b2"
    web.graceful()
    assert names(web) == [b1.url, b2.url]
    assert member_state(web, b2)["run"]["route"] == "r7"


def test_the_last_one(lab):
    b1 = lab.backend("b1")
    web = lab.httpd(balancer_conf([b1]))
    web.expect_log("LBX016[12]")
    assert remove(web, b1)["rc"] == 0
    assert web.get("/").status == 503
    assert names(web) == []
    assert add(web, b1)["rc"] == 0
    assert who(web, 3) == ["b1"] * 3


def test_refused_with_a_reason(lab):
    b1 = lab.backend("b1")
    web = lab.httpd(balancer_conf([b1]))
    answer = remove(web, "http://nobody\n")
    assert answer["rc"] == NOTFOUND and answer["error"].isprintable(), answer
    answer = web.lab_post("/-lab/remove", balancer="balancer://x", member=b1.url)[1]
    assert answer["rc"] == NOTFOUND and "no such balancer" in answer["error"], answer
