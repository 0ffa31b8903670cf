# SPDX-License-Identifier: Apache-2.0
"""A reload merges the file and the operator's decisions, field by field.

What it is: for each field that can be changed at run time: not edited in the file, it keeps the
decision; edited, the file wins and the log says so; a file that says what was decided catches up
with it.  Also what no field is: the nonce, and room for many more members.
What it is not: the same over a stop and start (test_core_43_persist.py).
"""

import re

import pytest

from core_help import balancer_conf, balancer_state, change, elected, member_state, members, who

HEADROOM = "MaxRequestWorkers 400\nKeepAliveTimeout 1\n"

# field, in the file, decided at run time, what the lab shows of that, in the file later, shown
MEMBER_VALUES = [
    ("loadfactor", "loadfactor=2", "3.50", ("weight", 350), "loadfactor=5", ("weight", 500)),
    ("lbset", "lbset=1", "2", ("lbset", 2), "lbset=3", ("lbset", 3)),
    ("route", "route=a", "b", ("route", "b"), "route=c", ("route", "c")),
    ("redirect", "redirect=a", "b", ("redirect", "b"), "redirect=c", ("redirect", "c")),
]
BALANCER_VALUES = [
    ("lbmethod", "lbmethod=bybusyness", "bytraffic", ("method", "bytraffic"),
     "lbmethod=byrequests", ("method", "byrequests")),
    ("timeout", "timeout=1", "2", ("timeout_us", 2000000), "timeout=3", ("timeout_us", 3000000)),
    ("maxattempts", "maxattempts=1", "2", ("maxattempts", 2), "maxattempts=3",
     ("maxattempts", 3)),
    ("stickysession", "stickysession=A", "B", ("sticky", "B"), "stickysession=C",
     ("sticky", "C")),
]
# a switch has only two values: an edited file either says what was decided, or was not edited
FLAGS = [("ignore-errors", "I", 0x002), ("drain", "N", 0x004), ("shutdown", "U", 0x010),
         ("disabled", "D", 0x020), ("stopped", "S", 0x040), ("standby", "H", 0x100),
         ("spare", "R", 0x800)]


def conf_of(backends, of_balancer, of_first, comment=""):
    """The first member has these parameters, the others are there to answer."""
    return HEADROOM + f"# {comment}\n" + balancer_conf(
        backends, " ".join(of_balancer), [" ".join(of_first)] + [""] * (len(backends) - 1))


class Scene:
    """A balancer with all the fields' first values in the file, and other ones decided."""

    def __init__(self, lab, rows_member, rows_balancer):
        self.backends = members(lab, 2)
        self.member_rows, self.balancer_rows = rows_member, rows_balancer
        self.web = lab.httpd(self.conf(1), max_children=16)

    def conf(self, column, comment=""):
        return conf_of(self.backends, [row[column] for row in self.balancer_rows],
                       [row[column] for row in self.member_rows], comment)

    def decide(self):
        for row in self.member_rows:
            change(self.web, self.backends[0], row[0], row[2])
        for row in self.balancer_rows:
            change(self.web, None, row[0], row[2])

    def check(self, column):
        run = member_state(self.web, self.backends[0])["run"]
        own = balancer_state(self.web)
        for row in self.member_rows:
            name, value = row[column]
            assert run[name] == value, row
        for row in self.balancer_rows:
            name, value = row[column]
            assert own[name] == value, row

    def reload(self, conf):
        self.web.graceful(conf, need=1)


@pytest.fixture
def scene(lab):
    return Scene(lab, MEMBER_VALUES, BALANCER_VALUES)


def test_a_file_that_was_not_edited_keeps_decisions(scene):
    scene.decide()
    scene.check(3)
    scene.reload(scene.conf(1, "edited, but none of the fields"))
    scene.check(3)
    scene.reload(scene.conf(1, "once more"))
    scene.check(3)
    kept = scene.web.log_lines("set at run time stays")
    for row in MEMBER_VALUES + BALANCER_VALUES:
        assert sum(f" {row[0]}=" in line for line in kept) == 2, (row, kept)
    assert not scene.web.log_lines("which was edited, replaces")


