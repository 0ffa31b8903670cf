# SPDX-License-Identifier: Apache-2.0
"""What an operator does on the page, in Chromium: look, watch, drain, take back, edit, add and
remove members, health checks."""

import pytest

from core_help import finish, hold, who
from lab import eventually
from manager_help import SUITE, balancer, call, manager, member

ROW = '.member[data-member="%s"]'


def opened(browser, web, path="/balancer-manager"):
    browser.page(web, path)
    eventually(lambda: browser.looks() > 0, 20, "the page has looked once")


def looked(browser, times=1):
    before = browser.looks()
    eventually(lambda: browser.looks() >= before + times, 30, "the page has looked again")


def calm(browser, allowed="(?!)"):
    """No error in the console, no violation of the policy, nothing wider than the window."""
    assert browser.complaints(allowed) == []
    assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")


def test_load_watch_and_drain(lab, browser):
    web, (one, two, three) = manager(lab, 3, "stickysession=S|s", ["route=a", "route=b", "route=c"])
    browser.size(1280)
    opened(browser, web)
    assert browser.text("#lbx .balancer h2") == "mycluster"
    assert browser.run("document.querySelectorAll('.member').length") == 3
    calm(browser)

    # figures move by themselves
    with lab.load(web, requests=40000, connections=2):
        eventually(lambda: float(browser.text(f"{ROW % one.url} .c-rate .now").rstrip("k") or 0)
                   if browser.text(f"{ROW % one.url} .c-rate .now") not in ("–", "")
                   else 0, 30, "requests per second are shown")
        looked(browser, 3)
        browser.shot("page-1280")

        # drain a member through the page: keyboard only
        held = hold(lab, web)
        busy = next(m for m in (one, two, three) if member(web, m)["in_flight"])
        busy = one
        browser.run("document.querySelector(arguments[0]).focus()",
                    f"{ROW % busy.url} [data-action=drain]")
        browser.driver.switch_to.active_element.send_keys("\n")
        eventually(lambda: "Drain" in browser.text("dialog h2"), 10, "the question is asked")
        browser.shot("question-1280")
        browser.click("dialog button[value=yes]")
        eventually(lambda: member(web, busy)["state"] == "draining", 10, "it drains")
        eventually(lambda: browser.run("document.querySelector(arguments[0]).dataset.state",
                                       ROW % busy.url) == "draining", 20, "the page says so")
        before = member(web, busy)["elected"]
        looked(browser, 2)
        finish(held)
    assert member(web, busy)["elected"] <= before + 2, "the traffic has left"
    eventually(lambda: browser.text(f"{ROW % busy.url} .note") == "safe to stop", 20, "safe to stop")
    assert "is draining" in browser.run("document.querySelector('.spoken').textContent")
    browser.shot("drained-1280")

    # and take it back
    browser.click(".toast .undo")
    eventually(lambda: member(web, busy)["state"] == "up", 10, "undone")
    assert set(who(web, 12)) >= {busy.name}
    calm(browser)


def test_edit_and_conflict(lab, browser):
    web, (one, two) = manager(lab, 2)
    browser.size(1280)
    opened(browser, web)
    browser.click(f"{ROW % one.url} [data-action=edit]")
    eventually(lambda: browser.run("document.querySelector('dialog').open"), 10, "the form is open")
    browser.run("document.querySelector('[name=loadfactor]').value = '2.5'")
    browser.shot("edit-1280")
    browser.click("dialog button[value=yes]")
    eventually(lambda: member(web, one)["loadfactor"] == 2.5, 10, "the weight is changed")

    # somebody else was faster: nothing is lost
    looked(browser)
    browser.click(f"{ROW % two.url} [data-action=edit]")
    eventually(lambda: browser.run("document.querySelector('dialog').open"), 10, "the form is open")
    path = f"/balancers/mycluster/members/{member(web, two)['id']}"
    assert call(web, "PATCH", path, {"loadfactor": 7}).status == 200
    browser.run("document.querySelector('[name=loadfactor]').value = '3'")
    browser.click("dialog button[value=yes]")
    eventually(lambda: "Somebody else" in browser.text(".toasts"), 10, "the page tells it")
    assert member(web, two)["loadfactor"] == 7
    calm(browser, "status of 412")


def press(browser, selector, keys="\n"):
    """By keyboard."""
    browser.run("document.querySelector(arguments[0]).focus()", selector)
    browser.driver.switch_to.active_element.send_keys(keys)


def fill(browser, **values):
    for name, value in values.items():
        browser.run("(() => { const e = document.querySelector(`dialog [name=${arguments[0]}]`);"
                    "if (e.type === 'checkbox') e.checked = arguments[1]; else e.value = arguments[1];"
                    "})()", name, value)


def asked(browser, title):
    eventually(lambda: title in browser.text("dialog[open] h2"), 10, f"{title} is asked")


def names(web):
    return [m["name"] for m in balancer(web)["members"]]


