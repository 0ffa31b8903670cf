# SPDX-License-Identifier: Apache-2.0
"""BalancerPersist On: what the operator decided survives a stop, and nothing else does.

What it is: stop and start, kill and start; the file: where it is, what is in it, how it is
written, and what a start does with one that is damaged, old or not to be had.
What it is not: the text format byte by byte (the unit tests of lbx_intent).
"""

import os
import random
import re
import shutil
import threading

import pytest

from core_help import balancer_conf, balancer_state, change, elected, member_state, members, who
from lab import eventually

PERSIST = "BalancerPersist On\n"
HEAD = "lbx-state 2\n"
REFUSED = "AH00957|AH00959|AH01114|LBX0182"


def state_file(web):
    return web.dir / "run" / "lbx" / "state"


def decisions(text):
    """The file's lines as lists: kind, scope, balancer, member, field, file's value, decision."""
    assert text.startswith(HEAD), text
    *lines, last = text[len(HEAD):].splitlines()
    assert last == f"end {len(lines)}" and text.endswith("\n"), text
    return [line.split("\t") for line in lines]


def start_anew(web, conf=None, kill=False):
    """Stop (or kill -9) and start, with another configuration if given."""
    if kill:
        web.kill9()
    else:
        web.stop()
    if conf is not None:
        web.rewrite(conf)
    web.start()


def weights(web):
    return [m["run"]["weight"] for m in balancer_state(web)["members"]]


# -- what survives

def test_without_it_a_stop_forgets(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends))
    change(web, backends[0], "loadfactor", "3")
    assert not state_file(web).parent.exists()
    start_anew(web)
    assert weights(web) == [100, 100]


@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill-9"])
def test_decisions_survive(lab, kill):
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends))
    change(web, backends[0], "loadfactor", "3")
    change(web, backends[1], "disabled", "on")
    for _ in range(2):
        start_anew(web, kill=kill)
        assert weights(web) == [300, 100]
        assert member_state(web, backends[1])["inelig"] == 3
        assert who(web, 4) == ["b1"] * 4


def test_every_field_survives(lab):
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends, "stickysession=A|a"))
    of_member = {"loadfactor": "99.99", "lbset": "99", "route": "r\u00e9%20=|",
                 "redirect": "x" * 63, "ignore-errors": "on", "drain": "on", "shutdown": "on",
                 "disabled": "on", "stopped": "on", "standby": "on", "spare": "on"}
    of_balancer = {"lbmethod": "bytraffic", "timeout": "7200", "maxattempts": "99",
                   "nofailover": "on", "stickysession": "B%", "stickysession-path": "b\"'<"}
    for field, value in of_member.items():
        change(web, backends[0], field, value)
    for field, value in of_balancer.items():
        change(web, None, field, value)
    before = balancer_state(web)
    names = {line[4] for line in decisions(state_file(web).read_text())}
    assert names == {*of_member, *of_balancer}
    start_anew(web)
    after = balancer_state(web)
    assert [m["run"] for m in after["members"]] == [m["run"] for m in before["members"]]
    for name in ("method", "timeout_us", "maxattempts", "nofailover", "sticky"):
        assert after[name] == before[name]
    assert len(web.log_lines("of the last run is in force again")) == len(names)


def test_a_decision_that_goes_back_to_the_file(lab):
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends, per_member="loadfactor=2"))
    change(web, backends[0], "loadfactor", "3")
    change(web, backends[0], "loadfactor", "2")
    assert decisions(state_file(web).read_text()) == []
    start_anew(web, PERSIST + balancer_conf(backends, per_member="loadfactor=4"))
    assert weights(web) == [400, 400]
    assert not web.log_lines("of the last run")


def test_a_flag_switched_off_survives(lab):
    """A decision can also be that a flag of the file is off."""
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends, per_member=["status=+D", ""]))
    change(web, backends[0], "disabled", "off")
    start_anew(web)
    assert sorted(who(web, 4)) == ["b1", "b1", "b2", "b2"]


