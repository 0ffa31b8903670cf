# SPDX-License-Identifier: Apache-2.0
"""`make examples`: each file of conf/examples is started and asked for a page.

A copy is started in which addresses are replaced, since nobody has the hosts of an
example: ports to listen on become free loopback ports, backends become virtual hosts of
another httpd.  What was replaced is shown with V=1 or on a failure.

An example may carry two comments for this test:
    # needs: headers rewrite      stock modules it uses besides mod_proxy and mod_proxy_http
    # ask: /app/ /other/          the paths to ask for instead of / (or those of its ProxyPass
                                  lines); "nobody": start and stop only
"""
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "setup"))
from report import Report  # noqa: E402
from webserver import (BASE_MODULES, BUILD, TOP, Problem, Server, built,  # noqa: E402
                       free_ports)

LISTEN = re.compile(r"^(\s*Listen\s+)(?:\S+:)?(\d+)(.*)$", re.M | re.I)
VHOST = re.compile(r"^(\s*<VirtualHost\s+)\S+:(\d+)>", re.M | re.I)
URL = re.compile(r"\b(https?|h2c?|ws|ajp|fcgi)://([\w.-]+)(?::(\d+))?(?=[/\s\"]|$)", re.M)
LOAD = re.compile(r"^\s*LoadModule\s+lbx_(\w+?)_module.*$", re.M | re.I)
PATH = re.compile(r"^\s*ProxyPass\s+(/\S*)\s+balancer:", re.M | re.I)
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


def places(web, text):
    """Define lines for what the example takes from elsewhere."""
    found = {"LBX_DIR": BUILD, "LBX_CACHE": os.path.join(web.dir, "cache"), "LBX_PHP_ROOT": web.dir}
    if "${LBX_C" in text:
        found["LBX_CERTIFICATE"] = found["LBX_CA"] = os.path.join(web.dir, "cert.pem")
        found["LBX_CERTIFICATE_KEY"] = os.path.join(web.dir, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={server_name(text)}",
                        "-keyout", found["LBX_CERTIFICATE_KEY"], "-out", found["LBX_CA"]],
                       check=True, capture_output=True)
    return "".join(f'Define {name} "{value}"\n' for name, value in found.items())


def configure(web, original, example):
    """The whole configuration, and the port to ask."""
    ports = list(example.listen.values())
    text = places(web, original) + web.base(
        BASE_MODULES + [m for m in comment(original, "needs", "").split() if m not in BASE_MODULES])
    # An example that loads our modules itself gets none from here.
    if not example.loads:
        text += "".join(f'LoadModule lbx_{m}_module "{BUILD}/mod_lbx_{m}.so"\n'
                        for m in OUR_MODULES if built(m))
    if not ports:
        ports = free_ports(2)
        text += web.backend("nothing configured", ports[1])
        text += f'Listen 127.0.0.1:{ports[0]}\nDocumentRoot "{web.dir}/www-{ports[1]}"\n'
    return text + example.text, ports[0]


def members(example, behind):
    """Starts another httpd, with a virtual host for each member: in the same one, members would
    inherit the example's ProxyPass and proxy to each other."""
    if not example.backends:
        return
    behind.write(behind.base() + "".join(behind.backend(f"{host}:{port}", real) for (host, port), real
                                         in example.backends.items()))
    behind.start(next(iter(example.backends.values())))


def paths(original):
    """What to ask for: the paths of its ProxyPass lines, or what its comment says."""
    asked = comment(original, "ask", None)
    if asked == "nobody":
        return []
    return asked.split() if asked else PATH.findall(original) or ["/"]


def try_example(path, report):
    with open(path, encoding="utf-8") as file:
        original = file.read()
    example = Rewritten(original)
    name = os.path.relpath(path, TOP)
    rewrites = "\n".join(f"{old}  ->  {new}" for old, new in example.replaced)
    if os.environ.get("V"):
        print(f"{name}:\n    " + rewrites.replace("\n", "\n    "))
    with Server() as behind, Server() as web:
        text, port = configure(web, original, example)
        web.write(text)
        host = comment(original, "host", None) or server_name(original)
        try:
            members(example, behind)
            web.start(port)
            answers = [web.get(port, one, host) for one in paths(original) for _ in range(3)]
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
