# SPDX-License-Identifier: Apache-2.0
"""LBXTryTimeout with members that speak TLS: handshake, silence, and answers that come in pieces.

What it is: that an attempt ends in time, and that none ends too early.
What it is not: plain HTTP (test_core_50_retry.py).
"""

import ssl
import threading

import pytest

from core_help import balancer_conf, member_state
from hcheck_help import Listener, http_over_tls
from lab.certs import Authority

SSL = ("SSLProxyEngine On\nSSLProxyCACertificateFile {ca}\nSSLProxyCheckPeerName Off\n"
       "LBXTryTimeout balancer://mycluster 400ms\n")
NOISE = "LBX0182|AH01102|AH10404|AH01106|AH00898|ssl:|AH02003|AH02004|AH01084|AH01097|AH01998|AH02011|AH02039"


@pytest.fixture
def tls(lab):
    """A certificate, and a function that makes an httpd of these members, the first one first."""
    ca = Authority(lab.dir)
    cert, key = ca.issue("localhost")

    def web_of(*found):
        own = [f"lbset={i} timeout=20 connectiontimeout=20" for i in range(len(found))]
        web = lab.httpd(balancer_conf(list(found), "", own) + SSL.format(ca=ca.cert), children=1,
                        modules=("ssl",), suite=("core",))
        web.expect_log(NOISE)
        return web

    return cert, key, web_of


def slow_head(cert, key, ends):
    """Sends a piece of a head, and the rest when `ends` is set."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def serve(conn):
        with context.wrap_socket(conn, server_side=True) as end:
            end.recv(65536)
            end.sendall(b"HTTP/1.1 200 OK\r\nX-Back")
            ends.wait(20)

    return serve


def test_an_answer_that_comes_with_a_ticket(lab, tls):
    """With TLS 1.3 the first answer may be in the same packet as the session's ticket: it is
    there at once, whatever the socket shows."""
    cert, key, web_of = tls
    with Listener(lab, http_over_tls(cert, key), "https", "localhost") as member:
        web = web_of(member)
        for _ in range(20):
            answer = web.get("/")
            assert answer.status == 200 and answer.headers["X-Backend"] == "tls"
        assert member_state(web, member)["failures"] == 0


@pytest.mark.parametrize("fault", ["handshake", "silent", "head"])
def test_it_ends_in_time(lab, tls, fault):
    cert, key, web_of = tls
    over = threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def silent(conn):
        with context.wrap_socket(conn, server_side=True) as end:
            end.recv(65536)
            over.wait(20)

    serve = {"handshake": lambda conn: over.wait(20), "silent": silent,
             "head": slow_head(cert, key, over)}[fault]
    with Listener(lab, serve, "https", "localhost") as one, \
            Listener(lab, http_over_tls(cert, key), "https", "localhost") as two:
        web = web_of(one, two)
        answer = web.get("/")
        over.set()
        assert answer.status == 200 and answer.headers["X-Backend"] == "tls"
        assert 0.35 <= answer.elapsed < 10, "the first one had its time, and no more"
        assert one.connections >= 1
