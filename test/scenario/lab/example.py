# SPDX-License-Identifier: Apache-2.0
"""A file of conf/examples on a lab's httpd, with this test's addresses in place of its own.

What it is: a copy of the file's text in which hosts, ports to listen on and `Define`d places are
those of the test; nothing else is changed, and a member that got no address is an error.
What it is not: a check of all files (that is test/order/examples.py, which knows no traffic).
"""

from __future__ import annotations

import re
from typing import Any, Mapping

from . import layout
from .httpd import Httpd

DIRECTORY = layout.ROOT / "conf" / "examples"
SUITE = ("core", "sticky", "hcheck", "manager")
_MEMBER = re.compile(r"^\s*BalancerMember\s.*?([\w-]+\.example\.com(?::\d+)?|/run/\S+\.sock)", re.M)


def read(name: str) -> str:
    return (DIRECTORY / name).read_text(encoding="utf-8")


def needs(text: str) -> list[str]:
    """The stock modules named in the file's `# needs:` line."""
    found = re.search(r"^# needs: (.*)$", text, re.M)
    return found[1].split() if found else []


def suite() -> list[str]:
    """Those of our modules that are built."""
    return [name for name in SUITE if (layout.SUITE_DIR / f"mod_lbx_{name}.so").exists()]


def adapt(text: str, hosts: Mapping[str, Any], listen: Mapping[int, int]) -> str:
    for name, to in hosts.items():
        assert name in text, f"{name} is not in the example"
        place = to if isinstance(to, str) else str(to.path) if getattr(to, "path", None) \
            else f"127.0.0.1:{getattr(to, 'port', to)}"
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w:.])", lambda _: place, text)
    for old, new in listen.items():
        text = re.sub(rf"(?m)^Listen {old}$", "", text)  # the lab listens already
        text = re.sub(rf"<VirtualHost \S*:{old}>", f"<VirtualHost 127.0.0.1:{new}>", text)
    left = _MEMBER.findall(text)
    assert not left, f"members without an address: {left}"
    return text


def example(lab, name: str, hosts: Mapping[str, Any], *, defines: Mapping[str, Any] = {},
            listen: int = 0, before: str = "", after: str = "", **options: Any) -> Httpd:
    """Start conf/examples/<name>.  hosts: what stands in the file -> a backend, a port, a text;
    listen: the port of the file that becomes this server's port1."""
    text = read(name)
    options.setdefault("suite", suite())
    options.setdefault("modules", needs(text))
    lines = "".join(f'Define {key} "{value}"\n' for key, value in defines.items())
    web = lab.httpd(extra_ports=1 if listen else 0, start=False, **options)
    text = adapt(text, hosts, {listen: web.ports[1]} if listen else {})
    web.rewrite(f"{lines}{before}\n{text}\n{after}")
    return web.start()
