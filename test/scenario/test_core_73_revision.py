# SPDX-License-Identifier: Apache-2.0
"""Changes at run time: all or nothing, no lost update, and refusals that say what is allowed.

What it is: revisions, dry runs, many editors at once, values that must not get in.
What it is not: what a field does (test_core_20_states.py and others).
"""

import concurrent.futures
import urllib.parse

import pytest

from core_help import balancer_conf, balancer_state, change, member_state, members

NAME = "balancer://mycluster"
CONFLICT, VALUE, FIELD = 9, 8, 7


def revision(to, name=NAME):
    return to.get(f"/-lab/revision?{name}").json()["revision"]


def post(to, pairs, **first):
    """One request with several changes: (member or None, field, value)."""
    form = list(first.items())
    for member, field, value in pairs:
        form += [("balancer", NAME), ("member", member.url if member else ""), ("field", field),
                 ("value", value)]
    answer = to.post("/-lab", urllib.parse.urlencode(form),
                     headers={"Content-Type": "application/x-www-form-urlencoded"})
    return answer.json()


def test_it_moves_with_every_change_and_nothing_else(lab):
    b1, b2 = members(lab, 2)
    conf = balancer_conf([b1, b2])
    web = lab.httpd(conf + balancer_conf([b1, b2], name="other", path="/other/"))
    at = revision(web)
    other = revision(web, "balancer://other")
    assert at and other and not revision(web, "balancer://nobody")
    web.get("/")
    assert revision(web) == at
    assert post(web, [(b1, "loadfactor", "2")], revision=at)["rc"] == 0
    second = revision(web)
    assert second > at
    refused = post(web, [(b1, "loadfactor", "3")], revision=at)
    assert refused["rc"] == CONFLICT and "meanwhile" in refused["error"]
    assert member_state(web, b1)["run"]["weight"] == 200
    change(web, None, "maxattempts", "3")  # without a condition
    assert revision(web) > second
    third = revision(web)
    web.graceful()
    assert (revision(web), revision(web, "balancer://other")) == (third, other)


def test_all_or_nothing(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1, b2]))
    at = revision(web)
    before = balancer_state(web)
    good = [(b1, "loadfactor", "2"), (b2, "drain", "on"), (None, "timeout", "3")]
    for bad, rc, text in [
            ((b2, "loadfactor", "0.5"), VALUE, f"{b2.url}: loadfactor=0.5: must be 1..100"),
            ((b2, "colour", "red"), FIELD, f"{b2.url}: colour: a member has no field"),
            ((None, "lbmethod", "best"), VALUE, "lbmethod=best: must be the name of a loaded"),
            ((b1, "loadfactor", "3"), VALUE, "loadfactor: is to be 2 and 3 in one request")]:
        answer = post(web, [*good, bad])
        assert answer["rc"] == rc and text in answer["error"], answer
    assert post(web, good, dry_run=1, revision=at)["rc"] == 0
    assert post(web, good, dry_run=1, revision=at - 1)["rc"] == CONFLICT
    assert post(web, [*good, (b1, "lbset", "100")], dry_run=1)["rc"] == VALUE
    after = balancer_state(web)
    assert [m["run"] for m in after["members"]] == [m["run"] for m in before["members"]]
    assert (revision(web), after["timeout_us"]) == (at, before["timeout_us"])
    assert not web.lab_state("/-lab/events")["events"]
    assert post(web, good + good, revision=at)["rc"] == 0  # the same twice is no contradiction
    assert member_state(web, b1)["run"]["weight"] == 200
    assert balancer_state(web)["timeout_us"] == 3_000_000


@pytest.mark.parametrize("field, values, allowed", [
    ("loadfactor", ["NaN", "1e999", "inf", "-1", "0.99", "100.01", "1,5", "", "2 ", "0x10",
                    "99999999999999999999"], "1..100"),
    ("route", ["a\nb", "a\rSet-Cookie: x", "a b", "x" * 64, "\x7f"], "up to 63 printable"),
    ("redirect", ["b\n", "\t"], "up to 63 printable"),
    ("maxconn", ["-1", "1e3", "1000001"], "0..1000000"),
    ("lbset", ["100", "-1", "1.5"], "0..99"),
    ("drain", ["maybe", "2", ""], "on or off"),
])
def test_values_that_must_not_get_in(lab, field, values, allowed):
    b1 = lab.backend("b1")
    web = lab.httpd(balancer_conf([b1]))
    before = member_state(web, b1)["run"]
    client = lab.client(web)
    for value in values:
        answer = post(client, [(b1, field, value)])
        assert answer["rc"] == VALUE, (value, answer)
        assert answer["error"].startswith(f"{field}=") and allowed in answer["error"]
        assert answer["error"].isprintable(), "what is quoted is made harmless"
    assert member_state(web, b1)["run"] == before
    assert not web.log_lines("LBX0170")


def test_fifty_editors_lose_no_update(lab):
    """Each reads, adds one hundredth and writes, if nobody else was there; all must be in."""
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1, b2]))

    def edit(_):
        for tries in range(1, 2000):  # each on a new connection: httpd is free to close idle ones
            at = revision(web)
            state = web.get("/-lab").json()["balancers"][0]["members"][0]
            weight = state["run"]["weight"] + 1
            answer = post(web, [(b1, "loadfactor", f"{weight // 100}.{weight % 100:02}")],
                          revision=at)
            if not answer["rc"]:
                return tries
            assert answer["rc"] == CONFLICT, answer
        raise AssertionError("it never got in")

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        tries = list(pool.map(edit, range(50)))
    assert member_state(web, b1)["run"]["weight"] == 150
    assert len(web.log_lines("LBX0170")) == 50
    assert sum(tries) >= 50
