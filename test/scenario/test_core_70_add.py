# SPDX-License-Identifier: Apache-2.0
"""Members that are added at run time: used by every process, kept over reloads.

What it is: adding under load, beyond growth=, what is refused with which words, kinds of members,
who else sees them.
What it is not: removing (test_core_71_remove.py), stops and starts (test_core_72_persist.py).
"""

import subprocess

import pytest

from core_help import (balancer_conf, balancer_state, change, finish, hold, member_state, members,
                       who)
from lab import eventually

NAME = "balancer://mycluster"
RC = {"ESIZE": 3, "EFULL": 4, "ESTALE": 5, "ENOTFOUND": 6, "EFIELD": 7, "EVALUE": 8, "ECONFLICT": 9}


def add(web, member, params="", name=NAME, **more):
    url = member if isinstance(member, str) else member.url
    return web.lab_post("/-lab/add", balancer=name, url=url, params=params, **more)[1]


def everybody_uses(lab, web, backends):
    """All children, idle ones as well, send their share to each of the backends."""
    before = [b.requests for b in backends]
    n = 30 * len(backends)
    with lab.load(web, requests=n, connections=12) as run:
        pass
    assert run.result.all_ok, run.result
    got = [b.requests - x for b, x in zip(backends, before)]
    # a child may make its first choice from the members as they were: one more or less
    assert sum(got) == n and max(got) - min(got) <= 2, got


def test_used_at_once_and_kept_over_reloads(lab):
    b1, b2, b3 = members(lab)
    web = lab.httpd(balancer_conf([b1, b2]))
    everybody_uses(lab, web, [b1, b2])
    assert add(web, b3, "loadfactor=1 route=r3 retry=7") == {"rc": 0, "error": ""}
    state = member_state(web, b3)
    assert state["added"] and state["run"]["route"] == "r3" and state["retry_us"] == 7_000_000
    everybody_uses(lab, web, [b1, b2, b3])
    count = member_state(web, b3)["elected"]
    assert count > 0
    change(web, b3, "loadfactor", "2")
    for _ in range(2):
        web.graceful()
        state = member_state(web, b3)
        assert state["added"] and state["elected"] >= count
        assert (state["run"]["weight"], state["run"]["route"]) == (200, "r3")
        assert state["retry_us"] == 7_000_000
    change(web, b3, "loadfactor", "1")
    everybody_uses(lab, web, [b1, b2, b3])
    [event] = [e for e in web.lab_state("/-lab/events")["events"] if e["kind"] == "added"]
    assert (event["member"], event["who"]) == (b3.url, "the scenario")
    # the configuration file takes it over
    web.graceful(balancer_conf([b1, b3, b2]))
    state = member_state(web, b3)
    assert not state["added"] and state["elected"] >= count
    everybody_uses(lab, web, [b1, b2, b3])


def test_under_load_without_a_failed_request(lab):
    backends = members(lab, 6)
    web = lab.httpd(balancer_conf(backends[:1]))
    with lab.load(web, requests=3000, connections=24) as run:
        for i, b in enumerate(backends[1:], 1):
            run.await_count(300 * i)
            assert add(web, b)["rc"] == 0
    assert run.result.all_ok, run.result
    everybody_uses(lab, web, backends)
    assert all(b.requests for b in backends)


def test_while_children_come_and_go(lab):
    """A child that starts later, and one of the generation before that is still busy."""
    b1, b2, b3 = members(lab)
    headroom = "MaxRequestWorkers 400\nKeepAliveTimeout 1\n"
    web = lab.httpd(headroom + balancer_conf([b1]), max_children=16)
    assert add(web, b2)["rc"] == 0
    web.kill_child()
    everybody_uses(lab, web, [b1, b2])
    held = hold(lab, web, "/")
    old = web.children()
    web.graceful(need=1)
    assert set(old) & set(web.children())
    assert add(web, b3)["rc"] == 0
    everybody_uses(lab, web, [b1, b2, b3])
    assert finish(held) in {"b1", "b2"}


