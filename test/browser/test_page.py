# SPDX-License-Identifier: Apache-2.0
"""What an operator does on the page, in Chromium: look, watch, drain, take back, edit."""

import pytest

from core_help import finish, hold, who
from lab import eventually
from manager_help import call, manager, member

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
    browser.run("(() => { const f = document.querySelector('input[type=search]');"
                "f.value = 'r29'; f.dispatchEvent(new Event('input')); })()")
    assert browser.run("[...document.querySelectorAll('.member')].filter(m => !m.hidden).length") == 11
    calm(browser)
