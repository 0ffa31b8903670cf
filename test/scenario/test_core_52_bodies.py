# SPDX-License-Identifier: Apache-2.0
"""Request bodies: kept up to LBXRetryBody and sent again byte for byte, streamed beyond.

What it is: bodies of all sizes and framings over attempts that fail before, during and after the
body went out; Expect: 100-continue; filters; uploads that must not be spooled.
What it is not: which failures are tried again (test_core_50).
"""

import gzip
import re

import pytest

from core_help import balancer_conf, member_state, members
from lab import eventually, stays

NOISE = "LBX0182|AH01102|AH00957|AH01114|AH00898|AH01084|AH01097|AH01095|AH10151|AH10404"
K = 1024


def rules(**given):
    return "".join(f"LBX{name} balancer://mycluster {value}\n" for name, value in given.items())


def two_members(lab, own="disablereuse=On", more="", modules=(), **given):
    """b1 fails; b2 sends back what it got."""
    one, two = backends = members(lab, 2)
    two.behave("/", "echo")
    web = lab.httpd(rules(**given) + more + balancer_conf(backends, "", [own, f"{own} lbset=1"]),
                    children=1, modules=modules)
    web.expect_log(NOISE)
    return one, two, web


def body_of(size):
    """No two pieces of it are alike."""
    return b"".join(b"%07x." % i for i in range(size // 8 + 1))[:size]


def same(answer, body, backend="b2"):
    """The body that came back, without a page of output when it is not the same."""
    assert answer.raw_close is None and answer.status == 200, answer
    assert answer.backend == backend
    right = answer.body == body
    assert right, f"{len(answer.body)} bytes arrived instead of {len(body)}: {answer.body[-20:]}"


def cut(backend, how, path="/"):
    """How b1 fails: before the body, in its middle, or after it."""
    if how == "refuse":
        backend.refuse()
    else:
        kind, at = how.split("-")
        backend.behave(path, kind, at=at)


FAILS = ["refuse", "reset-head", "close-head", "reset-body", "close-body"]


@pytest.mark.parametrize("how", FAILS)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [0, 1, K, 16 * K, 60 * K, 64 * K])
def test_a_body_is_replayed_byte_for_byte(lab, size, chunked, how):
    one, two, web = two_members(lab)
    cut(one, how)
    client, body = lab.client(web), body_of(size)
    same(client.request("PUT", "/x", body, chunked=chunked), body)
    assert two.requests == 1
    headers = {name.lower() for name in two.stats()["last_headers"]}
    assert not {"content-length", "transfer-encoding"} <= headers
    one.normal()
    if how == "refuse":
        return
    answer = client.request("PUT", "/next", b"next")  # the client's connection is in order
    assert answer.ok and answer.headers["X-Body-Bytes"] == "4" and not answer.new_connection


@pytest.mark.parametrize("size", [K, 60 * K])
def test_a_body_is_replayed_over_and_over(lab, size):
    backends = members(lab, 5)
    for i, how in enumerate(("reset-head", "close-body", "refuse", "reset-body")):
        cut(backends[i], how)
    backends[4].behave("/", "echo")
    web = lab.httpd(balancer_conf(backends, "", [f"disablereuse=On lbset={i}" for i in range(5)]),
                    children=1)
    web.expect_log(NOISE)
    body = body_of(size)
    same(web.get("/x"), b"", "b5")
    same(lab.client(web).request("PUT", "/x", body), body, "b5")


def test_a_body_over_a_stale_connection(lab):
    one, two, web = two_members(lab, own="")
    one.behave("/", "echo")
    client = lab.client(web)
    same(client.request("PUT", "/x", b"first"), b"first", "b1")
    one.behave("/x", "close", times=1)
    body = body_of(50 * K)
    same(client.request("PUT", "/x", body), body, "b1")
    assert one.stats()["paths"]["/x"] == 3 and two.requests == 0


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_the_rest_of_a_body_may_still_be_on_its_way(lab, chunked):
    """b1 resets while the client has sent half of it; b2 gets both halves."""
    one, two, web = two_members(lab)
    cut(one, "reset-head")
    body = body_of(40 * K)
    halves = body[:20 * K], body[20 * K:]
    client = lab.client(web)
    if chunked:
        head = b"Transfer-Encoding: chunked\r\n"
        halves = tuple(b"%x\r\n%b\r\n" % (len(h), h) for h in halves)
        halves = halves[0], halves[1] + b"0\r\n\r\n"
    else:
        head = b"Content-Length: %d\r\n" % len(body)
    client.send(b"PUT /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + head + b"\r\n"
                + halves[0])
    eventually(lambda: one.requests == 1, what="b1 has seen the beginning")
    client.send(halves[1])
    found = client.recv(1 << 20)
    assert found.startswith(b"HTTP/1.1 200 ") and b"X-Backend: b2\r\n" in found, found[:300]
    assert found.endswith(b"\r\n\r\n" + body)


# -- more than LBXRetryBody

@pytest.mark.parametrize("limit, size", [(None, 64 * K + 1), (None, 300 * K), ("0", 1),
                                         ("1k", K + 1), ("100", 101)])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_larger_body_is_not_retried_after_it_began_to_flow(lab, limit, size, chunked):
    one, two, web = two_members(lab, **({"RetryBody": limit} if limit else {}))
    cut(one, "close-body")
    answer = lab.client(web).request("PUT", "/x", body_of(size), chunked=chunked,
                                     headers={"X-Request-Id": "the-one"})
    assert answer.status == 502 and answer.raw_close is None, answer
    assert one.stats()["ids"] == {"the-one": 1} and two.requests == 0
    assert web.log_lines("LBX0182.*not retried: the request's body has been sent")


@pytest.mark.parametrize("limit, size", [(None, 64 * K + 1), (None, 5000 * K), ("0", 1),
                                         ("0", 20 * K), ("1k", 100 * K)])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_larger_body_survives_a_refused_connection(lab, limit, size, chunked, method):
    one, _, web = two_members(lab, **({"RetryBody": limit} if limit else {}))
    one.refuse()
    body = body_of(size)
    same(lab.client(web).request(method, "/x", body, chunked=chunked), body)


def test_no_body_is_no_matter_for_retry_body_0(lab):
    one, two, web = two_members(lab, RetryBody="0")
    cut(one, "close-body")
    same(web.get("/x"), b"")
    same(lab.client(web).request("PUT", "/x", b""), b"")
    assert two.requests == 2


@pytest.mark.parametrize("how", ["close-body", "reset-head"])
def test_retry_body_1m(lab, how):
    one, _, web = two_members(lab, RetryBody="1m")
    cut(one, how)
    for size in (K * K, 500 * K):
        body = body_of(size)
        same(lab.client(web).request("PUT", "/x", body), body)


def test_a_failure_after_a_large_body_began_leaves_the_client_well(lab):
    """502, and the rest of the body is not taken for the next request."""
    one, two, web = two_members(lab)
    cut(one, "reset-head", "/x")
    client = lab.client(web)
    answer = client.request("PUT", "/x", body_of(3000 * K))
    assert answer.status in (400, 502) and two.requests == 0, answer
    assert client.get("/y").ok
    assert [a.target for a in one.arrivals()] == ["/x", "/y"]


# -- listed answers

@pytest.mark.parametrize("at", ["head", "body"])
@pytest.mark.parametrize("size", [K, 60 * K])
def test_a_listed_answer_to_a_body(lab, size, at):
    # who answers at the head closes before the body is there: that can look like a reset
    one, _, web = two_members(lab, RetryOn="503 reset")
    one.behave("/", status=503, at=at, headers={"Set-Cookie": "leak=1"})
    body = body_of(size)
    answer = lab.client(web).request("PUT", "/x", body)
    same(answer, body)
    assert "Set-Cookie" not in answer.headers


def test_a_listed_answer_to_a_body_that_is_too_large_is_passed_on(lab):
    one, two, web = two_members(lab, RetryOn="503")
    one.behave("/", status=503, body="too busy")
    answer = lab.client(web).request("PUT", "/x", body_of(200 * K))
    assert (answer.status, answer.text) == (503, "too busy") and two.requests == 0


# -- Expect: 100-continue

@pytest.mark.parametrize("how", FAILS)
def test_expect_100_continue(lab, how):
    """The client is asked for its body once, and sends it once."""
    one, two, web = two_members(lab)
    cut(one, how)
    client, body = lab.client(web), body_of(10 * K)
    client.send(b"PUT /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
    interim = client.recv(25)
    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n", interim
    client.send(body)
    found = client.recv(1 << 20)
    assert found.count(b"HTTP/1.1 ") == 1 and found.startswith(b"HTTP/1.1 200 "), found[:300]
    assert b"X-Backend: b2\r\n" in found and found.endswith(b"\r\n\r\n" + body)
    assert two.requests == 1


def test_expect_100_continue_of_a_body_too_large(lab):
    one, _, web = two_members(lab)
    one.refuse()
    client, body = lab.client(web), body_of(300 * K)
    client.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
    assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(body)
    found = client.recv(1 << 20)
    assert found.startswith(b"HTTP/1.1 200 ") and found.endswith(body)


# -- filters

@pytest.mark.parametrize("how", FAILS)
@pytest.mark.parametrize("size", [K, 60 * K, 400 * K])
def test_a_body_that_a_filter_unpacks(lab, size, how):
    """What is kept is what came out of the filter: 400 KB of it are too many."""
    one, two, web = two_members(lab, more="SetInputFilter DEFLATE\n", modules=("deflate",))
    cut(one, how)
    body = body_of(size)
    answer = lab.client(web).request("PUT", "/x", gzip.compress(body),
                                     headers={"Content-Encoding": "gzip"})
    if size > 64 * K and how.endswith("body"):
        assert answer.status == 502 and two.requests == 0
    elif size <= 64 * K or how == "refuse":
        same(answer, body)
    else:
        assert answer.status in (200, 502)
        assert answer.status == 502 or answer.body == body


# -- uploads are not spooled

@pytest.mark.parametrize("limit", [None, "0", "10m"])
def test_a_large_upload_streams(lab, limit):
    """The member sees the first bytes long before the client has sent the last ones."""
    one, _, web = two_members(lab, **({"RetryBody": limit} if limit else {}))
    size = 5000 * K
    body = body_of(size)
    client = lab.client(web)
    client.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n" % size + body[:200 * K])
    eventually(lambda: one.stats()["bytes_in"] >= 100 * K, what="b1 has got the beginning")
    stays(lambda: one.in_flight == 1 and one.stats()["bytes_in"] <= 200 * K, 0.05)
    client.send(body[200 * K:])
    found = client.recv(1 << 20)
    assert found.startswith(b"HTTP/1.1 200 "), found[:300]
    assert re.search(rb"X-Body-Bytes: (\d+)", found)[1] == b"%d" % size


def test_a_large_chunked_upload_streams(lab):
    one, _, web = two_members(lab)
    piece = body_of(8 * K)
    client = lab.client(web)
    client.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n" + (b"2000\r\n" + piece + b"\r\n") * 25)
    eventually(lambda: one.stats()["bytes_in"] >= 100 * K, what="b1 has got the beginning")
    client.send((b"2000\r\n" + piece + b"\r\n") * 600 + b"0\r\n\r\n")
    found = client.recv(1 << 20)
    assert found.startswith(b"HTTP/1.1 200 "), found[:300]
    assert re.search(rb"X-Body-Bytes: (\d+)", found)[1] == b"%d" % (625 * 8 * K)


def test_a_large_upload_is_not_held_in_memory(lab):
    """16 MB through a child do not make it grow by nearly as much."""
    _, _, web = two_members(lab)

    def rss():
        child, = web.children()
        with open(f"/proc/{child}/status", encoding="ascii") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])

    assert lab.client(web).request("POST", "/x", body_of(100 * K)).ok
    before = rss()
    answer = lab.client(web).request("POST", "/x", body_of(16000 * K))
    assert answer.ok and answer.headers["X-Body-Bytes"] == str(16000 * K)
    assert rss() - before < 10000, (before, rss())