def test_a_request_that_waits_gets_the_new_member(lab):
    """In whichever child it waits."""
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1], "timeout=20", "status=+D"))
    run = lab.load(web, requests=8, connections=8).start()
    eventually(lambda: balancer_state(web)["requests"] == 8, what="all wait")
    assert add(web, b2)["rc"] == 0
    run.wait()
    assert run.result.all_ok and run.result.backends == {"b2": 8}, run.result


def test_beyond_growth(lab):
    backends = members(lab, 2)
    web = lab.httpd(balancer_conf(backends, "growth=1"))
    first = balancer_state(web)["growth"]
    assert first == 1
    # far more than the shared memory has places for: it says so, and a reload makes room
    added, answer = 0, add(web, "http://127.0.0.1:1")
    while not answer["rc"]:
        added += 1
        answer = add(web, f"http://127.0.0.1:{1 + added}", "status=+D")
    assert added > 60 and answer["rc"] == RC["EFULL"], (added, answer)
    assert "apachectl graceful" in answer["error"], answer
    web.graceful()
    assert len(balancer_state(web)["members"]) == 2 + added
    assert add(web, f"http://127.0.0.1:{1 + added}", "status=+D")["rc"] == 0
    assert len(balancer_state(web)["members"]) == 3 + added


@pytest.mark.parametrize("rc, url, params, words", [
    ("ECONFLICT", None, "", "is a member of balancer://mycluster already"),
    ("EVALUE", "b3", "", "must be scheme://host"),
    ("EVALUE", "balancer://other", "", "must be scheme://host"),
    ("EVALUE", "http://", "", "must be scheme://host"),
    ("EVALUE", "http://a\nb", "", "must be scheme://host"),
    ("EVALUE", "http://a b", "", "must be scheme://host"),
    ("EVALUE", "http://a:99999", "", "must be scheme://host"),
    ("EVALUE", "http://" + "a" * 600, "", "longer than"),
    ("EVALUE", "http://a", "loadfactor=101", "loadfactor=101: must be 1..100"),
    ("EVALUE", "http://a", "loadfactor=NaN", "loadfactor=NaN: must be 1..100"),
    ("EVALUE", "http://a", "retry=soon", "retry=soon: must be seconds"),
    ("EVALUE", "http://a", "timeout=30s", "timeout=30s: must be seconds"),
    ("EVALUE", "http://a", '"route=a b"', "must be up to 63 printable"),
    ("EVALUE", "http://a", "route=" + "r" * 64, "must be up to 63 printable"),
    ("EVALUE", "http://a", "status=+Q", "status"),
    ("EVALUE", "http://a", "maxconn=-1", "maxconn=-1: must be"),
    ("EVALUE", "http://a", "keepalive=perhaps", "keepalive=perhaps: must be"),
    ("EVALUE", "http://a", "drain", "drain: a parameter is key=value"),
    ("EVALUE", "http://a", "secret=" + "s" * 600, "longer than"),
    ("EFIELD", "http://a", "colour=red", "unknown Worker parameter colour=red"),
    ("ENOTFOUND", "http://a", "", "balancer://nobody: no such balancer"),
])
def test_refused_with_a_reason(lab, rc, url, params, words):
    b1 = lab.backend("b1")
    web = lab.httpd(balancer_conf([b1]))
    at = web.get(f"/-lab/revision?{NAME}").text
    for dry in ({}, {"dry_run": 1}):
        answer = add(web, url or b1.url, params,
                     "balancer://nobody" if rc == "ENOTFOUND" else NAME, **dry)
        assert answer["rc"] == RC[rc] and words in answer["error"], answer
        assert answer["error"].isprintable() and answer["error"]
    assert len(balancer_state(web)["members"]) == 1
    assert web.get(f"/-lab/revision?{NAME}").text == at
    assert not web.log_lines("LBX0173")


def test_a_dry_run_adds_nothing(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1]))
    assert add(web, b2, "route=x timeout=3 secret=s", dry_run=1)["rc"] == 0
    assert len(balancer_state(web)["members"]) == 1
    assert who(web, 3) == ["b1"] * 3