def test_decisions_of_virtual_hosts_survive_apart(lab):
    b = members(lab, 1)
    conf = balancer_conf(b, name="app")
    web = lab.httpd(PERSIST, vhost_conf={"one.example": PERSIST + conf,
                                         "two.example": PERSIST + conf})

    def own(host):
        found = web.get("/-lab?own", headers={"Host": host}).json()["balancers"]
        return [m["run"]["weight"] for s in found for m in s["members"]]

    answer = web.post("/-lab", headers={"Host": "two.example"}, form={
        "balancer": "balancer://app", "member": b[0].url, "field": "loadfactor", "value": "3"})
    assert answer.status == 200
    start_anew(web)
    assert (own("one.example"), own("two.example")) == ([100], [300])


def test_counters_and_health_do_not_survive(lab):
    """They are of the run that ended: a member that failed then is asked again now."""
    b1, b2 = backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends, per_member="retry=300"))
    web.expect_log(REFUSED)
    change(web, b1, "loadfactor", "3")
    text = state_file(web).read_text()
    b2.refuse()
    who(web, 8)
    assert member_state(web, b2)["inelig"] == 6
    change(web, b1, "route", "r1")
    now = decisions(state_file(web).read_text())
    assert [line[4:] for line in now] == [["loadfactor", "1.00", "3.00"], ["route", "", "r1"]]
    assert now[0] == decisions(text)[0]
    b2.accept_again()
    start_anew(web)
    assert elected(web) == [0, 0] and member_state(web, b2)["error_at_us"] == 0
    assert "b2" in who(web, 4)


def test_switched_on_at_a_reload(lab):
    """What had been decided before is written then, without a further change."""
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends))
    change(web, backends[0], "loadfactor", "3")
    web.graceful(PERSIST + balancer_conf(backends), need=1)
    start_anew(web)
    assert weights(web) == [300, 100]


# -- the file of the configuration against the file of decisions

def test_a_file_edited_since_wins(lab):
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends))
    change(web, backends[0], "loadfactor", "3")
    change(web, backends[0], "route", "mine")
    start_anew(web, PERSIST + balancer_conf(backends, per_member=["loadfactor=5", ""]))
    assert weights(web) == [500, 100]
    assert member_state(web, backends[0])["run"]["route"] == "mine"
    found = web.log_lines(r"lbx_core:notice.*loadfactor=3\.00 of the last run is dropped")
    assert len(found) == 1 and f"member {backends[0].url}" in found[0]
    assert "was edited since" in found[0]
    # it is dropped for good, also when the old value comes back
    start_anew(web, PERSIST + balancer_conf(backends))
    assert weights(web) == [100, 100]


def test_an_edit_at_a_reload_is_written_at_once(lab):
    """The file of decisions does not hold what a reload has overruled."""
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends))
    change(web, backends[0], "loadfactor", "3")
    web.graceful(PERSIST + balancer_conf(backends, per_member="loadfactor=5"), need=1)
    assert decisions(state_file(web).read_text()) == []
    start_anew(web, PERSIST + balancer_conf(backends), kill=True)
    assert weights(web) == [100, 100]


def test_members_and_balancers_that_are_gone_are_ignored(lab):
    b1, b2, b3 = backends = members(lab)
    both = PERSIST + balancer_conf(backends) + balancer_conf([b3], name="other", path="")
    web = lab.httpd(both)
    change(web, b1, "loadfactor", "2")
    change(web, b2, "loadfactor", "3")
    change(web, b3, "loadfactor", "4")
    change(web, b3, "loadfactor", "5", name="other")
    start_anew(web, PERSIST + balancer_conf([b3, b1]))
    assert weights(web) == [400, 200]
    found = web.log_lines("lbx_core:notice.*is dropped: it is no longer configured")
    assert len(found) == 2
    assert b2.url in found[0] and "balancer://other" in found[1]


