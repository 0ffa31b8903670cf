# SPDX-License-Identifier: Apache-2.0
"""A server that ended badly starts again, and left nothing behind that could stop it.

What it is: kill -9 of everything and of the parent alone, a start that fails, and what all of
them leave: files, shared memory, semaphores.
What it is not: what the operator decided before (test_core_43_persist.py).
"""

import os
import signal

import pytest

from core_help import (await_idle, balancer_conf, balancer_state, change, elected, member_state,
                       members, who)
from lab import eventually, proc


def semaphores():
    """Ids of the machine's System V semaphores: they do not say whose they are."""
    with open("/proc/sysvipc/sem", encoding="ascii") as f:
        return {line.split()[1] for line in f.readlines()[1:]}


def named_memory(web):
    """Shared memory and POSIX semaphores of the running server that could outlive it."""
    found = set()
    for pid in proc.group(web.pid):
        with open(f"/proc/{pid}/maps", encoding="ascii") as f:
            found |= {line.split()[-1] for line in f if "/SYSV" in line or "/dev/shm/" in line}
    return found


def files(web):
    return {str(p.relative_to(web.dir)) for p in web.dir.rglob("*")
            if p.is_file() or p.is_socket() or p.is_fifo()}


AT_REST = {"httpd.conf", "htdocs/index.html", "logs/error.log", "logs/access.log",
           "logs/stderr.log"}


def check_clean(web, before, more=()):
    assert files(web) - set(more) == AT_REST
    # others on this machine may have some for a moment
    eventually(lambda: semaphores() <= before, what=f"no semaphores but {before}")


@pytest.fixture
def before():
    return semaphores()


def conf_of(backends, more=""):
    return more + balancer_conf(backends, "lbmethod=bybusyness")


def test_a_running_server_has_no_files_of_its_own(lab, before):
    backends = members(lab)
    web = lab.httpd(conf_of(backends))
    who(web, 6)
    assert named_memory(web) == set()
    check_clean(web, before, ["run/httpd.pid"])
    web.stop()
    check_clean(web, before)


def test_killed_under_load_and_started_three_times(lab, before):
    backends = members(lab)
    web = lab.httpd(conf_of(backends))
    for b in backends:
        b.behave("/", delay_ms=10)
    for _ in range(3):
        run = lab.load(web, requests=10**6, connections=32).start()
        run.await_count(100)
        assert named_memory(web) == set()
        web.kill9()
        check_clean(web, before, ["run/httpd.pid"])
        web.start()
        run.await_more(100)      # the clients come again by themselves
        assert run.stop().statuses[200] >= 200
        await_idle(web)
    web.stop()
    check_clean(web, before)


def test_killed_with_decisions_on_disk(lab, before):
    """Also the file of decisions, killed while it was written, is no obstacle and no debris."""
    backends = members(lab)
    web = lab.httpd(conf_of(backends, "BalancerPersist On\n"))
    run = lab.load(web, requests=10**6, connections=8).start()
    for n in range(3):
        run.await_more(20)
        change(web, backends[0], "loadfactor", n + 2)
        web.kill9()
        check_clean(web, before, ["run/httpd.pid", "run/lbx/lock", "run/lbx/nonces", "run/lbx/state"])
        web.start()
        assert member_state(web, backends[0])["run"]["weight"] == (n + 2) * 100
    run.stop()


def test_a_reloaded_server_killed(lab, before):
    """Segments of several generations go as well."""
    backends = members(lab)
    big = "\n".join(f'BalancerMember "{backends[0].url}/m{i:03}"' for i in range(300))
    conf = conf_of(backends) + f'<Proxy "balancer://big">\n{big}\n</Proxy>\n'
    web = lab.httpd(conf_of(backends))
    web.graceful(conf, need=1)
    who(web, 3)
    assert named_memory(web) == set()
    web.kill9()
    check_clean(web, before, ["run/httpd.pid"])
    web.start()
    assert sorted(who(web, 3)) == ["b1", "b2", "b3"]