def test_an_edited_file_wins_over_decisions(scene):
    scene.decide()
    scene.reload(scene.conf(4))
    scene.check(5)
    # the log names the balancer, the member, the field, the new value and the one that is lost
    shown = {"loadfactor": ("5.00", "3.50"), "lbset": ("3", "2"), "route": ("c", "b"),
             "redirect": ("c", "b"), "lbmethod": ("byrequests", "bytraffic"), "timeout": ("3", "2"),
             "maxattempts": ("3", "2"), "stickysession": ("C", "B")}
    for row in MEMBER_VALUES + BALANCER_VALUES:
        of = f"balancer://mycluster member {scene.backends[0].url}: " if row in MEMBER_VALUES \
            else "balancer://mycluster: "
        now, lost = shown[row[0]]
        found = scene.web.log_lines(
            "lbx_core:notice.*" + re.escape(f"{of}{row[0]}={now} from the configuration file")
            + f".* replaces {re.escape(lost)} set at run time")
        assert len(found) == 1, (row, found)
    # and that was it: the file's values are no decisions, a further reload says nothing of them
    scene.reload(scene.conf(4, "again"))
    scene.check(5)
    assert len(scene.web.log_lines("replaces .* set at run time")) == len(shown)
    assert not scene.web.log_lines("set at run time stays")


def test_edits_without_a_decision_are_no_conflict(scene):
    scene.reload(scene.conf(4))
    scene.check(5)
    assert not scene.web.log_lines("set at run time")
    for row in MEMBER_VALUES + BALANCER_VALUES:
        assert len(scene.web.log_lines(f" {row[0]}=.* from now on")) == 1, row


def test_edited_fields_do_not_touch_the_others(scene):
    """Every other field is edited, then the rest."""
    scene.decide()
    rows = MEMBER_VALUES + BALANCER_VALUES
    for edited in (rows[::2], rows):
        scene.reload(conf_of(scene.backends,
                             [r[4 if r in edited else 1] for r in BALANCER_VALUES],
                             [r[4 if r in edited else 1] for r in MEMBER_VALUES]))
        run, own = member_state(scene.web, scene.backends[0])["run"], balancer_state(scene.web)
        for r in rows:
            name, value = r[5 if r in edited else 3]
            assert (run if r in MEMBER_VALUES else own)[name] == value, r
        assert len(scene.web.log_lines("replaces .* set at run time")) == len(edited)


def test_a_file_that_catches_up_is_no_conflict(lab):
    """The file says what was decided: no override is left, so that later edits just hold."""
    scene = Scene(lab, MEMBER_VALUES, BALANCER_VALUES)
    scene.decide()
    caught_up = {"loadfactor": "loadfactor=3.5", "lbset": "lbset=2", "route": "route=b",
                 "redirect": "redirect=b", "lbmethod": "lbmethod=bytraffic",
                 "timeout": "timeout=2", "maxattempts": "maxattempts=2",
                 "stickysession": "stickysession=B"}
    scene.reload(conf_of(scene.backends, [caught_up[r[0]] for r in BALANCER_VALUES],
                         [caught_up[r[0]] for r in MEMBER_VALUES]))
    scene.check(3)
    assert member_state(scene.web, scene.backends[0])["run"] == \
        member_state(scene.web, scene.backends[0])["conf"]
    scene.reload(scene.conf(4))
    scene.check(5)
    assert not scene.web.log_lines("replaces .* set at run time|set at run time stays")


def test_a_field_that_leaves_the_file(scene):
    """Not to be named any more is an edit: the default is in force."""
    scene.decide()
    scene.reload(conf_of(scene.backends, [], []))
    run, own = member_state(scene.web, scene.backends[0])["run"], balancer_state(scene.web)
    assert (run["weight"], run["lbset"], run["route"], run["redirect"]) == (100, 0, "", "")
    assert (own["method"], own["timeout_us"], own["maxattempts"], own["sticky"]) == \
        ("byrequests", 0, -1, "")


