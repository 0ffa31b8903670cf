# SPDX-License-Identifier: Apache-2.0
"""A small httpd of our own, for the demo and the order and example tests.

It runs in the foreground in its own temporary directory, on free loopback ports, and
leaves nothing behind.  Not the laboratory of the scenarios (test/scenario/lab), which
has programmable backends; all that this one takes from there are its ports.
"""
import functools
import http.client
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "test", "scenario"))
from lab.ports import PortPool  # noqa: E402

PORTS = PortPool()
BUILD = os.path.join(TOP, "build", "modules")

# What every configuration here loads; static modules are left out by load().
BASE_MODULES = ["mpm_event", "unixd", "authz_core", "log_config", "dir", "watchdog", "headers",
                "proxy", "proxy_http"]


class Problem(Exception):
    """Something the person at the keyboard should read, without a traceback."""


def apxs(name):
    tool = os.environ.get("APXS", "apxs")
    try:
        return subprocess.run([tool, "-q", name], capture_output=True, text=True,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as err:
        raise Problem(f"{tool} -q {name} failed: {err}") from err


@functools.lru_cache(maxsize=None)
def httpd():
    return os.path.join(apxs("SBINDIR"), apxs("PROGNAME"))


@functools.lru_cache(maxsize=None)
def libexecdir():
    return apxs("LIBEXECDIR")


@functools.lru_cache(maxsize=None)
def static_modules():
    listing = subprocess.run([httpd(), "-l"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^\s+(?:mod_)?(\w+)\.c$", listing, re.M))


def built(name):
    return os.path.exists(os.path.join(BUILD, f"mod_lbx_{name}.so"))


def load(name):
    """The LoadModule line of a stock module ("proxy_http") or of ours ("lbx_core")."""
    if name.startswith("lbx_"):
        return f'LoadModule {name}_module "{BUILD}/mod_{name}.so"\n'
    static = static_modules()
    if name in static or (name.startswith("mpm_") and static & {"event", "worker", "prefork"}):
        return ""
    return f'LoadModule {name}_module "{libexecdir()}/mod_{name}.so"\n'


def free_ports(count):
    """Ports that stay ours until this program ends, and that no outgoing connection gets."""
    return [PORTS.take() for _ in range(count)]


def worker_account():
    """User and Group lines: root must not serve requests, others cannot choose."""
    if os.geteuid() != 0:
        return ""
    for name in ("www-data", "apache", "wwwrun", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return f"User {name}\nGroup #{account.pw_gid}\n"
    raise Problem("no account to serve requests with (www-data, apache, nobody)")


class Server:
    """`with Server() as web: web.write(conf); web.start(); web.get(port, "/")`"""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="lbx-")
        os.chmod(self.dir, 0o755)
        self.conf = os.path.join(self.dir, "httpd.conf")
        self.child = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def base(self, modules=BASE_MODULES):
        """The head of a configuration: modules, places, a small event MPM."""
        return ("".join(load(m) for m in modules) + worker_account() +
                f'ServerRoot "{self.dir}"\nServerName localhost\nDefaultRuntimeDir "{self.dir}"\n'
                f'PidFile "{self.dir}/httpd.pid"\nErrorLog "{self.dir}/error.log"\nLogLevel info\n'
                "StartServers 2\nServerLimit 2\nThreadsPerChild 16\nThreadLimit 16\n"
                "MaxRequestWorkers 32\nMinSpareThreads 16\nMaxSpareThreads 32\n")

    def backend(self, name, port):
        """A virtual host that answers every path with a page that carries its name."""
        root = os.path.join(self.dir, f"www-{port}")
        os.makedirs(root, exist_ok=True)
        with open(os.path.join(root, "index.html"), "w", encoding="utf-8") as page:
            page.write(f"<!doctype html><title>{name}</title><h1>{name}</h1>"
                       "<p>This page came from this member. Reload for the next one.</p>\n")
        return (f"Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n"
                f'    DocumentRoot "{root}"\n    FallbackResource /index.html\n'
                "    ForceType text/html\n"
                f'    Header always set X-Backend "{name}"\n    ProxyRequests Off\n'
                "</VirtualHost>\n")

    def write(self, text):
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(text)

    def syntax(self, conf=None):
        """`httpd -t`: (exit status, what it said)."""
        done = subprocess.run([httpd(), "-t", "-d", self.dir, "-f", conf or self.conf],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def start(self, port, within=10.0):
        """Returns when the port answers; raises Problem with the log when it does not."""
        with open(os.path.join(self.dir, "output"), "wb") as output:
            self.child = subprocess.Popen(
                [httpd(), "-DFOREGROUND", "-d", self.dir, "-f", self.conf],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                # it listens before it has children; to stop it in between is not clean
                if "resuming normal operations" in self.log():
                    return
            except OSError:
                pass
            try:
                self.child.wait(timeout=0.01)
                raise Problem(f"httpd did not start:\n{self.log()}")
            except subprocess.TimeoutExpired:
                pass
        raise Problem(f"httpd does not listen on port {port}:\n{self.log()}")

    def get(self, port, path="/", host="localhost", timeout=5):
        """One request on a connection of its own: (status, X-Backend or None)."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": host, "Connection": "close"})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.getheader("X-Backend")
        finally:
            connection.close()

    def log(self):
        """What httpd printed and logged so far."""
        text = ""
        for name in ("output", "error.log"):
            path = os.path.join(self.dir, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    def stop(self, within=10.0):
        """True when the server and all its children went away as asked."""
        if self.child is None:
            return True
        child, self.child = self.child, None
        clean = child.poll() is None
        if clean:
            child.send_signal(signal.SIGTERM)
            try:
                clean = child.wait(timeout=within) == 0
            except subprocess.TimeoutExpired:
                clean = False
        try:
            os.killpg(child.pid, signal.SIGKILL)
            clean = False
        except ProcessLookupError:
            pass
        child.wait()
        return clean
