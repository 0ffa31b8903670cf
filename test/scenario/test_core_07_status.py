# SPDX-License-Identifier: Apache-2.0
"""mod_status shows the balancers as it always did: exporters and scripts parse these lines.

What it is: ProxyStatus On and /server-status, its ?auto lines above all.
What it is not: the manager's page.
"""

import re

import pytest

from core_help import await_idle, balancer_conf, change, finish, hold, members, routes, who

STATUS = """
ProxyStatus On
<Location "/server-status">
    ProxyPass "!"
    SetHandler server-status
</Location>
"""
STOCK = dict(suite=(), modules=("status", "slotmem_shm", "proxy_balancer", "lbmethod_byrequests"))
OURS = dict(modules=("status",))
FLAGS = ["", "+D", "+N", "+S", "+H", "+R", "+I", "+C", "+U", "+D+N+I", "+H+N", "+R+H", "+S+I+D",
         "+C+H", "-D", "+D-D"]


def lines(web):
    """The lines of the balancers, in order."""
    text = web.get("/server-status?auto").text
    return [line for line in text.splitlines() if line.startswith("Proxy")]


def values(web, name):
    """One value of each member of the first balancer, as text, trailing blanks included."""
    return [line.partition(": ")[2] for line in lines(web)
            if re.match(rf"ProxyBalancer\[0\]Worker\[\d+\]{name}:", line)]


def test_lines_and_their_order_are_stocks(lab):
    b = members(lab, 2)
    web = lab.httpd(STATUS + balancer_conf(b) + balancer_conf(b[:1], name="two", path="/two/"),
                    **OURS)
    assert lines(web) == [
        "ProxyBalancer[0]Name: balancer://mycluster",
        *(f"ProxyBalancer[0]Worker[{i}]{text}" for i, m in enumerate(b) for text in (
            f"Name: {m.url}", "Status: Init Ok ", "Elected: 0", "Busy: 0", "Sent: 0K",
            "Rcvd: 0K")),
        "ProxyBalancer[1]Name: balancer://two",
        *(f"ProxyBalancer[1]Worker[0]{text}" for text in (
            f"Name: {b[0].url}", "Status: Init Ok ", "Elected: 0", "Busy: 0", "Sent: 0K",
            "Rcvd: 0K"))]


def test_every_line_is_as_stock_has_it(lab):
    b = members(lab, len(FLAGS))
    conf = STATUS + balancer_conf(b, per_member=[f"status={f}" if f else "" for f in FLAGS])
    ours, stock = lab.httpd(conf, **OURS), lab.httpd(conf, **STOCK)
    assert lines(ours) == lines(stock)
    assert len(values(ours, "Status")) == len(FLAGS)


def test_status_texts(lab):
    b = members(lab, 4)
    web = lab.httpd(STATUS + balancer_conf(b, per_member=[
        "", "status=+D", "status=+N", "status=+H"]), **OURS)
    assert values(web, "Status") == ["Init Ok ", "Init Dis ", "Init Drn Ok ", "Init Stby Ok "]


def test_a_member_in_error_is_shown(lab):
    b = members(lab, 2)
    b[0].refuse()
    web = lab.httpd(STATUS + balancer_conf(b), **OURS)
    web.expect_log("AH00957|AH01114|AH00959|LBX0182")
    assert who(web, 2) == ["b2"] * 2
    assert values(web, "Status") == ["Init Err ", "Init Ok "]


def test_a_member_that_is_configured_in_error_is_shown_so_until_it_is_tried(lab):
    """status=+E, which the manual has: an error without a time, over at the next request."""
    b = members(lab, 2)
    conf = STATUS + balancer_conf(b, per_member=["status=+E", "status=+S+E"])
    for options in (STOCK, OURS):
        web = lab.httpd(conf, **options)
        assert values(web, "Status") == ["Init Err ", "Init Stop Err "], options
        assert who(web, 2) == ["b1"] * 2
        assert values(web, "Status") == ["Init Ok ", "Init Stop Err "], options


def test_a_change_at_run_time_shows_in_every_child(lab):
    b = members(lab, 2)
    web = lab.httpd(STATUS + balancer_conf(b), children=3, **OURS)
    change(web, b[1], "disabled", "on")
    assert [values(web, "Status")[1] for _ in range(8)] == ["Init Dis "] * 8


def test_busy_is_what_is_in_flight_now(lab):
    web = lab.httpd(STATUS + balancer_conf(members(lab, 3)), children=3, **OURS)
    held = [hold(lab, web) for _ in range(4)]
    assert values(web, "Busy") == ["2", "1", "1"] and values(web, "Elected") == ["2", "1", "1"]
    for client in held:
        finish(client)
    await_idle(web)
    assert values(web, "Busy") == ["0", "0", "0"] and values(web, "Elected") == ["2", "1", "1"]


def test_elected_and_bytes_are_current_under_load(lab):
    b = members(lab, 2)
    web = lab.httpd(STATUS + balancer_conf(b), children=3, **OURS)
    with lab.load(web, "/?size=1024", requests=2000, connections=16) as run:
        run.await_count(200)
        floor = run.done
        assert sum(map(int, values(web, "Elected"))) >= floor
        assert sum(map(int, values(web, "Busy"))) <= 16
    assert run.result.all_ok, run.result
    await_idle(web)
    assert values(web, "Elected") == ["1000", "1000"] and values(web, "Busy") == ["0", "0"]
    for received in values(web, "Rcvd"):
        assert re.fullmatch(r"\d+K", received) and 1000 <= int(received[:-1]) <= 1500, received
    for sent in values(web, "Sent"):
        assert re.fullmatch(r"\d+K", sent) and int(sent[:-1]) >= 20, sent


def test_each_request_is_counted_once_in_the_bytes(lab):
    (b,) = members(lab, 1)
    web = lab.httpd(STATUS + balancer_conf([b]), children=3, **OURS)
    clients = [lab.client(web) for _ in range(4)]
    for n in range(20):
        assert clients[n % 4].get("/?size=10240").ok
    await_idle(web)
    # exactly what the member sent, head lines or not: 200 KB, and less than 1 KB a head
    (received,) = values(web, "Rcvd")
    assert 200 <= int(received[:-1]) <= 220


def test_proxystatus_off_shows_nothing(lab):
    web = lab.httpd(STATUS.replace("ProxyStatus On", "ProxyStatus Off")
                    + balancer_conf(members(lab, 2)), **OURS)
    assert lines(web) == []


@pytest.mark.parametrize("params", ["", "stickysession=S|s", "lbmethod=byrequests timeout=3"])
def test_the_page_is_stocks_but_for_its_numbers(lab, params):
    b = members(lab, 2)
    conf = STATUS + balancer_conf(b, params, routes(b, "redirect=r2 lbset=1 loadfactor=3"))
    texts = []
    for options in (OURS, STOCK):
        text = lab.httpd(conf, **options).get("/server-status").text
        texts.append(text[text.index("Proxy LoadBalancer Status"):])
    assert "balancer://mycluster" in texts[0] and "<td>r2</td>" in texts[0]
    assert texts[0] == texts[1]
