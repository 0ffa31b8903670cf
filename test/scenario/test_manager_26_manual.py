# SPDX-License-Identifier: Apache-2.0
"""The curl lines of the manual: each does what the manual says.

What it is: the ```sh blocks of the chapter "JSON interface", run as they stand, and the PATCH of
health checks.
What it is not: the lines of other chapters.
"""

import re
import shutil
import subprocess

import pytest

from lab import layout
from manager_help import SUITE, conf, members


def test_the_lines_of_the_manual(lab):
    for tool in ("curl", "jq"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    text = (layout.ROOT / "mod_lbx_manager" / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) >= 4
    blocks.append("\n".join(re.findall(r"^    (curl -sf -X PATCH .*hcmethod.*)$", text, re.M)))
    web = lab.httpd(conf(members(lab, 2), name="app"), suite=(*SUITE, "hcheck"),
                    modules=("watchdog",))
    script = f"set -e\nM={web.url('/balancer-manager/-/api/v1')}\n" + "".join(blocks)
    script = re.sub(r"\bcurl ", "curl --noproxy '*' ", script)
    script = re.sub(r"^curl (.*?)( \| jq .*)?$", r"curl -o /dev/null -w '%{http_code}\\n' \1", script,
                    flags=re.M)
    done = subprocess.run(["sh", "-c", script], text=True, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    lines = done.stdout.split()
    assert done.returncode == 0 and set(lines) == {"200"} and len(lines) >= 9, done.stdout
