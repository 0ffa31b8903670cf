# SPDX-License-Identifier: Apache-2.0
"""Members that speak something else than plain http over TCP: a refused connection is invisible.

What it is: ajp, fcgi, scgi, uwsgi, h2c, https, Unix sockets, upgrades; the first member refuses.
What it is not: the full set of failures, which is for http (test_core_50).
"""

import re
import socket
import struct
import subprocess
import threading

import pytest

from core_help import balancer_conf, balancer_state
from hcheck_help import Listener
from lab import eventually

NOISE = ("LBX0182|LBX0162|AH00957|AH01114|AH00898|AH01102|AH00896|AH01079|AH00992|AH00893|AH10101"
         "|AH02454|AH10262|AH00988|AH01075|AH01067|AH10097|AH00868|AH00870|AH01076|AH01030|AH00878|AH00866")
LOG = ('LogFormat "%U|%>s|%{LBX_ATTEMPTS}e|%{LBX_TRIES}e" tries\n'
       'CustomLog "${LAB_DIR}/logs/tries.log" tries env=!lab_internal\n')


class Member:
    """A server of few lines: one answer a connection, or none."""

    def __init__(self, scheme, port, answer=None):
        self.name, self.port, self.path = scheme, port, None
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.answer, self.seen = answer, 0
        self.listener = answer and socket.create_server(("127.0.0.1", port), backlog=16)
        self.thread = threading.Thread(target=self.run, daemon=True)
        if answer:
            self.thread.start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(5)
                try:
                    if sock.recv(65536):
                        self.seen += 1
                        sock.sendall(self.answer)
                    sock.shutdown(socket.SHUT_WR)
                    while self.answer and sock.recv(65536):
                        pass  # an early close would be a reset
                except OSError:
                    pass

    def close(self):
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.thread.join(5)


def fcgi_answer():
    text = b"Status: 200 OK\r\nContent-Type: text/plain\r\nX-Backend: good\r\n\r\ngood\n"
    return (struct.pack(">BBHHBB", 1, 6, 1, len(text), 0, 0) + text
            + struct.pack(">BBHHBB", 1, 6, 1, 0, 0, 0)
            + struct.pack(">BBHHBBIB3x", 1, 3, 1, 8, 0, 0, 0, 0))


def ajp_answer():
    def text(t):
        return struct.pack(">H", len(t)) + t + b"\0"

    def packet(data):
        return b"AB" + struct.pack(">H", len(data)) + data

    head = (b"\x04" + struct.pack(">H", 200) + text(b"OK") + struct.pack(">H", 2)
            + text(b"Content-Type") + text(b"text/plain") + text(b"X-Backend") + text(b"good"))
    return (packet(head) + packet(b"\x03" + struct.pack(">H", 5) + b"good\n\0")
            + packet(b"\x05\x00"))


ANSWERS = {
    "ajp": ajp_answer, "fcgi": fcgi_answer,
    "scgi": lambda: b"Status: 200 OK\r\nContent-Type: text/plain\r\nX-Backend: good\r\n\r\ngood\n",
    "uwsgi": lambda: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Backend: good\r\n\r\ngood\n",
}


SPOKEN_BY = {"h2c": "http2"}