@pytest.mark.parametrize("width", [1280, 390])
def test_members_come_and_go(lab, browser, width):
    """Added, with what the server refuses said in the form; taken back; removed, and that taken back
    in time; a removal that is not taken back."""
    web, (one,) = manager(lab, 1)
    new = lab.backend("new")
    row = ROW % new.url
    browser.size(width, 900, phone=width < 500)
    opened(browser, web)
    press(browser, "[data-action=add]")
    asked(browser, "Add a member")
    assert browser.run("document.activeElement.name") == "url"
    browser.shot(f"add-{width}")
    fill(browser, url=one.url, route="n")
    browser.click("dialog button[value=yes]")
    eventually(lambda: "is a member" in browser.text("dialog[open] [role=alert]"), 10, "said in the form")
    assert browser.run("document.querySelector('dialog [name=route]').value") == "n"
    browser.shot(f"add-refused-{width}")
    fill(browser, url=new.url, loadfactor="2.5")
    browser.click("dialog button[value=yes]")
    eventually(lambda: names(web) == [one.url, new.url], 10, "it is there")
    found = member(web, new)
    assert (found["disabled"], found["route"], found["loadfactor"], found["added"]) == (
        True, "n", 2.5, True)
    eventually(lambda: browser.run("!!document.querySelector(arguments[0])", row), 10, "and is shown")
    browser.click(f"{row} [data-action=enable]")
    eventually(lambda: set(who(web, 8)) == {"b1", "new"}, 10, "it takes requests")

    def remove():
        if browser.run("document.querySelector(arguments[0]).hidden", f"{row} + .details"):
            browser.click(f"{row} .name")
        press(browser, f"{row} + .details [data-action=remove]")
        asked(browser, "Remove")
        browser.shot(f"remove-{width}")
        browser.click("dialog button[value=yes]")
        eventually(lambda: member(web, new)["disabled"], 10, "it is disabled at once")

    remove()
    browser.click(".toast:last-child .undo")
    eventually(lambda: not member(web, new)["disabled"], 10, "it stays")
    remove()
    eventually(lambda: names(web) == [one.url], 30, "it is removed")
    eventually(lambda: not browser.run("document.querySelector(arguments[0])", row), 10, "and gone")
    assert f"Removed: {new.url}" in browser.text(".toasts")
    calm(browser, "status of 409")


def test_a_removal_ends_with_another_decision(lab, browser):
    """Enabled in the row, or by somebody else; the notice closed; disabled anew: it is not removed.
    What happens to other members is in no removal's way."""
    web, (stays,) = manager(lab, 1)
    own, others, closed, anew, goes = new = [lab.backend(f"new{i}") for i in range(5)]
    for b in new:
        assert call(web, "POST", "/balancers/mycluster/members", {"url": b.url}).status == 201

    def patch(b, **fields):
        assert call(web, "PATCH", f"/balancers/mycluster/members/{member(web, b)['id']}",
                    fields).status == 200

    browser.size(1280)
    opened(browser, web)
    for b in new:
        browser.click(f"{ROW % b.url} .name")
        press(browser, f"{ROW % b.url} + .details [data-action=remove]")
        asked(browser, "Remove")
        browser.click("dialog button[value=yes]")
        eventually(lambda: member(web, b)["disabled"], 10, "it is disabled at once")
        eventually(lambda: b.url in browser.text(".toast:last-child"), 10, "and told")
        if b is own:
            action = f"{ROW % b.url} [data-action=enable]"
            eventually(lambda: browser.run("!!document.querySelector(arguments[0])", action), 10)
            press(browser, action)
            eventually(lambda: not member(web, b)["disabled"], 10, "enabled in the row")
        elif b is closed:
            press(browser, ".toast:last-child [aria-label=Close]")
        elif b is others:
            patch(b, disabled=False)
        elif b is anew:
            patch(b, disabled=False)
            patch(b, disabled=True)
    patch(stays, loadfactor=2)
    eventually(lambda: goes.url not in names(web), 30, "this one is removed")
    looked(browser, 1)
    assert set(names(web)) == {b.url for b in (stays, own, others, closed, anew)}
    assert [member(web, b)["disabled"] for b in (own, others, closed, anew)] == [
        False, False, True, True]
    said = browser.text(".toasts")
    assert f"Enable: {own.url}, not removed" in said, said
    assert f"Not removed, stays as it is: {closed.url}" in said, said
    for b in (others, anew):
        assert f"Not removed: {b.url}" in said, said
    browser.shot("removals-1280")
    calm(browser)


