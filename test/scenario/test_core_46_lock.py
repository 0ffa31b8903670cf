# SPDX-License-Identifier: Apache-2.0
"""Somebody holds the admin mutex and does not go on; memory of another version's layout.

What it is: that nobody hangs: changes are refused, requests served, reloads done.
What it is not: holders that die (test/unit/test_store.c), state after a crash (44).
"""

import re
import struct

import pytest

from core_help import balancer_conf, balancer_state, change, members, who
from manager_help import SUITE, call, conf, error, path_of

# lbx_segment.h: the head begins with the magic number; the mutex stands on the third line
MAGIC, MUTEX_AT = 0x4C42586D, 128


class Holder:
    """Holds the admin mutex, as a process would that was stopped with it: the parent's own
    thread, by what the C library keeps in the mutex."""

    def __init__(self, web):
        self.web = web
        self.at = self.find()

    def find(self):
        with open(f"/proc/{self.web.pid}/maps", encoding="ascii") as maps, \
             open(f"/proc/{self.web.pid}/mem", "rb") as mem:
            for line in maps:
                low, high, perms = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
                if perms != "rw-s":
                    continue
                for at in range(int(low, 16), min(int(high, 16), int(low, 16) + 4096), 8):
                    mem.seek(at)
                    if mem.read(4) == struct.pack("<I", MAGIC):
                        return at + MUTEX_AT
        raise AssertionError("no segment")

    def write(self, word):
        with open(f"/proc/{self.web.pid}/mem", "r+b") as mem:
            mem.seek(self.at)
            mem.write(struct.pack("<I", word))

    def hold(self):
        self.write(self.web.pid)

    def let_go(self):
        self.write(0)


@pytest.fixture
def held(lab):
    """A server of two members, whose admin mutex is held."""
    backends = members(lab, 2)
    web = lab.httpd(conf(backends), suite=SUITE)
    change(web, backends[0], "loadfactor", "2")
    holder = Holder(web)
    holder.hold()
    return web, backends, holder


def test_changes_are_refused_in_time_and_requests_go_on(lab, held):
    web, (one, two), holder = held
    web.expect_log("LBX0126", must=True)
    answer = call(web, "PATCH", path_of(web, one), {"disabled": True})
    assert "in the middle of a change" in error(answer, 503), answer
    assert answer.headers.get("Retry-After") == "1"
    assert set(who(web, 4)) == {"b1", "b2"}
    holder.let_go()
    change(web, one, "disabled", "on")
    assert set(who(web, 4)) == {"b2"}


def test_a_reload_does_not_wait_for_ever(lab, held):
    web, (one, two), _ = held
    web.expect_log("LBX0117", must=True)
    web.graceful(within=30)
    assert balancer_state(web)["members"][0]["run"]["weight"] == 100, "state began afresh"
    change(web, one, "disabled", "on")
    assert set(who(web, 4)) == {"b2"}


def test_another_layout_is_told_and_left_alone(lab):
    backends = members(lab, 2)
    web = lab.httpd("Define LabOldSegments\n" + balancer_conf(backends))
    web.expect_log(r"LBX0125: .*layout \(1, here", must=True)
    assert set(who(web, 4)) == {"b1", "b2"}
    change(web, backends[0], "disabled", "on")
    web.graceful()
    assert len(web.log_lines("LBX0125")) == 1
    assert set(who(web, 4)) == {"b2"}