@pytest.fixture(name="member")
def make_member(lab):
    made = []

    def make(scheme, answer=None):
        made.append(Member(scheme, lab.port(), answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


def first_and_second(lab, one, two, modules, more="", params=""):
    web = lab.httpd(LOG + more + balancer_conf([one, two], params, ["", "lbset=1"]), children=1,
                    modules=modules)
    web.expect_log(NOISE)
    return web


def tried(web, path="/x"):
    log = web.dir / "logs" / "tries.log"
    line = eventually(lambda: [f for f in log.read_text().splitlines()
                               if f.startswith(path + "|")], what=f"{path} is in the log")[-1]
    return re.findall(r":(\d+):([\w-]+):\d+(?:,|$)", line.split("|")[3])


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("scheme", ANSWERS)
def test_refused(lab, member, scheme, method):
    one, two = member(scheme), member(scheme, ANSWERS[scheme]())
    web = first_and_second(lab, one, two, (f"proxy_{scheme}",))
    answer = lab.client(web).request(method, "/x", b"hello" if method == "POST" else None)
    assert answer.status == 200 and answer.text == "good\n" and answer.backend == "good", answer
    assert tried(web) == [(str(one.port), "connect-failure"), (str(two.port), "200")]
    assert two.seen == 1
    assert [bool(m["error_at_us"]) for m in balancer_state(web)["members"]] == [True, False]


@pytest.mark.parametrize("scheme", ANSWERS)
def test_refused_by_all(lab, member, scheme):
    one, two = member(scheme), member(scheme)
    web = first_and_second(lab, one, two, (f"proxy_{scheme}",))
    assert web.get("/x").status == 503
    assert [outcome for _, outcome in tried(web)] == ["connect-failure"] * 2


@pytest.mark.parametrize("scheme", ANSWERS)
def test_closed_without_an_answer(lab, member, scheme):
    """A POST that was taken is an error, and executed once."""
    one, two = member(scheme, b"?"), member(scheme, ANSWERS[scheme]())
    one.answer = b""
    web = first_and_second(lab, one, two, (f"proxy_{scheme}",), params="forcerecovery=Off")
    web.expect_log("proxy")
    answer = web.post("/x", b"hello")
    assert answer.status in (500, 502, 503, 504) and answer.raw_close is None, answer
    assert (one.seen, two.seen) == (1, 0)
    assert len(tried(web)) == 1


def test_h2c_refused_by_all(lab, member):
    one, two = member("h2c"), member("h2c")
    web = first_and_second(lab, one, two, ("proxy_http2",))
    assert web.get("/x").status in (502, 503)
    assert tried(web) == [(str(one.port), "connect-failure"), (str(two.port), "connect-failure")]


def of_inner_httpd(lab, two):
    """The good member is another httpd with mod_http2."""
    inner = lab.httpd("Protocols h2c http/1.1\n", modules=("http2",), suite=())
    (inner.dir / "htdocs" / "x").write_text("good\n")
    inner.expect_log("AH10034|AH00094")
    two.port, two.url = inner.port, f"h2c://127.0.0.1:{inner.port}"
    return two


def test_h2c_refused(lab, member):
    one, two = member("h2c"), of_inner_httpd(lab, member("h2c"))
    web = first_and_second(lab, one, two, ("proxy_http2",))
    answer = web.get("/x")
    assert answer.status == 200 and answer.text == "good\n", answer
    assert tried(web) == [(str(one.port), "connect-failure"), (str(two.port), "200")]


@pytest.mark.parametrize("scheme", ["ajp", "fcgi"])
def test_a_process_without_a_free_connection(lab, member, scheme):
    """Nothing was sent: another member gets it, whatever the method."""
    over = threading.Event()

    def hold(conn):
        conn.recv(65536)
        over.wait(10)

    two = member(scheme, ANSWERS[scheme]())
    with Listener(lab, hold, scheme) as one:
        web = lab.httpd(LOG + balancer_conf([one, two], "", ["max=1 acquire=50", "lbset=1"]),
                        children=1, modules=(f"proxy_{scheme}",))
        web.expect_log(NOISE + "|AH00941")
        lab.client(web).send(b"GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n")
        eventually(lambda: one.connections == 1, what="the only connection is in use")
        for method, body in (("GET", None), ("POST", b"hello")):
            answer = lab.client(web).request(method, "/x", body)
            assert answer.status == 200 and answer.text == "good\n", answer
            assert tried(web) == [(str(one.port), "connect-failure"), (str(two.port), "200")]
        assert not any(m["error_at_us"] for m in balancer_state(web)["members"])
        over.set()
        eventually(lambda: not any(m["in_flight"] for m in balancer_state(web)["members"]))


def test_a_uwsgi_member_that_hangs_after_its_first_line(lab, member):
    """mod_proxy_uwsgi does not say so."""
    def serve(conn):
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\n")
        conn.recv(65536)

    two = member("uwsgi", ANSWERS["uwsgi"]())
    with Listener(lab, serve, "uwsgi") as one:
        web = first_and_second(lab, one, two, ("proxy_uwsgi",), "ProxyTimeout 1\n")
        assert web.get("/x").text == "good\n"
        assert tried(web) == [(str(one.port), "timeout"), (str(two.port), "200")]
        assert not any(m["error_at_us"] for m in balancer_state(web)["members"])


def test_a_member_that_calls_itself_a_balancer(lab, member):
    """No module speaks that."""
    one, two = member("balancer"), lab.backend("good")
    one.url = "balancer://inner"
    web = lab.httpd(f'{LOG}<Proxy "balancer://inner">\nBalancerMember "{two.url}"\n</Proxy>\n'
                    + balancer_conf([one, two], "", ["", "lbset=1"]), children=1)
    web.expect_log(NOISE)
    assert [web.get("/x").backend for _ in range(2)] == ["good", "good"]
    assert [bool(m["error_at_us"]) for m in balancer_state(web)["members"]] == [True, False]


@pytest.mark.parametrize("scheme", ["uwsgi", "h2c"])
def test_try_timeout_of_a_member_that_hangs(lab, member, scheme):
    two = member(scheme, ANSWERS["uwsgi"]() if scheme == "uwsgi" else None)
    if scheme == "h2c":
        of_inner_httpd(lab, two)
    with Listener(lab, lambda conn: all(iter(lambda: conn.recv(65536), b"")), scheme) as one:
        web = first_and_second(lab, one, two, (f"proxy_{SPOKEN_BY.get(scheme, scheme)}",),
                               "LBXTryTimeout balancer://mycluster 400ms\n")
        web.expect_log("proxy_http2|AH10|AH03|AH05|timeout|abort")
        for _ in range(2):
            answer = web.get("/x")
            assert answer.status == 200 and answer.text == "good\n", answer
            assert 0.35 < answer.elapsed < 5, answer
            assert tried(web) == [(str(one.port), "timeout"), (str(two.port), "200")]


# -- https

def https_httpd(lab, name, text):
    """An httpd with a self-signed certificate for `name`."""
    key = lab.dir / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext",
                    "subjectAltName=" + ("IP:127.0.0.1" if name == "127.0.0.1" else f"DNS:{name}"),
                    "-keyout", key, "-out", f"{key}.crt"], check=True, capture_output=True)
    key.chmod(0o644)
    web = lab.httpd("SSLRandomSeed startup builtin\n", extra_ports=1, suite=(), modules=("ssl",),
                    start=False)
    web.rewrite(f'<VirtualHost 127.0.0.1:{web.ports[1]}>\nServerName {name}\nSSLEngine On\n'
                f'SSLCertificateFile "{key}.crt"\nSSLCertificateKeyFile "{key}"\n'
                f'Header always set X-Backend {text}\n</VirtualHost>\n')
    (web.dir / "htdocs" / "x").write_text("good\n")
    web.expect_log("AH01906|AH01909|AH02032|ssl:")
    return web.start()


