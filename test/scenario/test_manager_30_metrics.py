# SPDX-License-Identifier: Apache-2.0
"""Metrics: what stands in them, that tools can read them, that counters never go back.

What it is: <Location>/-/metrics and SetHandler lbx-metrics, promtool's judgement, the manual's table.
What it is not: what a scrape costs (test/bench/manager.py).
"""

import re
import shutil
import subprocess

import pytest

from core_help import change, finish, hold, who
from lab import layout
from manager_help import SUITE, manager, member

METRICS = "/balancer-manager/-/metrics"
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def scrape(web, path=METRICS):
    """{(name, label pairs): value}, and the text."""
    answer = web.get(path)
    assert answer.status == 200, answer
    assert answer.headers.get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            name, labels, value = SAMPLE.match(line).groups()
            key = (name, frozenset(LABEL.findall(labels or "")))
            assert key not in found, f"twice: {line}"
            found[key] = float(value)
    return found, answer.text


def value(found, name, **labels):
    hits = [v for (n, pairs), v in found.items() if n == name and labels.items() <= dict(pairs).items()]
    assert len(hits) == 1, (name, labels, hits)
    return hits[0]


def test_what_is_counted(lab):
    web, (one, two) = manager(lab, 2, per_member=["retry=600 loadfactor=2.5", "retry=600"])
    web.expect_log("AH00957|AH00959|AH01114|LBX0182")
    one.behave("/404", "answer", status=404)
    who(web, 7)
    assert web.get("/404").status in (200, 404)
    held = hold(lab, web)
    found, _ = scrape(web)
    assert value(found, "lbx_balancer_requests_total", balancer="mycluster") == 9
    assert value(found, "lbx_balancer_members", balancer="mycluster") == 2
    assert value(found, "lbx_balancer_info", balancer="mycluster", lbmethod="byrequests") == 1
    for backend in (one, two):
        seen = member(web, backend)
        who_is = {"member": backend.url}
        assert value(found, "lbx_member_elected_total", **who_is) == seen["elected"]
        assert value(found, "lbx_member_in_flight", **who_is) == seen["in_flight"]
        assert value(found, "lbx_member_weight", **who_is) == seen["loadfactor"]
        assert value(found, "lbx_member_state", state="up", **who_is) == 1
        for cls, n in seen["responses"].items():
            assert value(found, "lbx_member_responses_total", **{"class": cls}, **who_is) == n
        for outcome, n in seen["attempts"].items():
            assert value(found, "lbx_member_attempts_total", outcome=outcome, **who_is) == n
        assert value(found, "lbx_member_latency_seconds_count", **who_is) == sum(
            seen["latency"]["buckets"])
        assert value(found, "lbx_member_received_bytes_total", **who_is) == seen["bytes_received"]
    finish(held)
    two.refuse()
    who(web, 4)
    found, _ = scrape(web)
    assert value(found, "lbx_member_retries_total", outcome="connect-failure", member=two.url) == 1
    assert value(found, "lbx_member_failures_total", member=two.url) == 1


def test_state_is_one_of_all(lab):
    web, (one, two) = manager(lab, 2)
    for field, state in (("drain", "draining"), ("disabled", "disabled"), ("stopped", "stopped")):
        change(web, one, field, "on")
        found, _ = scrape(web)
        states = {dict(pairs)["state"]: v for (name, pairs), v in found.items()
                  if name == "lbx_member_state" and dict(pairs)["member"] == one.url}
        assert states[state] == 1 and sum(states.values()) == 1 and len(states) == 10
        change(web, one, field, "off")


def test_the_histogram_adds_up(lab):
    web, (one,) = manager(lab, 1)
    one.behave("/slow", "answer", delay_ms=30)
    who(web, 3)
    who(web, 2, "/slow")
    found, _ = scrape(web)
    buckets = sorted((float(dict(pairs)["le"]), v) for (name, pairs), v in found.items()
                     if name == "lbx_member_latency_seconds_bucket")
    counts = [v for _, v in buckets]
    assert len(buckets) == 16 and buckets[-1] == (float("inf"), 5) and counts == sorted(counts)
    assert dict(buckets)[0.025] <= 3
    assert value(found, "lbx_member_latency_seconds_sum") >= 0.06


def test_counters_never_go_back(lab):
    web, (one, two) = manager(lab, 2)
    who(web, 10)
    held = hold(lab, web)
    before, _ = scrape(web)
    web.graceful(need=2)
    who(web, 3)
    after, _ = scrape(web)
    for key, v in before.items():
        if key[0].endswith(("_total", "_bucket", "_count", "_sum")):
            assert after[key] >= v, key
    assert value(after, "lbx_balancer_requests_total") == 14
    finish(held)


def test_the_handler_of_its_own_shows_all_servers(lab):
    one, two = lab.backend("b1"), lab.backend("b2")
    own = ('<Location "/metrics">\nProxyPass "!"\nSetHandler lbx-metrics\n</Location>\n'
           '<Proxy "balancer://app">\nBalancerMember "%s"\n</Proxy>\n'
           'ProxyPass "/" "balancer://app/"\n')
    web = lab.httpd(suite=SUITE, vhost_conf={"one.test": own % one.url, "two.test": own % two.url})
    found, text = scrape(web, "/metrics")
    assert {dict(pairs)["member"] for (name, pairs) in found if name == "lbx_member_in_flight"} == {
        one.url, two.url}
    assert text.count("# TYPE lbx_member_in_flight gauge") == 1
    assert web.post("/metrics").status == 405


def test_promtool_has_nothing_to_say(lab):
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed")
    web, _ = manager(lab, 2, suite=("core", "sticky", "hcheck", "manager"))
    who(web, 3)
    _, text = scrape(web)
    done = subprocess.run([promtool, "check", "metrics"], input=text, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_the_manual_names_every_metric(lab):
    web, _ = manager(lab, 2, suite=("core", "sticky", "hcheck", "manager"))
    _, text = scrape(web)
    real = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    manual = (layout.ROOT / "mod_lbx_manager" / "README.md").read_text()
    told = dict(re.findall(r"^\| `(lbx_\w+)` \| (\w+) \|", manual, re.M))
    assert real.items() <= told.items(), sorted(set(real.items()) - set(told.items()))
    # what the manual has beyond is counted by modules that count only when they are used
    assert {n for n in told if n not in real} <= {n for n in told if re.search(
        r"_(checks?|ejections?|ejected|sticky|sessions?|probes?|check)_?", n)}, set(told) - set(real)
