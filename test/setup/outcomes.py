# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin that tells how tests ended, and can run only those of a list.

    --outcomes=FILE   write {"passed": n, "failed": [name, ...]} there, as JSON
    --only=FILE       run only the tests that the JSON list in FILE names

What it is: the bookkeeping for scenarios.py, which decides what a failure means.
What it is not: a way to make tests pass; it changes no outcome.
"""
import json

import pytest


def pytest_addoption(parser):
    group = parser.getgroup("outcomes")
    group.addoption("--outcomes", metavar="FILE", help="write how the tests ended there")
    group.addoption("--only", metavar="FILE", help="run only the tests named there")


def pytest_configure(config):
    # with xdist the workers report to the controller, and that one writes
    if config.getoption("--outcomes") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(config.getoption("--outcomes")))


class Outcomes:
    def __init__(self, path):
        self.path, self.ran, self.failed = path, set(), []

    def pytest_runtest_logreport(self, report):
        """Called for setup, call and teardown of each test; any of them may fail."""
        if report.failed and report.nodeid not in self.failed:
            self.failed.append(report.nodeid)
        elif report.when == "call" and report.passed:
            self.ran.add(report.nodeid)

    def pytest_sessionfinish(self):
        passed = len(self.ran - set(self.failed))
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump({"passed": passed, "failed": self.failed}, file)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    path = config.getoption("--only")
    if path:
        with open(path, encoding="utf-8") as file:
            wanted = set(json.load(file))
        config.hook.pytest_deselected(items=[i for i in items if i.nodeid not in wanted])
        items[:] = [i for i in items if i.nodeid in wanted]