def of(web, member):
    member.port, member.url = web.ports[1], f"https://127.0.0.1:{web.ports[1]}"
    return member


SSL = "SSLProxyEngine On\nSSLProxyVerify none\nSSLProxyCheckPeerExpire Off\n"


def test_https_refused(lab, member):
    one, two = member("https"), of(https_httpd(lab, "127.0.0.1", "good"), member("https"))
    web = first_and_second(lab, one, two, ("ssl",), SSL + "SSLProxyCheckPeerName On\n")
    web.expect_log("ssl:")
    answer = web.get("/x")
    assert answer.status == 200 and answer.text == "good\n" and answer.backend == "good", answer
    assert tried(web) == [(str(one.port), "connect-failure"), (str(two.port), "200")]


def test_https_with_a_wrong_name(lab, member):
    one = of(https_httpd(lab, "wrong.lab", "wrong"), member("https"))
    two = of(https_httpd(lab, "127.0.0.1", "good"), member("https"))
    web = first_and_second(lab, one, two, ("ssl",), SSL + "SSLProxyCheckPeerName On\n")
    web.expect_log("ssl:|AH02411|AH01961|AH02005|AH01084|AH01097|AH02003|AH01998")
    for method in ("GET", "POST"):
        answer = lab.client(web).request(method, "/x", None if method == "GET" else b"hello")
        assert answer.backend == "good", answer
        assert tried(web)[-1] == (str(two.port), str(answer.status))
    first = eventually(lambda: (web.dir / "logs" / "tries.log").read_text().splitlines())[0]
    assert f":{one.port}:connect-failure:" in first, first


