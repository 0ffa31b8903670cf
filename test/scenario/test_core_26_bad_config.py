# SPDX-License-Identifier: Apache-2.0
"""Configurations that must not start, and what is said of them.

What it is: httpd -t on one mistake at a time; the message has to name the directive, the value
and what is allowed instead.
What it is not: configurations that work (test_core_25).
"""

import re

import pytest

from core_help import balancer_conf, balancer_state, elected, members, who

LBX_CORE = re.compile(r"^LoadModule lbx_core_module .*\n", re.M)


def member(params):
    return balancer_conf([], name="app").replace(
        "</Proxy>", f'BalancerMember "http://127.0.0.1:1" {params}\n</Proxy>')


def checked(lab, conf, **options):
    """httpd -t: whether the configuration is good, and what was said."""
    code, text = lab.httpd(conf, start=False, **options).configtest()
    return code == 0, text


def assert_refused(lab, conf, *words, **options):
    good, text = checked(lab, conf, **options)
    assert not good and "Syntax OK" not in text, text
    for word in words:
        assert word in text, f"{word!r} is not in:\n{text}"


# -- values of members

def test_a_good_configuration_is_good(lab):
    good, text = checked(lab, member("retry=5 lbset=3 loadfactor=2.5 route=r1"))
    assert good and text.strip() == "Syntax OK"


@pytest.mark.parametrize("param, allowed", [
    ("retry=abc", "seconds, a whole number, 0 or more"),
    ("retry=", "seconds, a whole number, 0 or more"),
    ("loadfactor=abc", "a number from 1 to 100"),
    ("lbset=x", "a whole number from 0 to 99"),
    ("timeout=abc", "seconds, a whole number, 1 or more"),
    ("ttl=soon", "seconds, a whole number, 1 or more"),
    ("max=many", "a whole number, 0 or more"),
    ("min=few", "a whole number, 0 or more"),
    ("smax=some", "a whole number, 0 or more"),
    ("flushwait=x", "milliseconds, 0 to 1000"),
    ("iobuffersize=x", "bytes, 0 or at least 512"),
])
def test_a_member_value_without_a_number(lab, param, allowed):
    assert_refused(lab, member(param), f"BalancerMember {param}: must be {allowed}")


@pytest.mark.parametrize("param, allowed", [
    ("retry=-1", "0 or more"),
    ("loadfactor=0", "1 to 100"),
    ("loadfactor=101", "1 to 100"),
    ("loadfactor=-5", "1 to 100"),
    ("lbset=200", "0 to 99"),
    ("lbset=-1", "0 to 99"),
    ("timeout=0", "1 or more"),
    ("flushwait=2000", "0 to 1000"),
    ("iobuffersize=100", "512"),
])
def test_a_member_value_out_of_range(lab, param, allowed):
    assert_refused(lab, member(param), f"BalancerMember {param}: must be ", allowed)


@pytest.mark.parametrize("param, words", [
    ("colour=red", "unknown Worker parameter"),
    ("status=+X", "status=+X: must be letters"),
    ("status=+", "status=+: must be letters"),
    (f"route={'r' * 64}", f"route={'r' * 64}: must be up to 63 characters"),
    (f"redirect={'r' * 64}", f"redirect={'r' * 64}: must be up to 63 characters"),
    ("disablereuse=maybe", "disablereuse=maybe: must be On or Off"),
])
def test_other_values_of_members(lab, param, words):
    assert_refused(lab, member(param), f"BalancerMember {words}")


@pytest.mark.parametrize("param", ["hcmethod=GET", "hcinterval=5", "hcuri=/up", "hcpasses=2",
                                   "hcfails=3", "hcexpr=ok", "hctemplate=t"])
def test_health_check_parameters_need_the_health_checker(lab, param):
    assert_refused(lab, member(param), "BalancerMember", param,
                   "health checks need mod_lbx_hcheck, which is not loaded")


# -- values of balancers

def test_good_values_in_the_head_of_a_section(lab):
    conf = balancer_conf([], name="app").replace(
        'app">', 'app" failontimeout=on timeout=3 nofailover=On>', 1)
    good, text = checked(lab, conf)
    assert good and text.strip() == "Syntax OK", text


