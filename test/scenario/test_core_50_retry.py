# SPDX-License-Identifier: Apache-2.0
"""A member gives no answer, half a one, or one that is listed: the client gets another member's.

What it is: each way to fail against each kind of request and rule (LBXRetryOn and relatives), with
the first member preferred (the second has lbset=1) and one child, so that connections are reused
when a test says so.
What it is not: idle connections that close (test_core_51), bodies (52), schemes other than http
(53), LBXRetryBudget and LBXRetryBackoff (54), what logs say (55).
"""

import re
import socket
import threading
from pathlib import Path

import pytest

from core_help import balancer_conf, balancer_state, member_state, members, who
from lab import eventually

NOISE = ("LBX0182|AH01102|AH00957|AH01114|AH00898|AH01106|AH01107|AH10410|AH01097|AH00940|AH01108"
         "|AH02454|AH10404|AH01110|The timeout specified has expired")
RESETS = {"close": ("close", {}), "rst": ("reset", {}), "half_head": ("half_head", {}),
          "cut_line": ("garbage", {"data": "HTTP/1.1 200 OK\r\nSet-Cookie: leak=1\r\n"
                                           "X-Leak: 1\r\n"}),
          "cut_status": ("garbage", {"data": "HTTP/1.1 20"}),
          "garbage": ("garbage", {}),
          "hang_in_line": ("half_head", {"end": "hang"}),
          "hang_after_line": ("garbage", {"data": "HTTP/1.1 200 OK\r\nX-Leak: 1\r\n",
                                          "end": "hang"}),
          "bad_header": ("garbage", {"data": "HTTP/1.1 200 OK\r\nX-Leak: 1\r\nno header\r\n\r\n"})}
LEAKS = {"Set-Cookie": ["leak=1", "leak=2"], "X-Leak": "1", "Content-Type": "text/leak",
         "Content-Language": "leak", "Content-Encoding": "leak", "ETag": '"leak"',
         "Last-Modified": "Thu, 01 Jan 1970 00:00:01 GMT", "Cache-Control": "no-leak",
         "WWW-Authenticate": "leak", "Retry-After": "77", "Location": "/leak", "Vary": "leak"}
# what a clean answer of a member carries, through httpd
USUAL = {"date", "server", "x-backend", "x-conn", "x-seq", "x-conn-seq", "content-type",
         "content-length"}
LOG = ('LogFormat "%>s|%{LBX_ATTEMPTS}e|%{LBX_TRIES}e|%U" tries\n'
       'CustomLog "${LAB_DIR}/logs/tries.log" tries env=!lab_internal\n')


def rules(**given):
    """rules(RetryOn="none") is the directive LBXRetryOn for mycluster."""
    return "".join(f"LBX{name} balancer://mycluster {value}\n" for name, value in given.items())


def two_members(lab, params="", own="", more="", modules=(), **given):
    """b1, which gets every request as long as it can, and b2."""
    backends = members(lab, 2)
    web = lab.httpd(LOG + rules(**given) + more
                    + balancer_conf(backends, params, [own, f"{own} lbset=1"]), children=1,
                    modules=modules)
    web.expect_log(NOISE)
    return (*backends, web)


def fail(backend, fault, path="/x", **options):
    if fault == "refuse":
        backend.refuse()
        eventually(lambda: not backend.stats()["open"], what="idle connections are closed")
    elif fault == "hang":
        backend.behave(path, "hang")
    elif fault in ("503", "404"):
        backend.behave(path, status=int(fault), headers=LEAKS, body="leak", **options)
    else:
        kind, own = RESETS[fault]
        backend.behave(path, kind, **own, **options)


def tried(web, path="/x", within=5.0):
    """[("b1's port", outcome), ...] of the last request for `path`, as LBX_TRIES tells it."""
    log = web.dir / "logs" / "tries.log"

    def line():
        found = [f for f in log.read_text().splitlines() if f.endswith("|" + path)]
        return found[-1].split("|") if found else None

    _, attempts, tries, _ = eventually(line, within, f"{path} is in the log")
    each = re.findall(r"[^,]*?:(\d+):([\w-]+):(\d+)(?:,|$)", tries)
    assert len(each) == int(attempts), (attempts, tries)
    return [(int(port), outcome) for port, outcome, _ in each]