def test_a_client_who_leaves_in_the_middle_of_a_body_blames_nobody(lab):
    one, two, web = two_members(lab)
    web.expect_log("AH01095|AH01097|AH10124|AH02609")
    client = lab.client(web)
    client.send(b"PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + b"x" * 999)
    eventually(lambda: member_state(web, one)["in_flight"] == 1, what="b1 was chosen")
    client.close()
    eventually(lambda: member_state(web, one)["in_flight"] == 0, what="the request has ended")
    assert two.requests == 0
    for b in (one, two):
        state = member_state(web, b)
        assert (state["error_at_us"], state["failures"]) == (0, 0)
    assert not web.log_lines("LBX0182")


@pytest.mark.parametrize("how", FAILS)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_pipelined_request_is_not_taken_for_the_body(lab, chunked, how):
    one, two, web = two_members(lab)
    cut(one, how, "/x")
    client = lab.client(web)
    framed = (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" if chunked
              else b"Content-Length: 5\r\n\r\nhello")
    client.send(b"PUT /x HTTP/1.1\r\nHost: localhost\r\n" + framed
                + b"GET /next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    found = client.recv(1 << 20)
    assert found.count(b"HTTP/1.1 200 OK\r\n") == 2, found
    assert b"\r\n\r\nhelloHTTP/1.1 200 OK\r\n" in found, found
    assert [a.target for a in two.arrivals()][0] == "/x"