# -- kinds of members, and who else sees them

def test_sessions_find_it_by_its_route(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd(balancer_conf([b1], "stickysession=S", "route=r1"),
                    suite=("core", "sticky"))
    assert add(web, b2, "route=r2")["rc"] == 0
    assert who(web, 6, headers={"Cookie": "S=x.r2"}) == ["b2"] * 6
    assert who(web, 6, headers={"Cookie": "S=x.r1"}) == ["b1"] * 6


def test_balancers_that_virtual_hosts_inherit(lab):
    b1, b2 = members(lab, 2)
    to = 'ProxyPass "/" "balancer://mycluster/"'
    web = lab.httpd(balancer_conf([b1], path=""), vhost_conf={"one.example": to, "two.example": to})
    assert add(web, b2)["rc"] == 0
    assert len(web.lab_state()["balancers"]) == 1
    for host in ("one.example", "two.example"):
        assert sorted(who(web, 4, headers={"Host": host})) == ["b1", "b1", "b2", "b2"]


def test_a_unix_socket_and_a_path(lab):
    b1, b2 = lab.backend("b1"), lab.backend("b2", unix=True)
    web = lab.httpd(balancer_conf([b1]))
    assert add(web, f"unix:{b2.path}|http://localhost")["rc"] == 0
    assert add(web, f"unix:{b2.path}|http://localhost")["rc"] == RC["ECONFLICT"]
    assert sorted(who(web, 4)) == ["b1", "b1", "b2", "b2"]
    assert add(web, f"{b1.url}/app")["rc"] == 0  # another member than b1
    assert len(balancer_state(web)["members"]) == 3


def test_a_member_with_tls(lab):
    key = lab.dir / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", f"{key}.crt"], check=True, capture_output=True)
    key.chmod(0o644)
    back = lab.httpd("SSLRandomSeed startup builtin\n", extra_ports=1, suite=(), modules=("ssl",),
                     start=False)
    back.rewrite(f'<VirtualHost 127.0.0.1:{back.ports[1]}>\nServerName 127.0.0.1\n'
                 f'SSLEngine On\nSSLCertificateFile "{key}.crt"\nSSLCertificateKeyFile "{key}"\n'
                 'Header always set X-Backend secure\n</VirtualHost>\n')
    (back.dir / "htdocs" / "x").write_text("good\n")
    back.expect_log("AH01906|AH01909|AH02032|ssl:")
    back.start()
    b1 = lab.backend("b1")
    web = lab.httpd("SSLProxyEngine On\nSSLProxyCACertificateFile " + f"{key}.crt\n"
                    + "SSLProxyVerify require\n" + balancer_conf([b1], per_member="status=+D"),
                    modules=("ssl",))
    web.expect_log("ssl:")
    assert add(web, f"https://127.0.0.1:{back.ports[1]}")["rc"] == 0
    assert who(web, 3, "/x") == ["secure"] * 3
    web.graceful()
    assert who(web, 3, "/x") == ["secure"] * 3


def test_mod_status_and_foreign_providers_see_it(lab):
    b1, b2 = members(lab, 2)
    web = lab.httpd("""
        ProxyStatus On
        <Location "/server-status">
            ProxyPass "!"
            SetHandler server-status
        </Location>
    """ + balancer_conf([b1], "lbmethod=lab_last"), modules=("status",))

    def listed():
        text = web.get("/server-status?auto").text
        return [line.partition(": ")[2] for line in text.splitlines() if "]Name: http" in line]

    assert listed() == [b1.url]
    assert add(web, b2)["rc"] == 0
    assert listed() == [b1.url, b2.url]
    assert who(web, 3) == ["b2"] * 3
    web.graceful()
    assert listed() == [b1.url, b2.url]
    assert web.lab_post("/-lab/remove", balancer=NAME, member=b2.url)[1]["rc"] == 0
    assert listed() == [b1.url]
    assert who(web, 3) == ["b1"] * 3