def clean(answer, backend="b2", status=200):
    """The answer is this member's, and nothing else is in it."""
    assert answer.raw_close is None and answer.status == status, answer
    assert answer.backend == backend and answer.body == f"{backend}\n".encode(), answer
    names = [name.lower() for name, _ in answer.headers if name.lower() != "keep-alive"]
    assert set(names) - {"connection"} == USUAL and len(names) == len(set(names)), answer
    assert "leak" not in repr(answer.headers).lower(), answer


def one_answer_follows(client, backend=None):
    """Nothing is left on the connection: the next request gets its own answer, and no more."""
    client.send(b"GET /next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    data = client.recv(1 << 20)
    assert data.startswith(b"HTTP/1.1 200 ") and data.count(b"HTTP/1.1") == 1, data
    assert data.count(b"X-Backend: ") == 1, data
    assert not backend or f"X-Backend: {backend}\r\n".encode() in data


# -- every fault, GET, default rules

SEEN = {  # what b1 does -> what the attempts are called, at a new and at a reused connection
    "refuse": (["connect-failure"], ["connect-failure"]),
    "close": (["reset"], ["stale", "reset"]),
    "rst": (["reset"], ["stale", "reset"]),
    "half_head": (["reset"], ["reset"]),
    "cut_line": (["reset"], ["reset"]),
    "cut_status": (["reset"], ["reset"]),
    "garbage": (["reset"], ["reset"]),
    "bad_header": (["reset"], ["reset"]),
    "hang": (["timeout"], ["timeout"]),
    "hang_in_line": (["timeout"], ["timeout"]),
    "hang_after_line": (["timeout"], ["timeout"]),
    "503": (["503"], ["503"]),
}


@pytest.mark.parametrize("later", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize("fault", SEEN)
def test_another_member_answers(lab, fault, reused, later):
    given = {"RetryOn": "connect-failure stale reset timeout 503"} if fault == "503" else {}
    one, two, web = two_members(
        lab, own="timeout=1" if reused else "timeout=1 disablereuse=On", **given)
    client = lab.client(web)
    if later:
        assert who(client, 2, "/warm") == ["b1", "b1"]
    elif reused:
        assert who(web, 2, "/warm") == ["b1", "b1"]
    one.reset_stats()
    fail(one, fault)
    answer = client.get("/x")
    clean(answer)
    assert answer.new_connection is not later
    want = SEEN[fault][reused]
    assert tried(web) == [(one.port, outcome) for outcome in want] + [(two.port, "200")]
    assert two.requests == 1
    if fault != "refuse":
        assert one.requests == len(want)
    assert bool(member_state(web, one)["error_at_us"]) is (fault == "refuse")
    state = balancer_state(web)
    assert (state["failovers"], state["refused"]) == (len(want), 0)
    assert [m["in_flight"] for m in state["members"]] == [0, 0]
    one_answer_follows(client)


@pytest.mark.parametrize("level", ["error", "emerg"])
@pytest.mark.parametrize("fault", ["refuse", "close", "rst", "cut_status", "hang", "hang_in_line",
                                   "hang_after_line"])
def test_what_happened_is_known_though_it_is_not_logged(lab, fault, level):
    """Some of it is learned from what mod_proxy logs: not more than it logs at every LogLevel."""
    one, two, web = two_members(lab, own="timeout=1", more=f"LogLevel {level}\n")
    client = lab.client(web)
    who(client, 2, "/warm")
    fail(one, fault)
    clean(client.get("/x"))
    assert [what for _, what in tried(web)] == [*SEEN[fault][True], "200"]
    assert bool(member_state(web, one)["error_at_us"]) is (fault == "refuse")


@pytest.mark.parametrize("level", ["info", "emerg"])
def test_a_process_without_a_free_connection(lab, level):
    """max= is this process's own limit: the member is passed by, and not out."""
    one, _, web = two_members(lab, own="max=1 acquire=50", more=f"LogLevel {level}\n")
    web.expect_log("AH00941|LBX0182")
    one.behave("/held", delay_ms=1000)
    client = lab.client(web)
    client.send(b"GET /held HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    eventually(lambda: one.in_flight == 1, what="b1 has a request")
    clean(web.get("/x"))
    assert [what for _, what in tried(web)] == ["connect-failure", "200"]
    assert not member_state(web, one)["error_at_us"]
    assert b"X-Backend: b1" in client.recv(1 << 16)
    clean(web.get("/y"), "b1")


class Drip:
    """A member whose answer comes one byte at a time, head first; name, url, port as others."""

    def __init__(self, port, every, data):
        self.name, self.port, self.path = "drip", port, None
        self.url = f"http://127.0.0.1:{port}"
        self.every, self.data, self.seen = every, data, 0
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=16)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                self.serve(sock)

    def serve(self, sock):
        if sock.recv(65536):
            self.seen += 1
        try:
            for at in range(len(self.data)):
                sock.sendall(self.data[at:at + 1])
                if self.over.wait(self.every):
                    return
        except OSError:
            pass

    def close(self):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


@pytest.fixture(name="drip")
def make_drip(lab):
    made = []

    def make(every, data):
        made.append(Drip(lab.port(), every, data))
        return made[-1]

    yield make
    for one in made:
        one.close()


# -- LBXTryTimeout

@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
def test_try_timeout_ends_an_attempt_that_hangs(lab, reused):
    one, two, web = two_members(lab, own="" if reused else "disablereuse=On",
                                TryTimeout="300ms")
    client = lab.client(web)
    who(client, 1, "/warm")
    fail(one, "hang")
    answer = client.get("/x")
    clean(answer)
    assert 0.25 < answer.elapsed < 5
    assert tried(web) == [(one.port, "timeout"), (two.port, "200")]
    eventually(lambda: one.in_flight == 0, what="b1's connection was closed")
    one_answer_follows(client)


def test_try_timeout_is_for_the_whole_head(lab, drip):
    """The member's bytes come faster than any timeout of a socket; the first line alone takes 5 s."""
    slow = drip(0.3, b"HTTP/1.1 200 OK\r\nX-Leak: 1\r\nSet-Cookie: leak=1\r\nContent-Length: 0\r\n"
                + b"X-Leak2: " + b"x" * 40 + b"\r\n\r\n")
    two = lab.backend("b2")
    web = lab.httpd(LOG + rules(TryTimeout="500ms")
                    + balancer_conf([slow, two], "", ["", "lbset=1"]), children=1)
    web.expect_log(NOISE)
    answer = web.get("/x")
    clean(answer)
    assert tried(web) == [(slow.port, "timeout"), (two.port, "200")]
    assert 0.45 < answer.elapsed < 4 and slow.seen == 1


def test_try_timeout_is_for_all_lines_of_the_head(lab, drip):
    """Each line comes in time, all of them do not."""
    slow = drip(0.02, b"HTTP/1.1 200 OK\r\n" + b"X-Leak: 1\r\n" * 40 + b"\r\n")
    two = lab.backend("b2")
    web = lab.httpd(LOG + rules(TryTimeout="1s")
                    + balancer_conf([slow, two], "", ["", "lbset=1"]), children=1)
    web.expect_log(NOISE)
    answer = web.get("/x")
    clean(answer)
    assert tried(web) == [(slow.port, "timeout"), (two.port, "200")]
    assert 0.95 < answer.elapsed < 5 and slow.seen == 1


def test_without_try_timeout_a_slow_head_is_awaited(lab, drip):
    slow = drip(0.02, b"HTTP/1.1 200 OK\r\nX-Mine: 1\r\nContent-Length: 0\r\n\r\n")
    two = lab.backend("b2")
    web = lab.httpd(LOG + balancer_conf([slow, two], "", ["timeout=1", "lbset=1"]), children=1)
    answer = web.get("/x")
    assert answer.status == 200 and answer.headers["X-Mine"] == "1" and two.requests == 0


def test_try_timeout_leaves_a_slow_body_alone(lab):
    """The time is up long before the body's end; the connection's own timeout is in force."""
    one, two, web = two_members(lab, TryTimeout="300ms")
    one.behave("/x", "trickle", size=20, bytes=1, every_ms=50)
    client = lab.client(web)
    for _ in range(2):  # the second over the same connection
        answer = client.get("/x")
        assert answer.ok and len(answer.body) == 20 and answer.elapsed > 0.7
    one.behave("/pause", delay_ms=10)
    assert client.get("/pause").backend == "b1" and two.requests == 0
    assert one.stats()["connections"] == 1


def test_try_timeout_of_all_members(lab):
    one, two, web = two_members(lab, TryTimeout="200ms")
    fail(one, "hang")
    fail(two, "hang")
    assert web.get("/x").status in ANSWER["hang"]
    assert tried(web) == [(one.port, "timeout"), (two.port, "timeout")]


def test_a_slow_answer_within_try_timeout_is_awaited(lab):
    one, two, web = two_members(lab, TryTimeout="3s")
    one.behave("/x", delay_ms=300)
    clean(web.get("/x"), "b1")
    assert two.requests == 0


# -- LBXRetryOn

OWN_WORD = {"refuse": "connect-failure", "close": "reset", "hang": "timeout"}
# a timeout is a 502 as long as mod_proxy_http says so; 504 would be as good
ANSWER = {"refuse": [503], "close": [502], "rst": [502], "hang": [502, 504], "503": [503]}


@pytest.mark.parametrize("words", ["connect-failure", "reset", "timeout", "503",
                                   "connect-failure 503 reset", "none"])
def test_retry_on_names_what_is_tried_again(lab, words):
    one, two, web = two_members(lab, own="disablereuse=On", RetryOn=words,
                                TryTimeout="300ms")
    client = lab.client(web)
    for fault in ("hang", "close", "503", "refuse"):
        fail(one, fault, "/" + fault)
        answer = client.get("/" + fault)
        if OWN_WORD.get(fault, fault) in words.split():
            clean(answer)
        else:
            assert answer.status in ANSWER[fault] and len(tried(web, "/" + fault)) == 1, answer
            assert answer.raw_close is None
    assert two.requests == sum(w in words.split() for w in [*OWN_WORD.values(), "503"])


@pytest.mark.parametrize("words, want", [("stale", ["stale", "200"]), ("reset", ["stale"]),
                                         ("none", ["stale"])])
def test_retry_on_stale_alone(lab, words, want):
    one, two, web = two_members(lab, RetryOn=words)
    client = lab.client(web)
    who(client, 1)
    fail(one, "close", times=1)
    answer = client.get("/x")
    assert tried(web) == [(one.port, outcome) for outcome in want]
    if len(want) > 1:
        clean(answer, "b1")
    else:
        assert answer.status == 502
    assert two.requests == 0 and one.stats()["paths"]["/x"] == len(want)


def test_statuses_that_are_not_listed_are_passed_on(lab):
    one, two, web = two_members(lab, RetryOn="502 504 429")
    fail(one, "503")
    answer = web.get("/x")
    assert (answer.status, answer.text, answer.backend) == (503, "leak", "b1")
    assert answer.headers.all("Set-Cookie") == ["leak=1", "leak=2"]
    assert two.requests == 0 and tried(web) == [(one.port, "503")]


@pytest.mark.parametrize("status", [404, 429, 500, 502, 503, 504])
def test_each_listed_status_is_swallowed(lab, status):
    one, two, web = two_members(lab, RetryOn="404 429 500 502 503 504")
    one.behave("/x", status=status, headers=LEAKS, body="leak" * 10000)
    client = lab.client(web)
    who(client, 1)
    clean(client.get("/x"))
    assert tried(web) == [(one.port, str(status)), (two.port, "200")]
    one_answer_follows(client, "b1")


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_the_connection_of_a_swallowed_answer_is_not_confused(lab, framing):
    """Its body is read or its connection closed: the next answer is not what was left of it."""
    one, two, web = two_members(lab, RetryOn="503")
    one.behave("/x", status=503, headers=LEAKS, size=200000, framing=framing)
    client = lab.client(web)
    for _ in range(5):
        clean(client.get("/x"))
        clean(client.get("/y"), "b1")


def test_when_all_give_a_listed_status_the_last_answer_is_passed_on(lab):
    backends = members(lab, 3)
    web = lab.httpd(LOG + rules(RetryOn="503") + balancer_conf(
        backends, "", ["", "lbset=1", "lbset=2"]), children=1)
    web.expect_log(NOISE)
    for b in backends:
        b.behave("/x", status=503, body=f"{b.name} is sorry",
                 headers={"Set-Cookie": f"from={b.name}", "X-Own": b.name, "Retry-After": "7"})
    answer = web.get("/x")
    assert (answer.status, answer.text, answer.backend) == (503, "b3 is sorry", "b3")
    assert answer.headers.all("Set-Cookie") == ["from=b3"]
    assert answer.headers.all("X-Own") == ["b3"] and answer.headers.all("Retry-After") == ["7"]
    assert tried(web) == [(b.port, "503") for b in backends]
    assert [b.requests for b in backends] == [1, 1, 1]


def test_a_listed_status_and_then_a_reset_is_a_502(lab):
    """The 503 has been given up by then."""
    one, two, web = two_members(lab, own="disablereuse=On", RetryOn="503")
    fail(one, "503")
    fail(two, "close")
    answer = web.get("/x")
    assert answer.status == 502 and "leak" not in repr(answer).lower(), answer
    assert tried(web) == [(one.port, "503"), (two.port, "reset")]


def test_a_reset_and_then_another_status(lab):
    one, two, web = two_members(lab, own="disablereuse=On")
    fail(one, "cut_line")
    two.behave("/x", status=404, body="none such")
    answer = web.get("/x")
    assert (answer.status, answer.text, answer.backend) == (404, "none such", "b2")
    assert "Set-Cookie" not in answer.headers and "X-Leak" not in answer.headers


# -- the method

def ids_of(*backends):
    """How often each request id arrived, over all of these."""
    total = {}
    for b in backends:
        for ident, n in b.stats()["ids"].items():
            total[ident] = total.get(ident, 0) + n
    return total


ID = {"X-Request-Id": "the-one"}


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
def test_a_refused_post_is_tried_elsewhere(lab, method, reused):
    one, two, web = two_members(lab, own="" if reused else "disablereuse=On")
    client = lab.client(web)
    who(client, 1)
    fail(one, "refuse")
    answer = client.request(method, "/x", b"hello", headers=ID)
    assert answer.ok and answer.backend == "b2" and answer.headers["X-Body-Bytes"] == "5"
    assert ids_of(two) == {"the-one": 1}
    assert tried(web) == [(one.port, "connect-failure"), (two.port, "200")]


@pytest.mark.parametrize("method, body", [("POST", b"hello"), ("POST", b""), ("POST", None),
                                          ("PATCH", b"x")])
@pytest.mark.parametrize("reused, fault", [(False, "close"), (False, "rst"), (False, "half_head"),
                                           (True, "close"), (True, "half_head")])
def test_a_post_that_was_taken_is_not_repeated(lab, reused, fault, method, body):
    one, two, web = two_members(lab, own="" if reused else "disablereuse=On")
    client = lab.client(web)
    who(client, 1)
    fail(one, fault, at="body")
    answer = client.request(method, "/x", body, headers=ID)
    assert ids_of(one, two) == {"the-one": 1}, (answer, tried(web))
    assert answer.status == 502 and answer.raw_close is None, answer
    assert two.requests == 0


@pytest.mark.parametrize("level", ["info", "emerg"])
def test_a_reset_of_a_reused_connection_counts_as_unread(lab, level):
    """A system resets a connection that is closed with something unread.  A member that reads
    the request and then resets on purpose is not told apart: LBXRetryOn without stale is for it."""
    one, two, web = two_members(lab, own="", more=f"LogLevel {level}\n")
    client = lab.client(web)
    who(client, 1)
    one.behave("/x", "reset", at="body", times=1)
    answer = client.request("POST", "/x", b"hello", headers=ID)
    assert answer.ok and [what for _, what in tried(web)] == ["stale", "200"]


def unread(port):
    """Bytes that wait in the sockets of this port, unread."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(found[4].partition(":")[2], 16) for found in lines
               if int(found[1].partition(":")[2], 16) == port and found[3] == "01")


@pytest.mark.parametrize("body, want", [(b"hello", 200), (b"x" * 5000, 502)],
                         ids=["small", "large"])
def test_a_post_that_a_killed_member_had_not_read(lab, body, want):
    """A fresh connection is reset, and nobody listens there any more: the process has gone with
    the request unread.  Of a large one it may have read the beginning."""
    one, two, web = two_members(lab, own="disablereuse=On timeout=20")
    client = lab.client(web)
    client.connect()
    one.stop()
    client.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: the-one\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body) + body)
    eventually(lambda: unread(one.port) > len(body), what="the request is there")
    one.close()
    answer = client.recv(1 << 20).decode("latin-1")
    assert answer.startswith(f"HTTP/1.1 {want} "), answer
    assert tried(web) == [(one.port, "reset"), (two.port, "200")][:2 if want == 200 else 1]
    assert two.requests == (want == 200)


def test_a_post_that_a_killed_member_had_begun_to_answer(lab):
    """An early hint came: it was at work, whatever it had left unread."""
    two, = members(lab, 1)
    listener = socket.create_server(("127.0.0.1", 0))

    def hint_and_go():
        conn, _ = listener.accept()
        conn.recv(10)  # the rest is left unread: the close will be a reset
        conn.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        hinted.wait(10)
        listener.close()
        conn.close()

    hinted = threading.Event()
    server = threading.Thread(target=hint_and_go)
    server.start()
    web = lab.httpd(f"""<Proxy "balancer://mycluster">
    BalancerMember "http://127.0.0.1:{listener.getsockname()[1]}" disablereuse=On
    BalancerMember "{two.url}" lbset=1
</Proxy>
ProxyPass "/" "balancer://mycluster/"
""", children=1)
    web.expect_log(NOISE)
    client = lab.client(web)
    client.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Content-Length: 2\r\n\r\nab")
    hint = client.recv(12)
    hinted.set()
    server.join(10)
    found = hint + client.recv(1 << 20)
    assert two.requests == 0 and b"HTTP/1.1 200" not in found, found


def test_without_stale_no_reset_counts_as_unread(lab):
    one, two, web = two_members(lab, own="", RetryOn="connect-failure reset timeout")
    client = lab.client(web)
    who(client, 1)
    fail(one, "rst", at="body")
    assert client.request("POST", "/x", b"hello", headers=ID).status == 502
    assert ids_of(one, two) == {"the-one": 1}


def test_a_post_that_hangs_is_not_repeated(lab):
    one, two, web = two_members(lab, TryTimeout="300ms")
    fail(one, "hang")
    assert web.post("/x", b"hello", headers=ID).status in ANSWER["hang"]
    assert ids_of(one, two) == {"the-one": 1}


def test_a_listed_status_of_a_post_is_passed_on(lab):
    one, two, web = two_members(lab, RetryOn="503")
    fail(one, "503")
    answer = web.post("/x", b"hello", headers=ID)
    assert (answer.status, answer.text) == (503, "leak")
    assert ids_of(one, two) == {"the-one": 1}


@pytest.mark.parametrize("fault, first", [("close", "reset"), ("hang", "timeout"),
                                          ("503", "503"), ("half_head", "reset")])
def test_retry_non_idempotent_repeats_a_post(lab, fault, first):
    one, two, web = two_members(lab, own="disablereuse=On", RetryNonIdempotent="On",
                                RetryOn="reset timeout 503", TryTimeout="300ms")
    two.behave("/x", "echo")
    fail(one, fault)
    answer = web.post("/x", b"hello" * 100, headers=ID)
    assert answer.ok and answer.backend == "b2" and answer.body == b"hello" * 100, answer
    assert tried(web) == [(one.port, first), (two.port, "200")]
    assert ids_of(one) == ids_of(two) == {"the-one": 1}


@pytest.mark.parametrize("method, body", [("HEAD", None), ("PUT", b"hello"), ("PUT", b""),
                                          ("DELETE", None), ("OPTIONS", None)])
@pytest.mark.parametrize("fault", ["close", "hang", "503"])
def test_other_idempotent_methods_are_tried_again(lab, method, body, fault):
    one, two, web = two_members(lab, own="disablereuse=On", TryTimeout="300ms",
                                RetryOn="connect-failure stale reset timeout 503")
    fail(one, fault)
    client = lab.client(web)
    answer = client.request(method, "/x", body)
    assert answer.ok and answer.backend == "b2", answer
    assert answer.body == (b"" if method == "HEAD" else b"b2\n")
    assert "leak" not in repr(answer.headers).lower()
    arrived = two.arrivals()
    assert [a.method for a in arrived] == [method] and len(tried(web)) == 2
    one_answer_follows(client)


# -- half an answer

@pytest.mark.parametrize("end", ["close", "rst"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [2000, 500000])
def test_half_an_answer_is_cut_and_never_repeated(lab, size, framing, end):
    one, two, web = two_members(lab, RetryOn="connect-failure stale reset timeout 500 502 503")
    one.behave("/x", "half", size=size, framing=framing, end=end)
    client = lab.client(web)
    who(client, 1)
    answer = client.get("/x")
    assert answer.raw_close in ("truncated", "reset"), answer
    assert answer.status == 200 and answer.headers.all("X-Backend") == ["b1"]
    assert len(answer.body) < size and b"b2" not in answer.body
    assert tried(web) == [(one.port, "cut")]
    assert two.requests == 0 and one.stats()["paths"]["/x"] == 1
    assert not member_state(web, one)["error_at_us"]
    clean(client.get("/y"), "b1")


def test_half_of_a_listed_answer_is_not_seen(lab):
    one, two, web = two_members(lab, RetryOn="503")
    one.behave("/x", "half", size=50000, status=503, headers=LEAKS)
    client = lab.client(web)
    clean(client.get("/x"))
    one_answer_follows(client)


# -- ProxyErrorOverride

def test_error_override_does_not_hide_a_listed_status(lab):
    one, two, web = two_members(lab, more="ProxyErrorOverride On\n", RetryOn="503")
    fail(one, "503")
    clean(web.get("/x"))
    assert tried(web) == [(one.port, "503"), (two.port, "200")]


def test_error_override_of_the_last_answer(lab):
    one, two, web = two_members(
        lab, more='ProxyErrorOverride On\nErrorDocument 503 "our own page"\n', RetryOn="503")
    fail(one, "503")
    fail(two, "503")
    answer = web.get("/x")
    assert answer.status == 503 and answer.text == "our own page", answer
    assert tried(web) == [(one.port, "503"), (two.port, "503")]
    assert one.requests == two.requests == 1


def test_error_override_of_other_statuses_is_one_attempt(lab):
    one, two, web = two_members(
        lab, more='ProxyErrorOverride On\nErrorDocument 404 "our own page"\n', RetryOn="503")
    fail(one, "404")
    answer = web.get("/x")
    assert answer.status == 404 and answer.text == "our own page", answer
    assert two.requests == 0 and tried(web) == [(one.port, "404")]


def test_error_documents_are_for_the_last_word_only(lab):
    one, two, web = two_members(lab, own="disablereuse=On",
                                more='ErrorDocument 502 "our own page"\n')
    fail(one, "close")
    clean(web.get("/x"))
    fail(two, "close")
    answer = web.get("/x")
    assert answer.status == 502 and answer.text == "our own page", answer


# -- sessions

def with_routes(lab, params, **given):
    backends = members(lab, 2)
    web = lab.httpd(LOG + rules(**given) + balancer_conf(
        backends, f"stickysession=S {params}", ["route=r1", "route=r2"]), children=1,
        suite=("core", "sticky"))
    web.expect_log(NOISE + "|LBX0160|All workers are in error state for route")
    return (*backends, web)


OF_B1 = {"Cookie": "S=abc.r1"}


@pytest.mark.parametrize("fault", ["refuse", "close", "hang", "503"])
def test_nofailover_sessions_are_not_moved(lab, fault):
    one, two, web = with_routes(lab, "nofailover=On", TryTimeout="300ms",
                                RetryOn="connect-failure stale reset timeout 503")
    fail(one, fault)
    answer = web.get("/x", headers=OF_B1)
    assert answer.status in ANSWER[fault] and two.requests == 0, answer
    if fault == "503":
        assert answer.text == "leak"  # the member's own answer
    assert len(tried(web)) == 1


def test_nofailover_sessions_survive_a_stale_connection(lab):
    one, two, web = with_routes(lab, "nofailover=On")
    client = lab.client(web)
    who(client, 1, headers=OF_B1)
    fail(one, "close", times=1)
    clean(client.get("/x", headers=OF_B1), "b1")
    assert two.requests == 0 and tried(web) == [(one.port, "stale"), (one.port, "200")]


@pytest.mark.parametrize("fault", ["refuse", "close", "503"])
def test_other_sessions_are_moved(lab, fault):
    one, two, web = with_routes(lab, "", RetryOn="connect-failure stale reset timeout 503")
    fail(one, fault)
    clean(web.get("/x", headers=OF_B1))


# -- how often

@pytest.mark.parametrize("params, attempts", [("", 4), ("maxattempts=0", 1), ("maxattempts=1", 2),
                                              ("maxattempts=2", 3)])
def test_maxattempts(lab, params, attempts):
    backends = members(lab, 4)
    web = lab.httpd(LOG + balancer_conf(backends, params, "disablereuse=On"), children=1)
    web.expect_log(NOISE)
    for b in backends:
        fail(b, "close")
    assert web.get("/x", headers=ID).status == 502
    assert [outcome for _, outcome in tried(web)] == ["reset"] * attempts
    assert len(set(tried(web))) == attempts  # nobody twice
    assert sum(b.requests for b in backends) == attempts


def test_a_single_member_is_tried_once_more(lab):
    one, = members(lab, 1)
    web = lab.httpd(LOG + balancer_conf([one], "", "disablereuse=On"), children=1)
    web.expect_log(NOISE)
    fail(one, "close", times=1)
    clean(web.get("/x"), "b1")
    assert tried(web) == [(one.port, "reset"), (one.port, "200")]
    fail(one, "close", "/y")
    assert web.get("/y").status == 502
    assert tried(web, "/y") == [(one.port, "reset")] * 2


def test_a_listed_answer_of_a_single_member_is_passed_on(lab):
    one, = members(lab, 1)
    web = lab.httpd(LOG + rules(RetryOn="503") + balancer_conf([one]), children=1)
    web.expect_log(NOISE)
    fail(one, "503")
    answer = web.get("/x")
    assert (answer.status, answer.text) == (503, "leak") and one.requests == 1


def test_a_listed_answer_is_not_given_up_for_a_member_in_error(lab):
    one, two = backends = members(lab, 2)
    web = lab.httpd(LOG + rules(RetryOn="connect-failure 503") + balancer_conf(
        backends, "forcerecovery=Off", ["retry=1", "retry=600 lbset=1"]), children=1)
    web.expect_log(NOISE + "|All workers are in error state")
    one.refuse()
    two.refuse()
    assert web.get("/").status == 503
    one.accept_again()
    two.accept_again()
    eventually(lambda: web.get("/").ok, what="b1 is used again")
    fail(one, "503")
    answer = web.get("/x")
    assert (answer.status, answer.text, answer.backend) == (503, "leak", "b1")
    assert two.requests == 0 and tried(web) == [(one.port, "503")]


# -- what the member has to bear

def test_failonstatus_condemns_though_the_answer_was_swallowed(lab):
    one, two, web = two_members(lab, "failonstatus=503", RetryOn="503")
    web.expect_log("LBX0184: .*status code 503 matching", must=True)
    fail(one, "503")
    clean(web.get("/x"))
    assert member_state(web, one)["error_at_us"] and not member_state(web, two)["error_at_us"]
    clean(web.get("/y"))
    assert one.requests == 1


def test_failontimeout_condemns_though_another_answered(lab):
    one, two, web = two_members(lab, "failontimeout=On", TryTimeout="300ms")
    web.expect_log("LBX0184: .*timeout and 'failontimeout'", must=True)
    fail(one, "hang")
    clean(web.get("/x"))
    assert member_state(web, one)["error_at_us"] and not member_state(web, two)["error_at_us"]
    clean(web.get("/y"))
    assert one.requests == 1


def test_failontimeout_does_not_blame_the_one_that_answered(lab):
    """b1 hangs, b2 resets, b3 answers: only b1 has timed out."""
    backends = one, two, three = members(lab, 3)
    web = lab.httpd(LOG + rules(TryTimeout="300ms") + balancer_conf(
        backends, "failontimeout=On", ["", "lbset=1 disablereuse=On", "lbset=2"]), children=1)
    web.expect_log(NOISE + "|LBX0184")
    fail(one, "hang")
    fail(two, "close")
    clean(web.get("/x"), "b3")
    assert [bool(member_state(web, b)["error_at_us"]) for b in backends] == [True, False, False]


def test_resets_and_timeouts_alone_condemn_nobody(lab):
    one, two, web = two_members(lab, own="disablereuse=On", TryTimeout="300ms")
    for fault in ("close", "hang", "rst"):
        fail(one, fault, "/" + fault)
        clean(web.get("/" + fault))
    assert not member_state(web, one)["error_at_us"]
    clean(web.get("/y"), "b1")


def test_an_answer_that_includes_another(lab):
    """A page of the balancer's includes one of a plain ProxyPass: fetched within the attempt, when
    its own answer has ended.  What becomes of it is not the member's doing."""
    other = lab.backend("other")
    one, _, web = two_members(
        lab, own="timeout=1", modules=("include",),
        more=f'ProxyPass "/plain/" "{other.url}/" timeout=1\n<Location "/x">\nOptions +Includes\n'
             "SetOutputFilter INCLUDES\n</Location>\n")
    web.expect_log("unable to include")
    one.behave("/x", body='<!--#include virtual="/plain/y" -->', headers={"Content-Type": "text/html"})
    client = lab.client(web)
    for i in range(6):
        if i == 4:
            other.behave("/y", "hang")
        answer = client.get("/x")
        assert answer.status == 200 and answer.backend == "b1", answer
        assert ("other" in answer.text) is (i < 4), answer
        assert tried(web) == [(one.port, "200")]
