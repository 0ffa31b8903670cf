# SPDX-License-Identifier: Apache-2.0
"""What `make scenario` makes of failures: alone once more, then unsteady or failed."""

import os
import subprocess
import sys
from pathlib import Path

SCENARIOS = Path(__file__).resolve().parents[1] / "setup" / "scenarios.py"

# fails at its first run only
SHAKY = '''
import pathlib
def test_shaky():
    mark = pathlib.Path(__file__).with_name("was-here")
    again = mark.exists()
    mark.touch()
    assert again
'''


def run(directory, text):
    (directory / "test_made_up.py").write_text(text)
    env = {k: v for k, v in os.environ.items() if k != "T" and not k.startswith("PYTEST_")}
    done = subprocess.run([sys.executable, str(SCENARIOS), str(directory)], text=True, env=env,
                          capture_output=True, timeout=100)
    return done.returncode, done.stdout


def test_one_that_passes_alone_is_named_and_fails_nothing(tmp_path):
    status, said = run(tmp_path, SHAKY + "def test_good():\n    pass\n")
    assert status == 0, said
    assert said.splitlines()[-1] == "1 passed, 0 failed, 1 unsteady"
    assert [line for line in said.splitlines() if line.startswith("UNSTEADY: ")
            and "::test_shaky " in line], said


def test_one_that_fails_twice_fails_the_run(tmp_path):
    status, said = run(tmp_path, SHAKY + "def test_bad():\n    assert 0\n")
    assert status == 1, said
    assert said.splitlines()[-1] == "0 passed, 1 failed, 1 unsteady"
    assert [line for line in said.splitlines() if line.startswith("FAILED: ")
            and line.endswith("::test_bad")], said


def test_many_failures_get_no_second_run(tmp_path):
    bad = "".join(f"def test_{n}():\n    assert 0\n" for n in range(4))
    status, said = run(tmp_path, bad)
    assert status == 1, said
    assert "Once more" not in said
    assert said.splitlines()[-1] == "0 passed, 4 failed"


def test_a_file_that_cannot_be_read_fails_the_run(tmp_path):
    status, said = run(tmp_path, "import no_such_module_anywhere\n")
    assert status == 1, said
    assert said.splitlines()[-1].startswith("0 passed, 1 failed")
