# SPDX-License-Identifier: Apache-2.0
"""conf/examples/prometheus: scrape configuration, alert rules and dashboard, on real metrics.

Rules and dashboard are run by a real Prometheus, which scrapes a real httpd.
"""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest

from core_help import who
from lab import eventually
from lab.example import DIRECTORY, example, suite
from lab.program import Program

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
FOLDER = DIRECTORY / "prometheus"
pytestmark = pytest.mark.skipif(not (PROMETHEUS and PROMTOOL and "manager" in suite()),
                                reason="no prometheus (Debian: prometheus), or no mod_lbx_manager")


def ask(port, path, **query):
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)["data"]


def dashboard():
    """(title, expression) of each panel, with the dashboard's variables filled in."""
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    for panel in panels:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$balancer", "managed") \
                .replace("$__rate_interval", "30s")


def test_rules_and_metrics_are_good():
    done = subprocess.run([PROMTOOL, "check", "rules", str(FOLDER / "alerts.yml")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([PROMTOOL, "check", "config", str(FOLDER / "scrape.yml")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_finds_something(lab):
    one, two = lab.backend("one"), lab.backend("two")
    web = example(lab, "manager.conf", {"app-1.example.com:8080": one,
                                        "app-2.example.com:8080": two})
    port = lab.port()
    conf = (FOLDER / "scrape.yml").read_text().replace("www.example.com:80",
                                                       f"127.0.0.1:{web.port}")
    conf = re.sub(r"scrape_interval: \w+", "scrape_interval: 250ms\n    scrape_timeout: 250ms", conf)
    (lab.dir / "prometheus.yml").write_text(conf)
    (lab.dir / "alerts.yml").write_text((FOLDER / "alerts.yml").read_text())
    (lab.dir / "tsdb").mkdir()
    argv = [PROMETHEUS, f"--config.file={lab.dir}/prometheus.yml",
            f"--storage.tsdb.path={lab.dir}/tsdb", f"--web.listen-address=127.0.0.1:{port}"]
    with Program("prometheus", lab.dir, argv, [port]):
        def answered():
            who(web, 2, "/managed/")
            return all(ask(port, "query", query=expr)["result"] for title, expr in dashboard()
                       if "not end with an answer" not in title)
        eventually(answered, 60, "every panel has data", quiet=(OSError,))
        rules = [r for g in ask(port, "rules")["groups"] for r in g["rules"]]
        assert len(rules) == 6
        for rule in rules:  # each names a metric that is there
            for name in set(re.findall(r"\blbx_\w+", rule["query"])):
                assert ask(port, "query", query=name)["result"], name