def test_health_checks(lab, browser):
    web, (one, two) = manager(lab, 2, per_member=["hcmethod=GET hcuri=/health hcinterval=600", ""],
                              suite=(*SUITE, "hcheck"), modules=("watchdog",))
    browser.size(1280)
    opened(browser, web)
    details = f"{ROW % one.url} + .details"
    press(browser, f"{ROW % one.url} .name")
    eventually(lambda: "GET /health every 600" in browser.text(details), 10, "the check is told")
    eventually(lambda: "passed" in browser.text(details), 20, "and how the last one went")
    before = member(web, one)["health"]["checks"]
    press(browser, f"{details} [data-action=check]")
    eventually(lambda: member(web, one)["health"]["checks"] > before, 10, "one more, now")
    # the focus stays while figures move
    looked(browser, 2)
    assert browser.run("document.activeElement.dataset.action") == "check"
    browser.shot("checks-1280")
    press(browser, f"{details} [data-action=pause]")
    asked(browser, "Pause checks")
    browser.click("dialog button[value=yes]")
    eventually(lambda: member(web, one)["health"]["paused"], 10, "paused")
    eventually(lambda: browser.text(f"{details} [data-action=pause]") == "Resume checks", 10)
    browser.click(".toast:last-child .undo")
    eventually(lambda: not member(web, one)["health"]["paused"], 10, "taken back")
    press(browser, f"{details} [data-action=checks]")
    asked(browser, "Checks of")
    browser.shot("edit-checks-1280")
    fill(browser, hcmethod="HEAD11", hcuri="", hcinterval="2.5", hcfails="3")
    browser.click("dialog button[value=yes]")
    eventually(lambda: [member(web, one)["health"][k] for k in ("method", "uri", "interval", "fails")]
               == ["HEAD11", "", 2.5, 3], 10, "changed")
    browser.click(".toast:last-child .undo")
    eventually(lambda: [member(web, one)["health"][k] for k in ("method", "uri", "interval", "fails")]
               == ["GET", "/health", 600, 1], 10, "as before")
    calm(browser)


def test_what_one_may_not_do_is_not_offered(lab, browser):
    more = "".join(f"""
        <Location "/{right}">
            ProxyPass "!"
            SetHandler balancer-manager
            LBXManagerAccess {right}
        </Location>
        """ for right in ("read", "operate"))
    web, (one,) = manager(lab, 1, more=more, suite=(*SUITE, "hcheck"), modules=("watchdog",))
    browser.size(1280)
    for right, offered in (("read", set()), ("operate", {"drain", "disable", "edit", "check", "checks"})):
        opened(browser, web, f"/{right}")
        browser.click(f"{ROW % one.url} .name")
        looked(browser)
        assert set(browser.run("[...document.querySelectorAll('[data-action]')].filter(b => "
                               "!b.hidden).map(b => b.dataset.action)")) == offered
    calm(browser)


def test_a_server_that_does_not_answer(lab, browser):
    web, _ = manager(lab, 2)
    browser.size(1280)
    opened(browser, web)
    web.stop()
    eventually(lambda: "No answer" in browser.text(".trouble"), 20, "the page says so")
    web.start()
    eventually(lambda: browser.text(".live") == "live", 60, "it is live again by itself")
    calm(browser, "ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE")


@pytest.mark.parametrize("width", [1280, 390])
def test_pictures(lab, browser, width):
    web, (one, two, three, four) = manager(
        lab, 4, "stickysession=S|s timeout=2", ["route=a loadfactor=3", "route=b retry=600",
                                                "route=c", "route=d status=+H"])
    web.expect_log("AH00957|AH00959|AH01114|LBX0182")
    two.refuse()
    browser.size(width, 900, phone=width < 500)
    with lab.load(web, requests=20000, connections=2) as run:
        run.await_count(200)
        call(web, "PATCH", f"/balancers/mycluster/members/{member(web, three)['id']}",
             {"drain": True, "loadfactor": 2.5})
        opened(browser, web)
        browser.click(f"{ROW % one.url} .name")
        looked(browser, 5)
        browser.shot(f"state-{width}")
        browser.dark()
        looked(browser)
        browser.shot(f"state-{width}-dark")
    calm(browser)


@pytest.mark.parametrize("width", [1280, 390])
def test_three_hundred_members(lab, browser, width):
    lines = "\n".join(f'BalancerMember "http://10.1.{i // 250}.{i % 250 + 1}:8080" route=r{i}'
                      for i in range(300))
    web, _ = manager(lab, 1, more=f'<Proxy "balancer://large">\n{lines}\n</Proxy>\n')
    browser.size(width, 900, phone=width < 500)
    opened(browser, web)
    assert browser.run("document.querySelectorAll('.member').length") == 301
    looked(browser)
    browser.shot(f"many-{width}")
    large = '.member[data-member="http://10.1.0.1:8080"]'
    if width < 500:  # a calm member is two lines; all of it when it is opened
        shown = f"getComputedStyle(document.querySelector('{large} .c-actions')).display"
        assert browser.run(f"document.querySelector('{large}').offsetHeight") < 90
        assert browser.run(shown) == "none"
        browser.click(f"{large} .name")
        assert browser.run(shown) != "none"
    browser.run("(() => { const f = document.querySelector('input[type=search]');"
                "f.value = 'r29'; f.dispatchEvent(new Event('input')); })()")
    assert browser.run("[...document.querySelectorAll('.member')].filter(m => !m.hidden).length") == 11
    calm(browser)
