# SPDX-License-Identifier: Apache-2.0
"""The lab tests itself: httpd and its logs, with httpd's own modules only.

What it is: one short test per capability of the lab, so that a red scenario can be believed.
What it is not: a test of this project's modules.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from lab import Lab, eventually, layout, logaudit, proc
from lab.ports import is_listening, listening_inodes

MPMS = ("event", "worker", "prefork")


def proxy(backend, options=""):
    return f'ProxyPass "/" "{backend.url}/" {options}'


def stock(lab, backend, options="", **more):
    """An httpd that proxies everything to one backend."""
    return lab.httpd(proxy(backend, options), suite=(), **more)


@contextlib.contextmanager
def another_lab():
    """A lab whose findings the test looks at itself."""
    inner = Lab()
    try:
        yield inner
    finally:
        inner.finish()
        inner.remove()


# -- httpd

@pytest.mark.parametrize("mpm", MPMS)
def test_httpd_proxies(lab, mpm):
    b = lab.backend("b1")
    web = stock(lab, b, mpm=mpm)
    assert web.get("/?size=1000").backend == "b1"
    assert len(web.children()) == web.n_children
    assert web.url("/x") == f"http://127.0.0.1:{web.port}/x"
    web.stop()
    assert not web.running and not is_listening(web.port)


@pytest.mark.parametrize("where", ["conf", "vhost_conf"])
def test_httpd_answers_the_lab_itself_whatever_is_proxied(lab, where):
    b = lab.backend()
    conf = f'<Location "/">\nProxyPass "{b.url}/"\n</Location>'
    web = lab.httpd(**{where: conf}, suite=())
    assert web.get("/-up").status == 204 and b.requests == 0
    assert web.get("/").ok and b.requests == 1
    assert len(eventually(web.access_log)) == 1


def test_httpd_proxies_to_a_unix_socket(lab):
    web = stock(lab, lab.backend("u1", unix=True))
    assert web.get("/").backend == "u1"


def test_httpd_writes_the_logs_we_read(lab):
    web = stock(lab, lab.backend("b1"))
    assert web.get("/a?b=c", headers={"X-Request-Id": "r7"}).ok
    record = eventually(web.access_log)[0]
    assert record["status"] == "200" and record["req"] == "GET /a?b=c HTTP/1.1"
    assert record["id"] == "r7" and record["backend"] == "b1" and record["worker"] == "-"
    assert int(record["us"]) > 0 and int(record["pid"]) in web.children()
    line = web.await_log("resuming normal operations")[0]
    assert re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\] \[mpm_event:notice\] "
                    rf"\[pid {web.pid}:tid \d+\]", line), line


def test_httpd_checks_its_configuration(lab):
    web = lab.httpd("NoSuchDirective on", suite=(), start=False)
    code, text = web.configtest()
    assert code != 0 and "NoSuchDirective" in text
    code, text = web.start_fails()
    assert code != 0 and "NoSuchDirective" in text
    with pytest.raises(AssertionError, match="NoSuchDirective"):
        web.start()
    web.rewrite("")
    assert web.configtest()[0] == 0
    assert web.start().get("/index.html").text == "lab\n"


def test_httpd_parameters(lab):
    web = lab.httpd('Header set X-Main "${LAB_PORT1}"',
                    vhost_conf={"one.example": 'Header set X-Host one',
                                "two.example": 'Header set X-Host "%{LABVAR}e"\nPassEnv LABVAR'},
                    extra_ports=1, modules=("status",), env={"LABVAR": "two"}, suite=(),
                    children=3, threads=5, max_children=7, loglevel="debug", args=("-DSOME",))
    two = web.get("/index.html", headers={"Host": "two.example"})
    assert two.headers["X-Host"] == "two" and two.headers["X-Main"] == str(web.ports[1])
    assert lab.client(web.ports[1]).get("/index.html").headers["X-Main"] == str(web.ports[1])
    assert len(web.children()) == 3 and web.log_lines(":debug]")
    text = web.conf_path.read_text()
    assert "ServerLimit 7" in text and "MaxRequestWorkers 15" in text


@pytest.mark.parametrize("mpm", MPMS)
def test_httpd_reloads_gracefully(lab, mpm):
    one, two = lab.backend("b1"), lab.backend("b2")
    web = stock(lab, one, mpm=mpm)
    old = web.children()
    assert web.get("/").backend == "b1"
    web.graceful(proxy(two))
    assert not {p for p in web.children() if proc.holds_socket(p, listening_inodes(web.port))} \
        & set(old)
    assert {web.get("/").backend for _ in range(5)} == {"b2"}


def test_httpd_graceful_lets_the_old_ones_finish(lab):
    b = lab.backend()
    web = stock(lab, b)
    old = set(web.children())
    with lab.load(web, "/?delay=1300", requests=1, connections=1) as run:
        eventually(lambda: b.in_flight == 1)
        web.graceful(need=1)
        assert set(web.children()) & old and run.in_flight == 1
    assert run.result.all_ok
    eventually(lambda: not set(web.children()) & old)


def test_httpd_restarts(lab):
    web = stock(lab, lab.backend())
    old = web.children()
    web.restart()
    assert not set(web.children()) & set(old) and web.get("/").ok


def test_httpd_replaces_a_killed_child(lab):
    web = stock(lab, lab.backend())
    pid = web.kill_child()
    assert pid not in web.await_children(2)
    assert web.get("/").ok


def test_httpd_killed_at_once_leaves_nothing(lab):
    web = stock(lab, lab.backend())
    pgid = web.pid
    web.kill9()
    assert not web.running and not proc.group(pgid) and not is_listening(web.port)
    assert web.start().get("/").ok


def test_httpd_helpers_are_no_children(lab):
    web = lab.httpd('CustomLog "|/bin/cat" "%r"', suite=())
    assert len(web.children()) == 2
    assert len(proc.group(web.pid)) > 3


def test_httpd_stops_gracefully(lab):
    web = stock(lab, lab.backend())
    assert web.get("/").ok
    web.stop(graceful=True)
    assert web.log_lines("AH00492|[Gg]raceful")


def test_two_httpds(lab):
    back = stock(lab, lab.backend("b1"))
    front = lab.httpd(f'ProxyPass "/" "{back.url()}"', suite=())
    assert front.get("/").backend == "b1"
    assert eventually(back.access_log) and eventually(front.access_log)


# -- load

def test_load_through_httpd(lab):
    b = lab.backend("b1")
    web = stock(lab, b)
    with lab.load(web, requests=1500, connections=8) as run:
        run.await_count(100)
    assert run.result.all_ok and run.result.backends == {"b1": 1500}, run.result
    assert b.requests == 1500 and max(b.stats()["ids"].values()) == 1
    eventually(lambda: len(web.access_log()) == 1500)


def test_load_survives_a_graceful_reload(lab):
    b = lab.backend()
    web = stock(lab, b)
    with lab.load(web, requests=10**6, connections=8) as run:
        run.await_count(100)
        web.graceful(need=1)
        run.await_more(200)
        run.stop()
    assert run.result.all_ok and run.result.done >= 300, run.result


# -- the judgement

def test_audit_finds_unannounced_lines():
    with another_lab() as inner:
        b = inner.backend()
        b.refuse()
        web = inner.httpd(proxy(b), suite=())
        assert web.get("/").status == 503
        found = inner.finish()
        assert found and all("AH00957" in f or "AH01114" in f or "AH00959" in f for f in found)


def test_audit_accepts_announced_lines(lab):
    b = lab.backend()
    b.refuse()
    web = stock(lab, b)
    web.expect_log("AH00957:.*127.0.0.1", must=True)
    lab.expect_log("AH01114|AH00959")
    assert web.get("/").status == 503


def test_audit_misses_what_was_promised():
    with another_lab() as inner:
        web = inner.httpd(suite=())
        web.expect_log("AH99999", must=True)
        assert ["AH99999" in f for f in inner.finish()] == [True]


def test_audit_finds_a_dead_child():
    with another_lab() as inner:
        web = inner.httpd(suite=())
        pid = web.children()[0]
        os.kill(pid, signal.SIGSEGV)
        web.await_log(f"child pid {pid} exit signal")
        assert any("Segmentation" in f for f in inner.finish())


def test_audit_finds_a_dead_server():
    with another_lab() as inner:
        web = inner.httpd(suite=())
        os.kill(web.pid, signal.SIGKILL)
        eventually(lambda: not web.running)
        assert any("ended by itself: ended by SIGKILL" in f for f in inner.finish())
        assert not proc.group(web.pid)


def test_audit_finds_a_dead_backend():
    with another_lab() as inner:
        b = inner.backend()
        os.kill(b.pid, signal.SIGKILL)
        eventually(lambda: not b.alive)
        assert any("ended by itself" in f for f in inner.finish())


def test_audit_knows_a_sanitizer():
    nothing = logaudit.Expectations()
    head = "[2026-01-01 00:00:00.000000] [core:{}] [pid 1:tid 2] "
    for line in ("==12==ERROR: AddressSanitizer: heap-use-after-free",
                 "mod_x.c:12:3: runtime error: signed integer overflow",
                 head.format("notice") + "AH00051: child pid 7 exit signal Aborted (6)",
                 head.format("warn") + "x"):
        assert logaudit.unexpected(line, nothing) == [line]
    for line in (head.format("info") + "all well", head.format("debug") + "exit signal"):
        assert logaudit.unexpected(line, nothing) == []


def test_finish_with_hanging_requests_is_quick(lab):
    b = lab.backend()
    b.behave("/", "hang")
    web = stock(lab, b)
    lab.load(web, requests=3, connections=3).start()
    eventually(lambda: b.in_flight == 3)
    started = time.monotonic()
    assert lab.finish() == []
    assert time.monotonic() - started < 2.5


def test_a_killed_test_run_leaves_nothing():
    """Kill -9 for the process that has the lab: httpd and the backend go too."""
    proc.become_reaper()
    program = textwrap.dedent("""
        from lab import Lab
        lab = Lab()
        b = lab.backend()
        web = lab.httpd(suite=())
        run = lab.load(b, "/?delay=100", requests=10**6).start()
        print(lab.dir, web.pid, b.pid, run._process.pid, flush=True)
        input()
    """)
    with subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parent,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        directory, *pids = child.stdout.readline().split()
        groups = [int(pid) for pid in pids]
        assert all(proc.group(g) for g in groups)
        child.kill()

    def gone():
        for g in groups:
            proc.reap_group(g)
        return not any(proc.group(g) for g in groups)

    eventually(gone, 10, "all processes have ended")
    subprocess.run(["rm", "-r", directory], check=True)


def test_layout():
    assert layout.version() >= (2, 4)
    assert "core" in layout.static_modules()
    assert layout.load_module("proxy").endswith('mod_proxy.so"')
    assert layout.load_module("core") == ""
    assert layout.load_module(("lbx_x", "/a/b.so")) == 'LoadModule lbx_x_module "/a/b.so"'