def test_a_value_that_is_not_allowed_any_more(lab):
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends))
    change(web, None, "lbmethod", "bytraffic")
    change(web, backends[0], "loadfactor", "3")
    web.stop()
    text = state_file(web).read_text()
    state_file(web).write_text(text.replace("bytraffic", "bymoonphase").replace("3.00", "-3.00"))
    web.start()
    assert balancer_state(web)["method"] == "byrequests" and weights(web) == [100, 100]
    assert len(web.log_lines("is dropped: the value is not allowed any more")) == 2


# -- how it is written

def test_where_it_is_and_who_may_read_it(lab):
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends))
    assert decisions(state_file(web).read_text()) == []
    change(web, backends[0], "loadfactor", "3")
    assert state_file(web).stat().st_mode & 0o7777 == 0o600
    assert state_file(web).parent.stat().st_mode & 0o7777 == 0o700
    assert sorted(os.listdir(state_file(web).parent)) == ["lock", "nonces", "state"]
    assert decisions(state_file(web).read_text()) == [
        ["member", "main", "balancer://mycluster", backends[0].url, "loadfactor", "1.00", "3.00"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="children run as another user only under root")
def test_written_by_a_child_without_privileges(lab):
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends))
    change(web, backends[0], "loadfactor", "3")
    owner = state_file(web).stat().st_uid
    assert owner != 0 and owner == os.stat(f"/proc/{web.children()[0]}").st_uid
    web.graceful(PERSIST + balancer_conf(backends) + "# edited\n", need=1)  # written by root
    change(web, backends[0], "loadfactor", "4")                      # and by a child once more
    start_anew(web)
    assert weights(web) == [400, 100]


def test_replaced_atomically(lab):
    """Whoever reads it while 100 changes are made reads a whole one every time."""
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends, per_member="route=" + "a" * 60))
    path = state_file(web)
    texts, stop = [], threading.Event()

    def reader():
        while not stop.is_set():
            texts.append(path.read_text())

    thread = threading.Thread(target=reader)
    thread.start()
    try:
        for n in range(100):
            change(web, backends[n % 2], "route", f"{n:02}" * 30)
            # in order, too: a change that was confirmed is on the disk
            assert decisions(path.read_text())[n % 2 if n else 0][6] == f"{n:02}" * 30
    finally:
        stop.set()
        thread.join()
    assert len(texts) >= 100 and len(set(texts)) >= 20, (len(texts), len(set(texts)))
    for text in set(texts):
        decisions(text)
    assert sorted(os.listdir(path.parent)) == ["lock", "nonces", "state"]


def test_changes_by_several_children_at_once(lab):
    """None gets lost: the last file has all of them."""
    backends = members(lab, 6)
    web = lab.httpd(PERSIST + balancer_conf(backends), children=3)

    def work(b, field, values):
        for value in values:
            answer = web.lab_post(balancer="balancer://mycluster", member=b.url, field=field,
                                  value=value)
            assert answer[0] == 200, answer

    threads = [threading.Thread(target=work, args=(b, f, range(1, 11)))
               for b in backends for f in ("loadfactor", "lbset")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    found = {(line[3], line[4]): line[6] for line in decisions(state_file(web).read_text())}
    assert found == {(b.url, f): v for b in backends
                     for f, v in (("loadfactor", "10.00"), ("lbset", "10"))}
    start_anew(web, kill=True)
    assert weights(web) == [1000] * 6


def test_not_written_when_nothing_was_decided(lab):
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends))
    before = state_file(web).stat()
    who(web, 20)
    status, reply = web.lab_post(balancer="balancer://mycluster", member=backends[0].url,
                                 field="loadfactor", value="a lot")
    assert status == 422 and reply["rc"], reply
    after = state_file(web).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_it_stays_small(lab):
    """Only what differs from the configuration is in it, however many members there are."""
    b = lab.backend()
    lines = "\n".join(f'BalancerMember "{b.url}/m{i:03}"' for i in range(300))
    web = lab.httpd(f'{PERSIST}<Proxy "balancer://mycluster">\n{lines}\n</Proxy>\n'
                    'ProxyPass "/" "balancer://mycluster/"\n')
    for i in (7, 299):
        status, reply = web.lab_post(balancer="balancer://mycluster", member=f"{b.url}/m{i:03}",
                                     field="drain", value="on")
        assert status == 200, reply
    assert len(decisions(state_file(web).read_text())) == 2
    assert state_file(web).stat().st_size < 300