PLACES = {
    "ProxySet": lambda p: balancer_conf([], p, name="app"),
    "ProxySet with the name":
        lambda p: balancer_conf([], name="app") + f'ProxySet "balancer://app" {p}',
    "ProxyPass": lambda p: balancer_conf([], name="app", pass_params=p),
    "<Proxy>": lambda p: balancer_conf([], name="app").replace('app">', f'app" {p}>', 1),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("param, allowed", [
    ("timeout=abc", "1 or more|at least one second"),
    ("timeout=0", "1 or more|at least one second"),
    ("maxattempts=x", "0 or more"),
    ("maxattempts=-1", "0 or more|positive"),
    ("growth=lots", "1 (to|and) 100"),
    ("growth=0", "1 (to|and) 100"),
    ("growth=101", "1 (to|and) 100"),
    (f"stickysession={'s' * 64}", "up to 63 characters"),
    ("lbmethod=byluck", "lbmethod"),
])
def test_a_balancer_value(lab, place, param, allowed):
    """The directive, the parameter with its value, what is allowed."""
    good, text = checked(lab, PLACES[place](param))
    assert not good, text
    assert place.split()[0].rstrip(">") in text and param in text, text
    assert re.search(allowed, text), text


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("param, words", [
    ("failonstatus=99", "failonstatus=99: must be statuses from 100 to 599"),
    ("nofailover=perhaps", "nofailover=perhaps: must be On or Off"),
    ("colour=red", "colour=red: unknown Balancer parameter, must be one of lbmethod"),
])
def test_what_mod_proxy_refuses_of_a_balancer_stays_refused(lab, place, param, words):
    assert_refused(lab, PLACES[place](param), place.split()[0].rstrip(">"), words)


# -- values that have always worked

@pytest.mark.parametrize("value, warned", [("30s", True), ("30.5", False), ("+30", False)])
def test_a_number_with_something_behind_it_works_with_a_warning(lab, value, warned):
    web = lab.httpd(member(f"retry={value}"), start=False)
    code, text = web.configtest()
    assert code == 0, text
    said = "BalancerMember retry=30s: 's' is ignored, the value must be seconds" in text
    assert said == warned, text
    web.expect_log("LBX0201")
    web.start()
    assert balancer_state(web, "app")["members"][0]["retry_us"] == 30_000_000


@pytest.mark.parametrize("param", ["timeout=7s", "maxattempts=2x", "growth=5members"])
def test_a_balancer_number_with_something_behind_it_works_with_a_warning(lab, param):
    good, text = checked(lab, balancer_conf([], param, name="app"))
    assert good and f"ProxySet {param}: '" in text and "is ignored" in text


@pytest.mark.parametrize("param", ["connectiontimeout=200ms", "ping=5", "acquire=2s",
                                   "timeout=30", "retry=0", "loadfactor=1.5"])
def test_units_that_mod_proxy_knows_need_no_warning(lab, param):
    good, text = checked(lab, member(param))
    assert good and text.strip() == "Syntax OK", text


# -- modules

@pytest.mark.parametrize("stock, also", [
    ("proxy_balancer", ["slotmem_shm"]),
    ("lbmethod_byrequests", []),
    ("lbmethod_bybusyness", []),
    ("lbmethod_bytraffic", []),
    ("proxy_hcheck", ["watchdog"]),
])
def test_a_stock_module_beside_core(lab, stock, also):
    good, text = checked(lab, "", modules=(*also, stock))
    said = [line for line in text.splitlines() if f"mod_{stock}" in line]
    assert not good and len(said) == 1, text
    assert "mod_lbx_core" in said[0] and f'"LoadModule {stock}_module' in said[0]


def test_a_stock_module_after_core(lab):
    web = lab.httpd("", modules=("slotmem_shm", "proxy_balancer"), start=False)
    text = web.conf_path.read_text()
    stock = re.search(r"^LoadModule proxy_balancer_module .*\n", text, re.M)[0]
    ours = LBX_CORE.search(text)[0]
    web.conf_path.write_text(text.replace(stock, "").replace(ours, ours + stock))
    code, text = web.configtest()
    assert code != 0 and "mod_lbx_core replaces mod_proxy_balancer" in text


def test_core_before_mod_proxy(lab):
    web = lab.httpd("", start=False)
    text = web.conf_path.read_text()
    ours = LBX_CORE.search(text)[0]
    proxy = re.search(r"^LoadModule proxy_module .*\n", text, re.M)[0]
    web.conf_path.write_text(text.replace(ours, "").replace(proxy, ours + proxy))
    code, text = web.configtest()
    assert code != 0 and "mod_lbx_core.so" in text


# -- while a server runs

def test_a_bad_configuration_does_not_disturb_the_running_server(lab):
    backends = members(lab, 2)
    good = balancer_conf(backends, per_member="retry=60")
    web = lab.httpd(good)
    who(web, 4)
    nonce = balancer_state(web)["nonce"]
    web.rewrite(balancer_conf(backends, per_member="retry=abc"))
    assert web.configtest()[0] != 0
    assert elected(web) == [2, 2] and set(who(web, 2)) == {"b1", "b2"}
    web.graceful(good, need=1)
    assert elected(web) == [3, 3] and balancer_state(web)["nonce"] == nonce


def test_a_good_configtest_does_not_disturb_it_either(lab):
    backends = members(lab, 2)
    web = lab.httpd("BalancerPersist On\n" + balancer_conf(backends))
    web.lab_post(balancer="balancer://mycluster", member=backends[0].url, field="disabled",
                 value="on")
    assert web.configtest()[0] == 0
    assert who(web, 4) == ["b2"] * 4
    web.stop()
    web.start()
    assert who(web, 4) == ["b2"] * 4