# worker, because event's children can crash when SIGHUP meets requests, with or without us
def test_sighup_under_load(lab, before):
    backends = members(lab)
    web = lab.httpd(conf_of(backends), mpm="worker")
    change(web, backends[1], "disabled", "on")
    with lab.load(web, rate=50, seconds=30) as run:
        for _ in range(3):
            run.await_more(10)
            then = elected(web)
            web.restart()
            now = elected(web)
            assert all(a <= b for a, b in zip(then, now)), (then, now)
            assert member_state(web, backends[1])["inelig"] == 3
        run.await_more(10)
        run.stop()
    # those in flight are cut off, that is what SIGHUP means; nobody gets a wrong answer
    assert set(run.result.errors) <= {"closed", "truncated", "connect"}, run.result
    assert set(run.result.statuses) <= {200}, run.result
    assert len(run.result.failed) <= run.result.done // 4, run.result
    await_idle(web)
    assert backends[1].requests == 0
    web.stop()
    check_clean(web, before)


FAILURES = {
    "syntax": lambda lab: "NoSuchDirective on",
    "member": lambda lab: balancer_conf(members(lab, 1), per_member="loadfactor=much"),
    "log": lambda lab: 'ErrorLog "${LAB_DIR}/no/such/directory/error.log"',
    "port": lambda lab: f"Listen 127.0.0.1:{members(lab, 1)[0].port}",
}


@pytest.mark.parametrize("why", FAILURES)
def test_a_start_that_fails_is_no_obstacle(lab, before, why):
    backends = members(lab)
    bad = FAILURES[why](lab)
    web = lab.httpd(conf_of(backends, "BalancerPersist On\n") + bad + "\n", start=False)
    for _ in range(2):
        code, text = web.start_fails()
        assert code != 0, text
        assert files(web) <= AT_REST | {"run/lbx/state"}
    web.rewrite(conf_of(backends))
    web.start()
    assert sorted(who(web, 3)) == ["b1", "b2", "b3"]
    web.stop()
    check_clean(web, before, ["run/lbx/state"])


def test_a_start_that_fails_takes_no_decisions(lab):
    """Nothing that was kept is lost by a mistake in the configuration file."""
    backends = members(lab, 2)
    good = "BalancerPersist On\n" + balancer_conf(backends)
    web = lab.httpd(good)
    change(web, backends[0], "loadfactor", "3")
    web.stop()
    for bad in ("NoSuchDirective on\n", 'ErrorLog "${LAB_DIR}/no/such/directory/error.log"\n'):
        web.rewrite(good + bad)
        web.start_fails()
    web.rewrite(good)
    web.start()
    assert member_state(web, backends[0])["run"]["weight"] == 300


def test_a_check_of_the_configuration_touches_nothing(lab):
    """httpd -t beside the running server, with another configuration."""
    backends = members(lab, 2)
    web = lab.httpd("BalancerPersist On\n" + balancer_conf(backends))
    change(web, backends[0], "loadfactor", "3")
    state = web.dir / "run" / "lbx" / "state"
    before, text = state.stat().st_ino, state.read_text()
    seen = balancer_state(web)
    web.rewrite("BalancerPersist On\n" + balancer_conf(backends, per_member="loadfactor=7"))
    assert web.configtest()[0] == 0
    assert (state.stat().st_ino, state.read_text()) == (before, text)
    assert balancer_state(web) == seen


def test_the_parent_killed_alone(lab, before):
    """The children do not notice (threaded MPMs, also without this suite): they serve on, count
    right and take changes, and when they are killed too, nothing is in the way of a start."""
    backends = members(lab)
    web = lab.httpd(conf_of(backends))
    children = web.children()
    os.kill(web.pid, signal.SIGKILL)
    eventually(lambda: not web.running)
    with lab.load(web, requests=300, connections=8) as run:
        pass
    assert run.result.all_ok, run.result
    await_idle(web)
    assert sum(elected(web)) == 300
    change(web, backends[0], "disabled", "on")
    assert set(who(web, 8)) == {"b2", "b3"}
    assert set(proc.group(web.pid)) == set(children)
    web.kill9()
    check_clean(web, before, ["run/httpd.pid"])
    web.start()
    assert elected(web) == [0, 0, 0] and set(who(web, 6)) == {"b1", "b2", "b3"}