def test_a_decision_taken_back_leaves_nothing(scene):
    """Set to what the file says: an edit later is no conflict."""
    scene.decide()
    back = {"loadfactor": "2", "lbset": "1", "route": "a", "redirect": "a",
            "lbmethod": "bybusyness", "timeout": "1", "maxattempts": "1", "stickysession": "A"}
    for row in MEMBER_VALUES:
        change(scene.web, scene.backends[0], row[0], back[row[0]])
    for row in BALANCER_VALUES:
        change(scene.web, None, row[0], back[row[0]])
    scene.reload(scene.conf(4))
    scene.check(5)
    assert not scene.web.log_lines("set at run time stays|replaces .* set at run time")


def admin(web, backends):
    return [member_state(web, b)["run"]["admin"] for b in backends]


def test_flags_decided_stay(lab):
    """One member for each flag, switched on where the file has it off and the other way round."""
    backends = members(lab, 8)
    bits = [bit for _, _, bit in FLAGS]
    plain = HEADROOM + balancer_conf(backends)
    web = lab.httpd(plain, max_children=16)
    for b, (field, _, _) in zip(backends, FLAGS):
        change(web, b, field, "on")
    web.graceful(plain + "# edited\n", need=1)
    assert admin(web, backends[:7]) == bits

    # the file catches up: nothing changes now, and it has the word from here on
    flagged = HEADROOM + balancer_conf(backends, per_member=[f"status=+{x}" for _, x, _ in FLAGS]
                                       + [""])
    web.graceful(flagged, need=1)
    assert admin(web, backends[:7]) == bits
    for b, (field, _, _) in zip(backends, FLAGS):
        change(web, b, field, "off")
    web.graceful(flagged + "# edited\n", need=1)
    assert admin(web, backends[:7]) == [0] * 7
    assert not web.log_lines("replaces .* set at run time")


def test_flags_edited_in_the_file(lab):
    backends = members(lab, 8)
    plain = HEADROOM + balancer_conf(backends)
    flagged = HEADROOM + balancer_conf(backends, per_member=[f"status=+{x}" for _, x, _ in FLAGS]
                                       + [""])
    web = lab.httpd(plain, max_children=16)
    web.graceful(flagged, need=1)
    assert admin(web, backends[:7]) == [bit for _, _, bit in FLAGS]
    web.graceful(plain, need=1)
    assert admin(web, backends[:7]) == [0] * 7


def test_a_flag_in_the_file_leaves_other_flags_alone(lab):
    """They are in one word, and are merged bit by bit all the same."""
    b1, b2 = backends = members(lab, 2)
    web = lab.httpd(HEADROOM + balancer_conf(backends), max_children=16)
    change(web, b1, "drain", "on")
    change(web, b1, "standby", "on")
    web.graceful(HEADROOM + balancer_conf(backends, per_member=["status=+D", ""]), need=1)
    assert admin(web, [b1, b2]) == [0x020 | 0x004 | 0x100, 0]
    change(web, b1, "standby", "off")
    web.graceful(HEADROOM + balancer_conf(backends, per_member=["status=+D+N", ""]), need=1)
    assert admin(web, [b1, b2]) == [0x020 | 0x004, 0]


def test_nofailover_both_ways(lab):
    b = members(lab, 2)
    plain, strict = (HEADROOM + balancer_conf(b, p) for p in ("", "nofailover=On"))
    web = lab.httpd(plain, max_children=16)
    change(web, None, "nofailover", "on")
    web.graceful(plain + "# edited\n", need=1)
    assert balancer_state(web)["nofailover"] == 1
    web.graceful(strict, need=1)
    change(web, None, "nofailover", "off")
    web.graceful(strict + "# edited\n", need=1)
    assert balancer_state(web)["nofailover"] == 0
    web.graceful(plain, need=1)
    assert balancer_state(web)["nofailover"] == 0


def test_a_method_that_is_gone_is_not_kept(lab):
    """The override names a provider that the new configuration does not load any more."""
    backends = members(lab, 2)
    web = lab.httpd(HEADROOM + balancer_conf(backends), max_children=16, modules=["status"])
    change(web, None, "lbmethod", "lab_last")
    assert who(web, 3) == ["b2"] * 3
    web.expect_log("lbmethod=lab_last set at run time is not loaded any more, going back to "
                   "byrequests", must=True)
    # without the lab's module there is no /-lab; the answers tell
    web.conf_path.write_text("\n".join(
        line for line in web.conf_path.read_text().splitlines() if "lbx_lab" not in line))
    web.graceful(need=1)
    assert sorted(who(web, 4)) == ["b1", "b1", "b2", "b2"]


