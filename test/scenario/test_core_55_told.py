# SPDX-License-Identifier: Apache-2.0
"""What the operator is told: LBX_* in log formats, one log line for each failed attempt.

What it is: the variables on success, after failover and on each error; class, cause and
consequence in the line LBX0182, and its level.
What it is not: whether the decision was right (test_core_50).
"""

import re

import pytest

from core_help import balancer_conf, members, routes
from lab import eventually, stays

NOISE = "AH01102|AH00957|AH01114|AH00898|AH01106|AH10404|AH01110"
LOG = ('LogFormat "%U status=%>s attempts=%{LBX_ATTEMPTS}e queue=%{LBX_QUEUE_MS}e '
       'head=%{LBX_HEADER_MS}e name=%{BALANCER_NAME}e worker=%{BALANCER_WORKER_NAME}e '
       'tries=%{LBX_TRIES}e" told\n'
       'CustomLog "${LAB_DIR}/logs/told.log" told env=!lab_internal\n')


def rules(**given):
    return "".join(f"LBX{name} balancer://mycluster {value}\n" for name, value in given.items())


def two_members(lab, params="", own="", more="", **given):
    backends = members(lab, 2)
    web = lab.httpd(LOG + rules(**given) + more
                    + balancer_conf(backends, params, [own, f"{own} lbset=1"]), children=1)
    web.expect_log(NOISE + "|LBX0182")
    return (*backends, web)


def told(web, path="/x"):
    """The variables of the last request for `path`; "-" is what httpd writes for none."""
    log = web.dir / "logs" / "told.log"

    def line():
        found = [f for f in log.read_text().splitlines() if f.startswith(path + " ")]
        return found and dict(re.findall(r"(\w+)=(\S+)", found[-1]))

    return eventually(line, what=f"{path} is in the log")


def tries(found):
    """[(member, outcome, ms), ...]"""
    if found["tries"] == "-":
        return []
    each = [re.fullmatch(r"(http://127\.0\.0\.1:\d+):([\w-]+):(\d+)", one)
            for one in found["tries"].split(",")]
    assert all(each), found
    assert len(each) == int(found["attempts"]), found
    return [(m[1], m[2], int(m[3])) for m in each]


def attempts_logged(web):
    """(level, number, member, class, cause, consequence) of each line LBX0182, in order."""
    found = []
    for line in web.log_lines("LBX0182"):
        m = re.search(r"\[lbx_core:(\w+)\] .*\[client [\d.:]+\] LBX0182: balancer://mycluster: "
                      r"attempt (\d+) at (\S+) ended after \d+ms: (\S+) (.*?); (.*)$", line)
        assert m, line
        found.append((m[1], int(m[2]), m[3], m[4], m[5], m[6]))
    return found


# -- log formats

def test_on_success(lab):
    one, _, web = two_members(lab)
    one.behave("/x", delay_ms=30)
    assert web.get("/x").ok
    found = told(web)
    (member, outcome, ms), = tries(found)
    assert (found["status"], found["attempts"], found["queue"]) == ("200", "1", "0")
    assert (member, outcome) == (one.url, "200") and 25 <= ms < 5000
    assert 25 <= int(found["head"]) <= ms
    assert found["name"] == "balancer://mycluster" and found["worker"] == one.url


def test_the_head_is_told_apart_from_the_body(lab):
    one, _, web = two_members(lab)
    one.behave("/x", "trickle", size=20, bytes=1, every_ms=20)
    assert web.get("/x").ok
    found = told(web)
    assert tries(found)[0][2] >= 300 and int(found["head"]) < 200, found


@pytest.mark.parametrize("status", [204, 304, 404, 500, 503])
def test_other_answers_are_answers(lab, status):
    one, two, web = two_members(lab)
    one.behave("/x", status=status)
    assert web.get("/x").status == status
    found = told(web)
    assert found["status"] == str(status)
    assert [(m, o) for m, o, _ in tries(found)] == [(one.url, str(status))]
    assert attempts_logged(web) == [] and two.requests == 0


def test_on_failover(lab):
    one, two, web = two_members(lab, TryTimeout="100ms")
    one.behave("/x", "hang")
    two.behave("/x", delay_ms=30)
    assert web.get("/x").ok
    found = told(web)
    first, second = tries(found)
    assert first[:2] == (one.url, "timeout") and 95 <= first[2] < 5000
    assert second[:2] == (two.url, "200") and 25 <= second[2] < 5000
    assert found["status"] == "200" and found["worker"] == two.url
    assert 25 <= int(found["head"]) <= second[2]  # of the answer that was passed on


