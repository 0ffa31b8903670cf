# SPDX-License-Identifier: Apache-2.0
"""Why a member is out of service, by whom and since when: what is told is of the decision that is
in force, not of another change of the member.

What it is: other changes meanwhile, decisions taken back, those of the file, removal.
What it is not: what each state looks like (test_manager_20), who is kept when events are
forgotten (test_manager_07).
"""

import re

from core_help import finish, hold
from manager_help import call, conf, get, manager, member, path_of
from page_help import get as get_page


def patch(web, b, **fields):
    answer = call(web, "PATCH", path_of(web, b), fields)
    assert answer.status == 200, answer
    return answer.json()["member"]


def told(web, b):
    m = member(web, b)
    return m["state"], m["since"], m["cause"] and m["cause"]["text"].partition(":")[0]


def test_another_change_is_not_the_decision(lab):
    web, (one, _) = manager(lab, 2)
    since = patch(web, one, disabled=True)["since"]
    before = get(web, "/")["now"]
    assert since <= before
    for other in ({"ignore_errors": True}, {"standby": True}, {"drain": True}, {"lbset": 2}):
        patch(web, one, **other)
        assert told(web, one) == ("disabled", since, "disabled"), other
    assert re.match(r"disabled for \d+ s", get_page(web).member(one.url)["State"])
    patch(web, one, stopped=True)  # that is one: it is stopped now
    state, since, cause = told(web, one)
    assert (state, cause) == ("stopped", "stopped") and since >= before
    patch(web, one, stopped=False, disabled=False)
    state, since, cause = told(web, one)
    assert (state, cause) == ("draining", "drain") and before <= since
    patch(web, one, drain=False)
    assert told(web, one) == ("up", None, None)


def test_what_the_file_decides_is_no_operators(lab):
    web, (one, two) = manager(lab, 2)
    patch(web, one, disabled=True)
    patch(web, one, disabled=False)
    patch(web, two, drain=True)
    web.graceful(conf([one, two], per_member="status=+D"))
    for b in (one, two):
        assert told(web, b) == ("disabled", None, None)
        assert get_page(web).member(b.url)["State"] == "disabled, safe to stop"
    # and what an operator decides is not the file's, whatever the file says of it afterwards
    patch(web, one, disabled=False)
    since = patch(web, one, disabled=True)["since"]
    web.graceful(conf([one, two], per_member=["status=+D-N loadfactor=2", "status=+D"]))
    assert told(web, one) == ("disabled", since, "disabled")
    # a removal ends with the reload that brings the member back
    assert call(web, "DELETE", path_of(web, two)).status == 200
    web.graceful()
    assert told(web, two) == ("disabled", None, None)


def test_removed_since_its_removal(lab):
    web, (one,) = manager(lab, 1)
    patch(web, one, disabled=True)
    patch(web, one, disabled=False)
    held = hold(lab, web)
    before = get(web, "/")["now"]
    assert call(web, "DELETE", path_of(web, one) + "?dry-run=1").status == 200
    assert told(web, one) == ("up", None, None)
    assert call(web, "DELETE", path_of(web, one)).status == 200
    m = member(web, one)
    assert m["state"] == "retired" and m["since"] >= before
    assert (m["cause"]["kind"], m["cause"]["who"]) == ("removed", "127.0.0.1")
    assert re.fullmatch(r"retired for \d+ s, 1 in flight", get_page(web).member(one.url)["State"])
    assert finish(held) == one.name
