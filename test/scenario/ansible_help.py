# SPDX-License-Identifier: Apache-2.0
"""Runs a list of tasks with Ansible's own apache2_mod_proxy module, unmodified, in one process.

    python3 ansible_help.py < [{"balancer_vhost": ..., "state": ...}, ...]

What it is: a stand-in for ansible-playbook, which would start one process a task; one line of JSON
a task comes out, what the module itself says.
What it is not: a copy or a patch of the module.  Debian's release of it still asks for the library
BeautifulSoup under the name it had in Python 2.
"""

import contextlib
import importlib
import io
import json
import sys
import warnings


def library():
    import bs4
    warnings.simplefilter("ignore", getattr(bs4, "GuessedAtParserWarning", UserWarning))
    sys.modules.setdefault("BeautifulSoup", bs4)


def run(module, basic, task):
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": task}).encode()
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        module.main()
    return json.loads(said.getvalue())


def main():
    library()
    from ansible.module_utils import basic
    module = importlib.import_module(
        "ansible_collections.community.general.plugins.modules.apache2_mod_proxy")
    for task in json.load(sys.stdin):
        print(json.dumps(run(module, basic, task)), flush=True)


if __name__ == "__main__":
    main()