def test_on_a_502(lab):
    one, two, web = two_members(lab, own="disablereuse=On")
    for b in (one, two):
        b.behave("/x", "close")
    assert web.get("/x").status == 502
    found = told(web)
    assert [t[:2] for t in tries(found)] == [(one.url, "reset"), (two.url, "reset")]
    assert (found["status"], found["head"], found["queue"]) == ("502", "-", "0")


def test_on_a_timeout(lab):
    one, two, web = two_members(lab, TryTimeout="100ms")
    for b in (one, two):
        b.behave("/x", "hang")
    assert web.get("/x").status in (502, 504)
    found = told(web)
    assert [t[:2] for t in tries(found)] == [(one.url, "timeout"), (two.url, "timeout")]
    assert all(t[2] >= 95 for t in tries(found)) and found["head"] == "-"


def test_on_a_503_of_the_balancer(lab):
    one, two, web = two_members(lab, "forcerecovery=Off")
    web.expect_log("LBX0162")
    one.refuse()
    two.refuse()
    assert web.get("/x").status == 503
    found = told(web)
    assert [t[:2] for t in tries(found)] == [(one.url, "connect-failure"),
                                             (two.url, "connect-failure")]
    assert web.get("/y").status == 503  # nobody is left to be tried
    found = told(web, "/y")
    assert (found["status"], found["attempts"], found["tries"]) == ("503", "0", "-")
    assert (found["queue"], found["head"]) == ("0", "-")


def test_on_a_listed_status_of_all(lab):
    one, two, web = two_members(lab, RetryOn="503")
    for b in (one, two):
        b.behave("/x", status=503)
    assert web.get("/x").status == 503
    assert [t[:2] for t in tries(told(web))] == [(one.url, "503"), (two.url, "503")]


def test_on_a_cut_answer(lab):
    one, two, web = two_members(lab)
    one.behave("/x", "half", size=1000)
    assert web.get("/x").raw_close == "truncated"
    found = told(web)
    assert [t[:2] for t in tries(found)] == [(one.url, "cut")]
    assert found["status"] == "200" and found["head"] != "-"
    assert [a[3:] for a in attempts_logged(web)] == [
        ("cut", "", "not retried: nothing left to answer")]


def test_the_wait_for_a_member_is_told(lab):
    one, = members(lab, 1)
    web = lab.httpd(LOG + balancer_conf([one], "timeout=1 forcerecovery=Off", "retry=600"),
                    children=1)
    web.expect_log(NOISE + "|LBX0182|LBX0162")
    one.refuse()
    assert web.get("/first").status == 503
    assert web.get("/x").status == 503
    found = told(web)
    assert found["attempts"] == "0" and 900 <= int(found["queue"]) < 8000, found


