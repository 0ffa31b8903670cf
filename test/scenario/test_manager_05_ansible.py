# SPDX-License-Identifier: Apache-2.0
"""Ansible's module community.general.apache2_mod_proxy, as its package has it, drives the manager.

What it is: disable, drain, hot standby and enable on two balancers, through the whole page and
through the page of one balancer; what the suite has in force afterwards.
What it is not: a test of Ansible.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core_help import member_state, members, who
from manager_help import SUITE, conf
from page_help import PAGE

RUNNER = Path(__file__).with_name("ansible_help.py")
BITS = {"enabled": 0, "disabled": 0x20, "drained": 0x4}


def is_there():
    program = ("import bs4, importlib.util as u;"
               "assert u.find_spec('ansible_collections.community.general.plugins.modules"
               ".apache2_mod_proxy')")
    return not subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode


def play(web, tasks):
    """What the module says of each task; tasks: (suffix, member_host, state)."""
    given = [{key: value for key, value in (
        ("balancer_vhost", f"127.0.0.1:{web.port}"), ("balancer_url_suffix", suffix),
        ("member_host", host), ("state", state)) if value} for suffix, host, state in tasks]
    done = subprocess.run([sys.executable, RUNNER], input=json.dumps(given), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_two_balancers(lab):
    if not is_there():
        pytest.skip("neither ansible nor bs4 is installed")
    b = members(lab, 2)
    # the module tells members apart by their host
    second = f"""
        <Proxy "balancer://two">
            BalancerMember "http://localhost:{b[0].port}"
            BalancerMember "http://127.0.0.1:{b[1].port}"
        </Proxy>
        ProxyPass "/two/" "balancer://two/"
    """
    web = lab.httpd(conf(b[:1], per_member="route=a") + second, suite=SUITE)
    states = ["disabled", "drained", "hot_standby", "enabled"]
    first = [(f"{PAGE}/mycluster", "127.0.0.1", state) for state in states]
    other = [(f"{PAGE}/two", host, state) for state in states for host in ("localhost",
                                                                          "127.0.0.1")]
    looks = [(f"{PAGE}/two", None, None), (f"{PAGE}/mycluster/", None, None)]
    said = play(web, looks + first + other)
    assert [m["host"] for m in said[0]["members"]] == ["localhost", "127.0.0.1"]
    assert [m["port"] for m in said[1]["members"]] == [str(b[0].port)]
    assert said[1]["members"][0]["attributes"]["Route"] == "a"
    assert said[1]["members"][0]["path"] is None
    for (suffix, host, state), answer in zip(first + other, said[2:]):
        assert not answer.get("failed"), answer
        assert answer["changed"] is True, (suffix, host, state)
        status = answer["member"]["status"]
        assert {mode for mode, on in status.items() if on} == ({state} & set(status)), answer
    assert who(web, 2, "/two/") and who(web, 1) == ["b1"]
    assert len(web.log_lines("LBX0170")) >= len(first) + len(other)
    play(web, [(f"{PAGE}/two", "localhost", "drained")])
    assert member_state(web, b[0], "two")["run"]["admin"] == BITS["drained"]
    assert member_state(web, b[1], "two")["run"]["admin"] == BITS["enabled"]


def test_the_whole_page_of_one_balancer(lab):
    """As everybody has it in their playbooks: the default suffix, one balancer."""
    if not is_there():
        pytest.skip("neither ansible nor bs4 is installed")
    b = members(lab, 1)
    web = lab.httpd(conf(b), suite=SUITE)
    said = play(web, [(PAGE + "/", "127.0.0.1", "disabled"), (PAGE + "/", "127.0.0.1", "disabled"),
                      (None, "127.0.0.1", None), (None, "nobody", "disabled")])
    assert [answer.get("changed") for answer in said] == [True, False, False, None]
    assert said[2]["member"]["status"]["disabled"] and said[3]["failed"]
    assert member_state(web, b[0])["run"]["admin"] == BITS["disabled"]