# -- a file that is no good

def damaged_ones():
    rng = random.Random(43)
    other_version = "a later version's", lambda t: t.replace("lbx-state 2", "lbx-state 3")
    return [
        ("cut in a line", lambda t: t[:len(HEAD) + 20]),
        ("cut between lines", lambda t: t[:t.index("\n", len(HEAD)) + 1]),
        ("cut before the end", lambda t: t[:t.rindex("end")]),
        ("cut by the last byte", lambda t: t[:-1]),
        ("one line less", lambda t: HEAD + t[t.index("\n", len(HEAD)) + 1:]),
        ("with a tail", lambda t: t + "x"),
        ("with a column less", lambda t: t.replace("\t", "", 1)),
        ("with a zero byte", lambda t: t.replace("route", "ro\0te")),
        ("with a stray escape", lambda t: t.replace("mine", "mi%zz")),
        ("random bytes", lambda t: rng.randbytes(2000).decode("latin-1")),
        ("foreign text", lambda t: "<html>\n<p>Not found</p>\n</html>\n"),
        ("empty", lambda t: ""),
        other_version,
    ]


def two_decisions(lab):
    """A stopped httpd, and the file that it left."""
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends), children=1)
    change(web, backends[0], "loadfactor", "3")
    change(web, backends[1], "route", "mine")
    web.stop()
    return web, backends, state_file(web).read_text()


def test_a_damaged_file_is_a_warning(lab):
    """And then nothing of it is taken, not even the lines before the damage."""
    web, backends, text = two_decisions(lab)
    web.expect_log("LBX019[24]: BalancerPersist On: .*starting from the configuration")
    for what, damage in damaged_ones():
        assert damage(text) != text
        state_file(web).write_text(damage(text), encoding="latin-1")
        before = len(web.log_lines("LBX019[24]"))
        web.start()
        assert len(web.log_lines("LBX019[24]")) == before + 1, what
        assert weights(web) == [100, 100], what
        assert member_state(web, backends[1])["run"]["route"] == "", what
        web.stop()
    # the same start, with the file as it was
    state_file(web).write_text(text)
    web.start()
    assert weights(web) == [300, 100]


def test_after_a_damaged_file_changes_are_written_again(lab):
    web, backends, _ = two_decisions(lab)
    web.expect_log("LBX0194", must=True)
    state_file(web).write_text("nonsense")
    web.start()
    change(web, backends[1], "loadfactor", "4")
    start_anew(web)
    assert weights(web) == [100, 400]


def make_directory(path):
    path.mkdir()
    (path / "something").write_text("")