def test_the_nonce_stays(lab):
    backends = members(lab, 2)
    web = lab.httpd(HEADROOM + balancer_conf(backends), max_children=16)
    nonce = balancer_state(web)["nonce"]
    assert re.fullmatch(r"[0-9a-f-]{36}", nonce)
    web.graceful(HEADROOM + balancer_conf(backends[:1], "maxattempts=7"), need=1)
    assert balancer_state(web)["nonce"] == nonce
    web.graceful(HEADROOM + balancer_conf(backends, "nonce=secret"), need=1)
    assert balancer_state(web)["nonce"] == "secret"


def test_decisions_are_per_balancer(lab):
    b = members(lab, 1)
    conf = HEADROOM + balancer_conf(b, name="one", path="/one") \
        + balancer_conf(b, name="two", path="/two")
    web = lab.httpd(conf, max_children=16)
    change(web, b[0], "loadfactor", "7", name="one")
    change(web, None, "timeout", "7", name="two")
    web.graceful(conf.replace("two", "three"), need=1)
    assert member_state(web, b[0], "one")["run"]["weight"] == 700
    assert balancer_state(web, "one")["timeout_us"] == 0
    assert member_state(web, b[0], "three")["run"]["weight"] == 100
    assert balancer_state(web, "three")["timeout_us"] == 0


# -- many members

def many(backend, n):
    """n members, all of them the same backend, told apart by their path."""
    lines = [f'BalancerMember "{backend.url}/m{i:04}" disablereuse=on' for i in range(n)]
    return (HEADROOM + "LogLevel lbx_core:debug\n" + '<Proxy "balancer://mycluster">\n'
            + "\n".join(lines) + '\n</Proxy>\nProxyPass "/" "balancer://mycluster/"\n')


def served(web, lab, backend, n):
    """Which members took the next n requests, and how often."""
    backend.reset_stats()
    with lab.load(web, "/", requests=n, connections=16) as run:
        pass
    assert run.result.all_ok, run.result
    return {path[:6]: count for path, count in backend.stats()["paths"].items()}


def decide_on_the_first_two(web, backend):
    for n, field, value in ((0, "disabled", "on"), (1, "route", "mine")):
        status, reply = web.lab_post(balancer="balancer://mycluster",
                                     member=f"{backend.url}/m{n:04}", field=field, value=value)
        assert status == 200, reply


def check_first_two(web, of_second):
    first, second = balancer_state(web)["members"][:2]
    assert (first["run"]["admin"], first["elected"]) == (0x20, 0)
    assert (second["run"]["route"], second["elected"]) == ("mine", of_second)


def test_growth_beyond_the_first_segment(lab):
    b = lab.backend()
    web = lab.httpd(many(b, 2), max_children=16)
    decide_on_the_first_two(web, b)
    assert served(web, lab, b, 5) == {"/m0001": 5}
    total = 5
    for n in (300, 1000, 2):
        web.graceful(many(b, n), need=1)
        check_first_two(web, total)
        assert served(web, lab, b, n - 1) == {f"/m{i:04}": 1 for i in range(1, n)}
        total += 1
        check_first_two(web, total)
    assert len(web.log_lines(r"LBX0112.*shared segment [2-9]")) == 2


def test_room_is_used_again(lab):
    """Members that come and go do not eat up memory: freed slots are taken before new ones."""
    b = lab.backend()
    web = lab.httpd(many(b, 2), max_children=16)
    decide_on_the_first_two(web, b)
    for n in (300, 2) * 3:
        web.graceful(many(b, n), need=1)
        check_first_two(web, 0)
    assert len(web.log_lines("LBX0112.*shared segment")) == 2
    web.graceful(many(b, 300), need=1)
    assert elected(web) == [0] * 300
    assert served(web, lab, b, 299) == {f"/m{i:04}": 1 for i in range(1, 300)}
