# SPDX-License-Identifier: Apache-2.0
"""Members that were added at run time, and BalancerPersist On: they are there after a stop.

What it is: stop and start, kill and start; parameters and decisions about them; the file's format
before there were such members; two servers that share a directory.
What it is not: decisions about members of the file (test_core_43_persist.py).
"""

import pytest

from core_help import balancer_conf, balancer_state, change, member_state, members, who

NAME = "balancer://mycluster"
PERSIST = "BalancerPersist On\n"


def add(web, member, params=""):
    answer = web.lab_post("/-lab/add", balancer=NAME, url=member.url, params=params)[1]
    assert answer["rc"] == 0, answer


def state_file(web):
    return web.dir / "run" / "lbx" / "state"


@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill-9"])
def test_they_survive(lab, kill):
    b1, b2, b3 = members(lab)
    web = lab.httpd(PERSIST + balancer_conf([b1]))
    add(web, b2, "route=r2 loadfactor=2.5 retry=7 maxconn=9 secret=s%20x")
    add(web, b3)
    change(web, b2, "lbset", "1")
    before = member_state(web, b2)
    for _ in range(2):
        web.kill9() if kill else web.stop()
        web.start()
        after = member_state(web, b2)
        assert after["added"] and after["run"] == before["run"] and after["conf"] == before["conf"]
        assert (after["retry_us"], after["run"]["lbset"]) == (7_000_000, 1)
        assert [m["name"] for m in balancer_state(web)["members"]] == [b1.url, b2.url, b3.url]
    assert sorted(who(web, 4)) == ["b1", "b1", "b3", "b3"]
    assert web.lab_post("/-lab/remove", balancer=NAME, member=b3.url)[1]["rc"] == 0
    web.stop()
    web.start()
    assert [m["name"] for m in balancer_state(web)["members"]] == [b1.url, b2.url]


def test_without_persist_a_stop_forgets_them(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1]))
    add(web, b2)
    web.stop()
    web.start()
    assert [m["name"] for m in balancer_state(web)["members"]] == [b1.url]


def test_the_file_takes_one_over(lab):
    """And a decision of the last run about it is judged by what the file says now."""
    b1, b2 = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf([b1]))
    add(web, b2, "loadfactor=2")
    change(web, b2, "loadfactor", "3")
    change(web, b2, "lbset", "1")
    web.stop()
    web.rewrite(PERSIST + balancer_conf([b1, b2], per_member="loadfactor=4"))
    web.expect_log("LBX0195")
    web.start()
    state = member_state(web, b2)
    assert not state["added"]
    assert (state["run"]["weight"], state["run"]["lbset"]) == (400, 1)


def test_one_that_cannot_be_made_any_more_is_named(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf([b1]))
    add(web, b2, "route=r2")
    web.stop()
    file = state_file(web)
    file.write_text(file.read_text().replace("route=r2", "colour=2"))
    web.expect_log("LBX0195", must=True)
    web.start()
    assert web.log_lines(f"LBX0195.*{b2.url}.*unknown Worker parameter colour=2")
    assert who(web, 3) == ["b1"] * 3


def test_a_file_of_the_first_version_is_read(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf([b1, b2]))
    change(web, b1, "loadfactor", "3")
    web.stop()
    file = state_file(web)
    text = file.read_text()
    assert text.startswith("lbx-state 2\n")
    file.write_text(text.replace("lbx-state 2", "lbx-state 1"))
    web.start()
    assert member_state(web, b1)["run"]["weight"] == 300
    assert file.read_text() == text


# -- the file

def test_two_servers_that_share_a_directory(lab):
    """The first one's file stays its own, the second one says so; a reload changes nothing."""
    b1 = lab.backend("b1")
    conf = PERSIST + balancer_conf([b1])
    one = lab.httpd(conf)
    change(one, b1, "loadfactor", "3")
    text = state_file(one).read_text()
    two = lab.httpd(f'DefaultRuntimeDir "{one.dir}/run"\n' + conf, start=False)
    two.expect_log("LBX0196", must=True)
    two.start()
    assert f"another server's (process {one.pid})" in two.log_lines("LBX0196")[0]
    assert member_state(two, b1)["run"]["weight"] == 100, "the other's decisions are none of ours"
    change(two, b1, "loadfactor", "5")
    one.graceful()
    two.graceful()
    assert state_file(one).read_text() == text
    change(one, b1, "loadfactor", "4")
    assert "\tloadfactor\t1.00\t4.00\n" in state_file(one).read_text()
    one.kill9()
    two.graceful()  # it is free now
    assert "\tloadfactor\t1.00\t5.00\n" in state_file(one).read_text()


def test_what_a_killed_writer_left_is_in_nobodys_way(lab):
    b1 = lab.backend("b1")
    web = lab.httpd(PERSIST + balancer_conf([b1]))
    left = state_file(web).with_name("state.new")
    left.write_text("half a li")
    left.chmod(0o400)
    change(web, b1, "loadfactor", "3")
    assert not left.exists()
    assert sorted(f.name for f in left.parent.iterdir()) == ["lock", "nonces", "state"]
