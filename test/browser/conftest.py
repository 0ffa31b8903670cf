# SPDX-License-Identifier: Apache-2.0
"""The manager's page in a real browser: the fixtures `lab` and `browser`.

What it is: the scenarios' lab, and a window (window.py) for each test.
What it is not: part of `make check`; `make browser` installs what it needs and runs it.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SCENARIO = HERE.parent / "scenario"
sys.path[:0] = [str(SCENARIO), str(HERE)]

_spec = importlib.util.spec_from_file_location("scenario_conftest", SCENARIO / "conftest.py")
_scenario = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_scenario)
pytest_addoption = _scenario.pytest_addoption
pytest_runtest_makereport = _scenario.pytest_runtest_makereport
pytest_runtest_call = _scenario.pytest_runtest_call
lab = _scenario.lab

@pytest.fixture
def browser():
    profile = tempfile.mkdtemp(prefix="lbxlab-chromium-")
    from window import Browser  # needs Selenium: not before a test does
    made = Browser(profile)
    try:
        yield made
    finally:
        made.driver.quit()
        shutil.rmtree(profile, ignore_errors=True)