def test_https_to_a_plain_port(lab, member):
    """It never answers the handshake."""
    one, two = lab.backend("b1"), of(https_httpd(lab, "127.0.0.1", "good"), member("https"))
    one.url = one.url.replace("http:", "https:")
    web = lab.httpd(LOG + SSL + "SSLProxyCheckPeerName Off\n" + balancer_conf(
        [one, two], "", ["timeout=1", "lbset=1"]), children=1, modules=("ssl",))
    web.expect_log(NOISE + "|ssl:|AH01961|AH02005|AH02003|AH01998|AH01084|AH01097")
    answer = web.get("/x")
    assert answer.status == 200 and answer.backend == "good" and one.requests == 0, answer


# -- upgrades, Unix sockets

def upgraded(lab, web, backend):
    """A client whose connection this member has upgraded."""
    client = lab.client(web)
    client.send(b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(1)
        assert more, head
        head += more
    assert head.startswith(b"HTTP/1.1 101 ") and b"X-Backend: %s\r\n" % backend.encode() in head
    return client


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_an_upgrade_with_the_first_member_refusing(lab, scheme):
    one, two = lab.backend("b1"), lab.backend("b2")
    two.behave("/", "upgrade")
    for b in (one, two):
        b.url = b.url.replace("http:", scheme + ":")
    params = "upgrade=websocket" if scheme == "http" else ""
    web = lab.httpd(LOG + balancer_conf([one, two], "", [params, f"lbset=1 {params}"]), children=1,
                    modules=("proxy_wstunnel",))
    web.expect_log(NOISE + "|AH10212")
    one.refuse()
    client = upgraded(lab, web, "b2")
    for piece in (b"hello", b"x" * 10000):
        client.send(piece)
        assert client.recv(len(piece)) == piece
    client.close()
    assert tried(web)[0] == (str(one.port), "connect-failure") and len(tried(web)) == 2
    eventually(lambda: not any(m["in_flight"] for m in balancer_state(web)["members"]),
               what="nothing is in flight")


@pytest.mark.parametrize("scheme, fault, outcome", [("ws", "close", "reset"),
                                                    ("ws", "half_head", "reset"),
                                                    ("ws", "hang", "timeout"),
                                                    ("http", "close", "reset")])
def test_an_upgrade_that_the_first_member_leaves_unanswered(lab, scheme, fault, outcome):
    one, two = lab.backend("b1"), lab.backend("b2")
    one.behave("/", fault)
    two.behave("/", "upgrade")
    for b in (one, two):
        b.url = b.url.replace("http:", scheme + ":")
    params = "upgrade=websocket" if scheme == "http" else ""
    web = lab.httpd(LOG + "LBXTryTimeout balancer://mycluster 300ms\n"
                    + balancer_conf([one, two], "", [params, f"lbset=1 {params}"]), children=1,
                    modules=("proxy_wstunnel",))
    web.expect_log(NOISE + "|AH10212|AH10404|AH01106|timeout")
    client = upgraded(lab, web, "b2")
    client.send(b"hello")
    assert client.recv(5) == b"hello"
    client.close()
    assert tried(web)[0] == (str(one.port), outcome) and len(tried(web)) == 2
    assert one.requests == two.requests == 1


def test_a_unix_socket_that_refuses(lab):
    one, two = lab.backend("b1", unix=True), lab.backend("b2", unix=True)
    web = first_and_second(lab, one, two, ())
    assert web.get("/x").backend == "b1"
    one.refuse()
    for method in ("GET", "POST"):
        answer = lab.client(web).request(method, "/x", None if method == "GET" else b"hello")
        assert answer.status == 200 and answer.backend == "b2", answer
    assert [bool(m["error_at_us"]) for m in balancer_state(web)["members"]] == [True, False]
    one.accept_again()


@pytest.mark.parametrize("kind", ["close", "half_head"])
def test_a_unix_socket_that_closes(lab, kind):
    one, two = lab.backend("b1", unix=True), lab.backend("b2", unix=True)
    web = first_and_second(lab, one, two, (), "LBXRetryBody balancer://mycluster 1k\n")
    web.expect_log("AH10404|AH01106")
    client = lab.client(web)
    assert client.get("/").backend == "b1"
    one.behave("/x", kind)
    assert client.get("/x").backend == "b2"
    one.reset_stats()
    answer = client.post("/x", b"hello", headers={"X-Request-Id": "the-one"})
    assert answer.status == 502, answer
    assert one.stats()["ids"] == {"the-one": 1} and two.stats()["ids"] == {}
