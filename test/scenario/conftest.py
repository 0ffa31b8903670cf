# SPDX-License-Identifier: Apache-2.0
"""pytest's side of the scenario lab: the fixture `lab`, options, the judgement at the end.

What it is: one Lab per test; a test that passed is failed afterwards when the lab found something
(an unannounced line in a log, a process left).  The directory of a failed test is kept.
What it is not: the lab itself, which is the package lab/.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("lab")

from lab import Lab  # noqa: E402


def pytest_addoption(parser):
    group = parser.getgroup("scenario lab")
    group.addoption("--lab-keep", action="store_true", help="keep every test's directory")
    group.addoption("--lab-loglevel", help="LogLevel where a test does not set its own")
    group.addoption("--lab-mpm", help="MPM where a test does not choose one")
    group.addoption("--lab-timeout", type=float, default=120.0,
                    help="seconds after which a test is interrupted (default: %(default)s)")


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if outcome.get_result().failed:
        item.lab_failed = True


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item):
    """Runs after a test's body that passed: what the lab finds fails the test itself."""
    lab = getattr(item, "funcargs", {}).get("lab")
    if isinstance(lab, Lab):
        problems = lab.finish()
        if problems:
            pytest.fail("the lab found:\n" + "\n".join(problems), pytrace=False)


@pytest.fixture
def lab(request):
    seconds = request.config.getoption("--lab-timeout")

    def too_long(*_):
        raise TimeoutError(f"the test took longer than {seconds:g} s (--lab-timeout)")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    made = Lab(request.config.getoption("--lab-loglevel"), request.config.getoption("--lab-mpm"))
    try:
        yield made
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        made.finish()
        if getattr(request.node, "lab_failed", False):
            print(made.log_tails())
            print(f"the lab's directory: {made.dir}")
        elif request.config.getoption("--lab-keep"):
            print(f"the lab's directory: {made.dir}")
            with request.config.pluginmanager.getplugin("capturemanager") \
                    .global_and_fixture_disabled():
                print(f"\nkept: {made.dir}")
        else:
            made.remove()