def test_the_client_who_left_is_nobodys_failure(lab):
    one, two, web = two_members(lab)
    one.behave("/x", "trickle", size=200000, bytes=100, every_ms=1)
    client = lab.client(web)
    client.send(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.recv(500)
    client.close()
    found = told(web)
    assert [t[:2] for t in tries(found)] == [(one.url, "client-gone")], found
    assert attempts_logged(web) == [] and two.requests == 0


# -- one line for each failed attempt

def test_a_refused_connection_is_an_error_that_names_cause_and_consequence(lab):
    one, two, web = two_members(lab, own="retry=33")
    one.refuse()
    assert web.get("/x").ok
    assert attempts_logged(web) == [
        ("error", 1, one.url, "connect-failure", "(111)Connection refused",
         f"trying another member; disabling worker for (127.0.0.1:{one.port}) for 33s")]
    assert web.get("/x").ok  # b1 is out: no second line
    stays(lambda: len(attempts_logged(web)) == 1, 0.2)


def test_a_refused_connection_of_a_member_that_ignores_errors_is_a_warning(lab):
    one, _, web = two_members(lab, own="status=+I")
    one.refuse()
    assert web.get("/x").ok
    assert attempts_logged(web) == [("warn", 1, one.url, "connect-failure",
                                     "(111)Connection refused", "trying another member")]


def test_a_reset_is_a_warning(lab):
    one, two, web = two_members(lab, own="disablereuse=On")
    one.behave("/x", "reset", at="body")
    assert web.get("/x").ok
    assert attempts_logged(web) == [("warn", 1, one.url, "reset",
                                     "(104)Connection reset by peer", "trying another member")]


def test_a_close_names_a_cause_that_means_something(lab):
    """Not "Internal error (specific information not available)", which is APR's for EGENERAL."""
    one, _, web = two_members(lab, own="disablereuse=On")
    one.behave("/x", "close")
    assert web.get("/x").ok
    (level, _, _, outcome, cause, _), = attempts_logged(web)
    assert (level, outcome) == ("warn", "reset")
    assert cause and "Internal error" not in cause, cause


def test_a_timeout_names_itself(lab):
    one, _, web = two_members(lab, TryTimeout="100ms")
    one.behave("/x", "hang")
    assert web.get("/x").ok
    (level, _, _, outcome, cause, what), = attempts_logged(web)
    assert (level, outcome, what) == ("warn", "timeout", "trying another member")
    assert "timeout specified has expired" in cause


def test_a_status_is_named(lab):
    one, _, web = two_members(lab, RetryOn="503")
    one.behave("/x", status=503)
    assert web.get("/x").ok
    assert attempts_logged(web) == [("warn", 1, one.url, "status", "503",
                                     "trying another member")]


def test_a_stale_connection_is_not_worth_a_warning(lab):
    one, _, web = two_members(lab)
    assert web.get("/").ok
    one.behave("/x", "close", times=1)
    assert web.get("/x").ok
    (level, number, member, outcome, _, what), = attempts_logged(web)
    assert (level, number, member, outcome) == ("info", 1, one.url, "stale")
    assert what == "trying again over another connection"


@pytest.mark.parametrize("method, params, given, what", [
    ("POST", "", {}, "not retried: the member may have taken the request, and its method is not "
                     "safe to repeat"),
    ("GET", "", {"RetryOn": "timeout"}, "not retried: not in LBXRetryOn"),
    ("GET", "maxattempts=0", {}, "not retried: maxattempts is used up"),
    ("PUT", "", {"RetryBody": "2"}, "not retried: the request's body has been sent"),
    ("GET", "nofailover=On", {}, "not retried: nofailover=On")])
def test_why_nothing_more_was_tried(lab, method, params, given, what):
    one, two = backends = members(lab, 2)
    own = [f"{r} disablereuse=On" for r in routes(backends)]
    web = lab.httpd(LOG + rules(**given)
                    + balancer_conf(backends, f"stickysession=S {params}", own),
                    children=1, suite=("core", "sticky"))
    web.expect_log(NOISE + "|LBX0182")
    one.behave("/x", "close")
    client = lab.client(web)
    body = None if method == "GET" else b"hello"
    answer = client.request(method, "/x", body, headers={"Cookie": "S=abc.r1"})
    assert answer.status == 502 and two.requests == 0
    (level, number, member, outcome, _, said), = attempts_logged(web)
    assert (level, number, member, outcome) == ("warn", 1, one.url, "reset")
    assert said == what


def test_nobody_else_can_be_had(lab):
    """b2 is disabled and b1 out: maxattempts would allow another attempt."""
    one, two = backends = members(lab, 2)
    web = lab.httpd(LOG + balancer_conf(backends, "forcerecovery=Off", ["", "status=+D"]),
                    children=1)
    web.expect_log(NOISE + "|LBX0182|LBX0162")
    one.refuse()
    assert web.get("/x").status == 503 and two.requests == 0
    said = attempts_logged(web)
    assert said[-1][3:5] == ("connect-failure", "(111)Connection refused")
    assert said[-1][5].startswith("not retried: no other member can be had"), said
    assert len(said) == 1, said


def test_each_attempt_has_its_line(lab):
    backends = members(lab, 4)
    web = lab.httpd(LOG + rules(TryTimeout="100ms") + balancer_conf(
        backends, "", [f"lbset={i} disablereuse=On" for i in range(4)]), children=1)
    web.expect_log(NOISE + "|LBX0182")
    backends[0].refuse()
    backends[1].behave("/x", "hang")
    backends[2].behave("/x", "close")
    assert web.get("/x").backend == "b4"
    assert [(a[0], a[1], a[2], a[3]) for a in attempts_logged(web)] == [
        ("error", 1, backends[0].url, "connect-failure"),
        ("warn", 2, backends[1].url, "timeout"), ("warn", 3, backends[2].url, "reset")]
    assert [t[1] for t in tries(told(web))] == ["connect-failure", "timeout", "reset", "200"]


def test_the_cause_is_the_attempts_own(lab):
    """The words of the first failure are not repeated for the second."""
    backends = one, two, three = members(lab, 3)
    web = lab.httpd(LOG + rules(RetryOn="connect-failure 503") + balancer_conf(
        backends, "", [f"lbset={i}" for i in range(3)]), children=1)
    web.expect_log(NOISE + "|LBX0182")
    one.refuse()
    two.behave("/x", status=503)
    assert web.get("/x").backend == "b3"
    assert [a[4] for a in attempts_logged(web)] == ["(111)Connection refused", "503"]


# -- they are made where somebody may read them

UNREAD = "Define LabEnvironment\n"
NAMES = ["LBX_ATTEMPTS", "LBX_HEADER_MS", "LBX_QUEUE_MS", "LBX_TRIES"]


def names_at_the_end(web, path):
    """LBX_* and BALANCER_NAME of the last request for `path`, as its pool went."""
    def line():
        return web.log_lines(rf"at the end of {path}: ")
    last = eventually(line, what=f"the end of {path} is in the log")[-1]
    return sorted(re.search(r"at the end of \S+: (.*)\.$", last)[1].split())


def unread(lab, conf="", **options):
    """Two members whose httpd has no log format with LBX_* but what <conf> brings."""
    backends = members(lab, 2)
    web = lab.httpd(UNREAD + conf + balancer_conf(backends), children=1, **options)
    web.expect_log(NOISE + "|LBX0182")
    return (*backends, web)


def test_nobody_reads_them(lab):
    _, two, web = unread(lab)
    assert web.get("/x").status == 200
    assert names_at_the_end(web, "/x") == ["BALANCER_NAME"]
    two.behave("/y", "reset")
    assert [web.get("/y").status for _ in range(2)] == [200, 200]
    assert web.log_lines("LBX0182"), "one was repeated"
    assert names_at_the_end(web, "/y") == ["BALANCER_NAME"]


@pytest.mark.parametrize("reader, options", [
    ('LogFormat "%{lbx_tries}e" small', {}),
    ('<IfModule mod_proxy.c>\n<VirtualHost 127.0.0.1:1>\nCustomLog "${LAB_DIR}/logs/v.log" '
     '"%U" "expr=reqenv(\'LBX_ATTEMPTS\') -gt 1"\n</VirtualHost>\n</IfModule>', {}),
    ('ErrorLogFormat "[%t] [%-m:%l] %M %{LBX_QUEUE_MS}e"', {}),
    ('LogMessage "%{reqenv:LBX_HEADER_MS}" hook=log_transaction', dict(modules=("log_debug",))),
    ('', dict(modules=("lua",))),
], ids=["format", "condition", "error-log", "message", "lua"])
def test_somebody_may_read_them(lab, reader, options):
    _, _, web = unread(lab, reader + "\n", **options)
    assert web.get("/x").status == 200
    assert names_at_the_end(web, "/x") == ["BALANCER_NAME", *NAMES]


def test_a_reload_finds_a_new_reader(lab):
    one, two, web = unread(lab)
    web.graceful(UNREAD + LOG + balancer_conf([one, two]))
    assert web.get("/x").status == 200
    assert told(web)["attempts"] == "1"


@pytest.mark.parametrize("status", [503, 404])
def test_an_error_document_reads_them(lab, status):
    """Its source is no part of the configuration."""
    one, two, web = unread(
        lab, "ProxyErrorOverride On\nErrorDocument 503 /why.cgi\nErrorDocument 404 /why.cgi\n"
        "ProxyPass /why.cgi !\n<Location /why.cgi>\nOptions +ExecCGI\nSetHandler cgi-script\n"
        "</Location>\n", modules=("cgi",))
    script = web.dir / "htdocs" / "why.cgi"
    script.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n"
                      'echo "$REDIRECT_LBX_ATTEMPTS;$REDIRECT_LBX_TRIES"\n')
    script.chmod(0o755)
    for backend in (one, two):
        if status == 503:
            backend.refuse()
        else:
            backend.behave("/x", status=404)
    answer = web.get("/x")
    assert answer.status == status, answer
    attempts, tries_told = answer.text.strip().split(";")
    if status == 503:
        assert attempts == "2" and tries_told.count(":connect-failure:") == 2
    else:
        assert attempts == "1" and ":404:" in tries_told


def test_a_page_that_an_answer_is_included_in_reads_them(lab):
    own = ("<Location /page.html>\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>\n"
           "<Location /x>\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>\n"
           "ProxyPass /page.html !\n")
    one, two, web = unread(lab, own, modules=("include",))
    for backend in (one, two):
        backend.behave("/x", body="inner", headers={"Content-Type": "text/html"})
    (web.dir / "htdocs" / "page.html").write_text(
        '<!--#include virtual="/x" -->;<!--#echo var="LBX_ATTEMPTS" -->')
    assert web.get("/page.html").text == "inner;1"


@pytest.mark.parametrize("end", ["close", "rst"])
def test_the_cause_after_an_interim_answer(lab, end):
    one, _, web = two_members(lab)
    one.behave("/x", "garbage", data="HTTP/1.1 103 Early Hints\r\n\r\n", end=end)
    assert web.get("/x").status == 200
    (*_, what, cause, _), = attempts_logged(web)
    assert what == "reset" and cause.startswith("("), attempts_logged(web)
