# SPDX-License-Identifier: Apache-2.0
"""Who may change something with the form: where it comes from, its nonce, how it arrives.

What it is: each rule by itself, with requests as browsers and scripts send them.
What it is not: hostile requests in bulk (11); the rights of a Location (02).
"""

import socket

from core_help import member_state
from manager_help import manager
from page_help import PAGE, get


def disabled(web, b):
    return bool(member_state(web, b)["run"]["admin"] & 0x20)


def test_where_a_change_comes_from(lab):
    """Sec-Fetch-Site decides, else Origin, else Referer; scripts without any have the nonce."""
    web, (b1,) = manager(lab, 1)
    here = f"http://localhost:{web.port}"
    cases = [
        (True, {"Sec-Fetch-Site": "same-origin", "Origin": here}),
        (True, {"Sec-Fetch-Site": "same-origin"}),
        (False, {"Sec-Fetch-Site": "cross-site", "Origin": here, "Referer": here + PAGE}),
        (False, {"Sec-Fetch-Site": "same-site", "Origin": here}),
        (False, {"Sec-Fetch-Site": "nonsense"}),
        (True, {"Origin": here}),
        (False, {"Origin": "null", "Referer": here + PAGE}),
        (False, {"Origin": "http://localhost:1", "Referer": here + PAGE}),
        (False, {"Origin": f"http://localhost:{web.port}.evil.test"}),
        (False, {"Origin": "http://evil.test"}),
        (True, {"Referer": here + PAGE}),
        (True, {"Referer": "http://LOCALHOST/"}),  # as with httpd the host alone counts
        (False, {"Referer": "http://evil.test/localhost"}),
        (False, {"Referer": "http://localhost@evil.test/"}),
        (False, {"Referer": "http://localhost.evil.test/"}),
        (False, {"Referer": "nonsense"}),
        (True, {}),
    ]
    nonce = get(web).nonce()
    client = lab.client(web, host=f"localhost:{web.port}")
    for works, headers in cases:
        for on in ("1", "0"):
            before = disabled(web, b1)
            answer = client.post(PAGE, form={"b": "mycluster", "w": b1.url, "nonce": nonce,
                                             "w_status_D": on}, headers=headers)
            assert answer.status == 200
            assert disabled(web, b1) is (on == "1" if works else before), headers
            assert ("Nothing was changed" in answer.text) is not works, headers
    # no word at all, and no nonce to vouch for it; a member is not added on a nonce alone
    add = {"b": "mycluster", "nonce": nonce, "b_wyes": "1", "b_nwrkr": "http://127.0.0.1:9"}
    assert "Referer" in client.post(PAGE, form=add).text
    assert len(get(web).tables[1]) == 2
    bare, (b1,) = manager(lab, 1, "nonce=None")
    for headers, works in (({}, False), ({"Referer": "http://localhost/"}, True)):
        bare.post(PAGE, form={"b": "mycluster", "w": b1.url, "w_status_D": "1"}, headers=headers)
        assert disabled(bare, b1) is works


def test_a_nonce_is_that_text_and_nothing_else(lab):
    web, (b1,) = manager(lab, 1)
    nonce = get(web).nonce()
    for text in (nonce[:-1], nonce + "0", nonce + "%00", nonce + "%00x", nonce.upper() + "x", "",
                 nonce + "%2500", "%00", nonce + "&nonce=x", "x&nonce=" + nonce, nonce + "%0a",
                 nonce + "%20", nonce * 2, nonce[0]):
        answer = web.post(PAGE, f"b=mycluster&w={b1.url}&w_status_D=1&nonce={text}")
        assert answer.status == 200 and not disabled(web, b1), text
        assert "Nothing was changed" in answer.text
    assert web.post(PAGE, f"b=mycluster&w={b1.url}&w_status_D=1&nonce={nonce}").status == 200
    assert disabled(web, b1)


def form_of(web, b1, fill=0):
    """A form that disables, of some length; stock reads 1,024 bytes at most, and one packet."""
    more = "".join(f"&unknown{i}={'x' * 100}" for i in range(fill // 110))
    return f"b=mycluster&w={b1.url}&nonce={get(web).nonce()}{more}&w_status_D=1"


def test_bodies_are_read_to_their_end(lab):
    web, (b1,) = manager(lab, 1)
    enable = form_of(web, b1).replace("_D=1", "_D=0")
    for fill in (0, 2000, 6000):
        body = form_of(web, b1, fill)
        assert web.post(PAGE, body, chunked=True).status == 200 and disabled(web, b1)
        web.post(PAGE, enable)
        head = (f"POST {PAGE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                f"Content-Length: {len(body)}\r\n\r\n")
        client = lab.client(web)
        client.connect()
        for at in range(0, len(body), max(1, len(body) // 40)):
            piece = body[at:at + max(1, len(body) // 40)]
            client.send(((head if not at else "") + piece).encode())
            client._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert client.recv(1 << 20).startswith(b"HTTP/1.1 200 ") and disabled(web, b1)
        web.post(PAGE, enable)
    too_long = form_of(web, b1) + "&x=" + "y" * 70000
    assert web.post(PAGE, too_long).status == 413 and not disabled(web, b1)
    too_many = form_of(web, b1) + "&x=" + "&x=".join(map(str, range(100)))
    assert "cannot be read" in web.post(PAGE, too_many).text and not disabled(web, b1)