NO_FILES = {
    "directory": make_directory,
    "link-to-itself": lambda path: path.symlink_to(path),  # nobody can read it, root neither
    "link-to-nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_something_else_in_its_place(lab, kind):
    """It serves, in good time; what is in the way is kept aside, and changes are written."""
    web, backends, _ = two_decisions(lab)
    state_file(web).unlink()
    NO_FILES[kind](state_file(web))
    web.expect_log("LBX019[24]: BalancerPersist On: ")
    web.start(within=5)
    assert weights(web) == [100, 100] and sorted(who(web, 2)) == ["b1", "b2"]
    change(web, backends[0], "loadfactor", "4")
    assert weights(web) == [400, 100]
    if kind == "directory":
        assert web.log_lines("LBX0192.*cannot read")
        assert os.listdir(state_file(web).with_name("state.unusable")) == ["something"]
    assert len(decisions(state_file(web).read_text())) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_a_file_that_may_not_be_read(lab):
    web, _, _ = two_decisions(lab)
    state_file(web).chmod(0)
    web.expect_log("LBX0192.*cannot read", must=True)
    web.start()
    assert weights(web) == [100, 100]


@pytest.mark.parametrize("place", ["a-file", "proc"])
def test_a_runtime_directory_that_cannot_be_written(lab, place):
    """A warning at the start and one a change; everything works until the stop."""
    backends = members(lab, 2)
    web = lab.httpd(start=False)
    if place == "proc":   # root can make nothing there either
        web.rewrite('DefaultRuntimeDir "/proc"\n' + PERSIST + balancer_conf(backends))
    else:
        (web.dir / "run" / "lbx").write_text("a file where the directory should be")
        web.rewrite(PERSIST + balancer_conf(backends))
    web.expect_log("LBX019[012]: BalancerPersist On: cannot")
    web.start()
    assert web.log_lines("lbx_core:warn.*will not survive a stop")
    before = len(web.log_lines("LBX0191"))
    change(web, backends[0], "loadfactor", "3")
    assert len(web.log_lines("LBX0191")) == before + 1
    assert weights(web) == [300, 100]
    web.graceful(need=1)
    assert weights(web) == [300, 100]
    start_anew(web)
    assert weights(web) == [100, 100]


def test_a_runtime_directory_that_goes_away(lab):
    """A running server says so at the next change, and makes it again at the next reload."""
    backends = members(lab, 2)
    web = lab.httpd(PERSIST + balancer_conf(backends))
    shutil.rmtree(state_file(web).parent)
    web.expect_log("LBX0191: BalancerPersist On: cannot write", must=True)
    change(web, backends[0], "loadfactor", "3")
    web.graceful(need=1)
    assert len(eventually(lambda: decisions(state_file(web).read_text()))) == 1
    start_anew(web)
    assert weights(web) == [300, 100]


def test_nonces_survive(lab):
    """As with httpd, and apart from the decisions: scripts hold them.  One of the file is not kept."""
    one, two = members(lab, 2)
    both = balancer_conf([one]) + balancer_conf([two], "nonce=mine", name="other", path="/o/")
    web = lab.httpd(PERSIST + both)
    path = web.dir / "run" / "lbx" / "nonces"
    nonce = balancer_state(web)["nonce"]
    for kill in (False, True):
        start_anew(web, kill=kill)
        assert balancer_state(web)["nonce"] == nonce
        assert balancer_state(web, "other")["nonce"] == "mine"
    assert path.stat().st_mode & 0o777 == 0o600 and nonce in path.read_text()
    assert "mine" not in path.read_text() and nonce not in state_file(web).read_text()
    # the file's word wins, and taken back it is not remembered
    start_anew(web, PERSIST + both.replace("ProxySet nonce=mine", "")
               .replace(f'"{one.url}"\n', f'"{one.url}"\nProxySet nonce=set\n'))
    assert balancer_state(web)["nonce"] == "set"
    assert re.fullmatch("[0-9a-f-]{36}", balancer_state(web, "other")["nonce"])
    start_anew(web, PERSIST + both)
    assert balancer_state(web)["nonce"] not in (nonce, "set", "")
    # what is no nonce is none
    nonce = balancer_state(web)["nonce"]
    web.stop()
    for text in (path.read_text().replace(nonce, "<x>"), path.read_text()[:-3], ""):
        path.write_text(text)
        web.start()
        assert re.fullmatch("[0-9a-f-]{36}", balancer_state(web)["nonce"])
        assert balancer_state(web)["nonce"] != nonce
        web.stop()
    web.rewrite(both)
    web.start()
    nonce = balancer_state(web)["nonce"]
    start_anew(web)
    assert balancer_state(web)["nonce"] != nonce  # without BalancerPersist


def test_no_secrets_and_no_pointers_in_it(lab):
    """Text that an operator can read: only known words, the members' names and values."""
    web, backends, text = two_decisions(lab)
    assert re.fullmatch(r"[\t\n -~]+", text) and "nonce" not in text
    for line in decisions(text):
        assert line[0] in ("member", "set") and line[1] == "main"
        assert line[2] == "balancer://mycluster" and line[3] in [b.url for b in backends]
        assert line[4] in ("loadfactor", "route")
