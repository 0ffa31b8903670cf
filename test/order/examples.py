# SPDX-License-Identifier: Apache-2.0
"""`make examples`: each file of conf/examples is started and asked for a page.

A copy is started in which addresses are replaced, since nobody has the hosts of an
example: ports to listen on become free loopback ports, backends become virtual hosts of
the same httpd.  What was replaced is shown with V=1 or on a failure.

An example may carry two comments for this test:
    # needs: headers rewrite      stock modules it uses besides mod_proxy and mod_proxy_http
    # ask: /app/                  the path to ask for instead of /
"""
import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "setup"))
from report import Report  # noqa: E402
from webserver import (BASE_MODULES, BUILD, TOP, Problem, Server, built,  # noqa: E402
                       free_ports)

LISTEN = re.compile(r"^(\s*Listen\s+)(?:\S+:)?(\d+)(.*)$", re.M | re.I)
VHOST = re.compile(r"^(\s*<VirtualHost\s+)\S+:(\d+)>", re.M | re.I)
URL = re.compile(r"\b(https?|h2c|ws)://([\w.-]+)(?::(\d+))?(?=[/\s\"]|$)", re.M)
LOAD = re.compile(r"^\s*LoadModule\s+lbx_(\w+?)_module.*$", re.M | re.I)
MEMBER = re.compile(r"^\s*(BalancerMember|ProxyPass|ProxyPassMatch)\s.*$", re.M | re.I)
OUR_MODULES = ("core", "sticky", "hcheck", "manager")


class Rewritten:
    """An example with addresses that exist here."""

    def __init__(self, text):
        self.replaced, self.listen, self.backends = [], {}, {}
        self.loads = set(LOAD.findall(text))
        text = LOAD.sub(self.load, text)
        text = LISTEN.sub(self.listening, text)
        text = VHOST.sub(self.vhost, text)
        self.text = MEMBER.sub(lambda line: URL.sub(self.url, line.group(0)), text)

    def note(self, old, new):
        if (old, new) not in self.replaced:
            self.replaced.append((old, new))
        return new

    def load(self, found):
        if built(found.group(1)):
            return found.group(0)
        return self.note(found.group(0).strip(), "# (not built)")

    def port(self, old):
        if old not in self.listen:
            self.listen[old] = free_ports(1)[0]
        return self.listen[old]

    def listening(self, found):
        return self.note(found.group(0).strip(), f"Listen 127.0.0.1:{self.port(found.group(2))}")

    def vhost(self, found):
        return self.note(found.group(0).strip(),
                         f"<VirtualHost 127.0.0.1:{self.port(found.group(2))}>")

    def url(self, found):
        host = (found.group(2), found.group(3) or "80")
        if host not in self.backends:
            self.backends[host] = free_ports(1)[0]
        scheme = "http" if found.group(1) == "https" else found.group(1)
        return self.note(found.group(0), f"{scheme}://127.0.0.1:{self.backends[host]}")


def comment(text, word, default):
    found = re.search(rf"^#\s*{word}:\s*(.+)$", text, re.M)
    return found.group(1).strip() if found else default


def configure(web, original, example):
    """The whole configuration, and the port to ask."""
    ports = list(example.listen.values())
    text = f'Define LBX_DIR "{BUILD}"\n' + web.base(
        BASE_MODULES + [m for m in comment(original, "needs", "").split() if m not in BASE_MODULES])
    # An example that loads our modules itself gets none from here.
    if not example.loads:
        text += "".join(f'LoadModule lbx_{m}_module "{BUILD}/mod_lbx_{m}.so"\n'
                        for m in OUR_MODULES if built(m))
    if not ports:
        ports = free_ports(1)
        text += web.backend("nothing configured", ports[0])
    for (host, port), real in example.backends.items():
        text += web.backend(f"{host}:{port}", real)
    return text + example.text, ports[0]


def try_example(path, report):
    with open(path, encoding="utf-8") as file:
        original = file.read()
    example = Rewritten(original)
    name = os.path.relpath(path, TOP)
    rewrites = "\n".join(f"{old}  ->  {new}" for old, new in example.replaced)
    if os.environ.get("V"):
        print(f"{name}:\n    " + rewrites.replace("\n", "\n    "))
    with Server() as web:
        text, port = configure(web, original, example)
        web.write(text)
        host = comment(original, "host", None) or server_name(original)
        try:
            web.start(port)
            answers = [web.get(port, comment(original, "ask", "/"), host) for _ in range(10)]
        except (Problem, OSError) as problem:
            report.check(name, False, f"{problem}\n{rewrites}")
            return
        report.check(name, all(status == 200 for status, _ in answers),
                     f"answers: {answers}\n{rewrites}\n{web.log()}")
        if not web.stop():
            report.check(f"{name}: clean stop", False)


def server_name(text):
    found = re.search(r"^\s*ServerName\s+([\w.-]+)", text, re.M | re.I)
    return found.group(1) if found else "localhost"


def main():
    report = Report("examples")
    if not built("core"):
        print("examples: mod_lbx_core is not built yet")
        report.finish()
    for path in sorted(glob.glob(os.path.join(TOP, "conf", "examples", "*.conf"))):
        try_example(path, report)
    report.finish()


if __name__ == "__main__":
    try:
        main()
    except Problem as problem:
        sys.exit(f"examples: {problem}\n0 passed, 1 failed")
