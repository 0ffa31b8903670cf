# SPDX-License-Identifier: Apache-2.0
"""2,000 requests to the page and the form that nobody should send, and honest ones among them.

What it is: drawn from a seed, which a failure prints; nothing is changed, nobody dies, nothing that
was sent comes back as markup, XML parses; what is honest works all the same.
What it is not: the JSON interface (its own scenarios), the readers alone (unit tests, fuzzing).
"""

import os
import random
import urllib.parse
import xml.etree.ElementTree as xml

from core_help import balancer_state, change, member_state
from manager_help import SUITE, manager, member
from page_help import PAGE, get, referer

REQUESTS = 2000
SCRIPT = "<script>alert(1)</script>"
TEXTS = [
    SCRIPT, "\"'><img src=x onerror=alert(1)>", "]]>" + SCRIPT, "\0", "\r\nSet-Cookie: x=y", "\x7f\x01",
    "NaN", "inf", "-1e999", "1e999", "0x7fffffff", "99999999999999999999", "-0", "%", "%zz", "%00",
    "..%2f..%2f", "${jndi:x}", "a" * 63, "a" * 64, "a" * 3000, "\u00ff\ufffd\u65e5", "'; --", "|", "|a",
    "a|", "--", "1", "on", " 1 ", "",
]
KEYS = ["w_lf", "w_ls", "w_wr", "w_rr", "w_status_D", "w_status_N", "w_status_C", "w_hm", "w_hi",
        "w_he", "w_hp", "w_hf", "w_hu", "b_lbm", "b_tmo", "b_max", "b_ss", "b_sforce", "b_wyes", "b_nwrkr", "x", "xml",
        SCRIPT, "b", "w", "nonce", "=", "w_lf%00"]


def settings(web, b):
    """All that a request could change."""
    state = balancer_state(web)
    return [(member_state(web, m)["run"], member_state(web, m)["health"], member(web, m)["params"])
            for m in b] + [
        {k: state[k] for k in ("method", "timeout_us", "maxattempts", "nofailover", "sticky")},
        len(state["members"])]


class Hostile:
    """One request after the other: always with something that forbids a change."""

    def __init__(self, rng, web, b, nonce):
        self.rng, self.web, self.member, self.nonce = rng, web, b[0].url, nonce

    def text(self):
        text = "".join(self.rng.choices(TEXTS, k=self.rng.choice((1, 1, 1, 2, 3))))
        how = self.rng.randrange(4)
        if how == 0:
            return text.encode("utf-8", "surrogateescape").decode("latin-1")
        return urllib.parse.quote(text if how < 3 else urllib.parse.quote(text))

    def bad_nonce(self):
        return self.rng.choice([self.nonce + "%00", self.nonce + "%00x", self.nonce[:-1], "",
                                self.nonce + "%2500", self.nonce[:-1] + "%0a", "%00" + self.nonce,
                                self.text() + "x"])

    def pairs(self, nonce):
        member = self.rng.choice([self.member, self.member, self.text(), self.member + "%00"])
        found = [("b", self.rng.choice(["mycluster", "mycluster", "MYCLUSTER", self.text()])),
                 ("w", member), ("nonce", nonce)]
        found += [(self.rng.choice(KEYS), self.text()) for _ in range(self.rng.randrange(6))]
        self.rng.shuffle(found)
        return "&".join(f"{key}={value}" for key, value in found)

    def request(self):
        """method, path, body, headers"""
        kind = self.rng.randrange(6)
        if kind == 0:    # a link, whatever it says
            query = self.pairs(self.nonce).encode("latin-1", "replace").decode("latin-1")
            return "GET", f"{PAGE}?{urllib.parse.quote(query, safe='=&%+')}", None, referer(self.web)
        if kind == 1:    # a path
            return "GET", f"{PAGE}/{urllib.parse.quote(self.text(), safe='')}", None, {}
        if kind == 2:    # another site's page, with the right nonce
            foreign = self.rng.choice([{"Origin": "http://evil.test"}, {"Origin": "null"},
                                       {"Referer": "http://evil.test/"},
                                       {"Sec-Fetch-Site": "cross-site"}])
            return "POST", PAGE, self.pairs(self.nonce), foreign
        if kind == 3:    # far too long
            return "POST", PAGE, self.pairs(self.nonce) + "&x=" + "y" * 16400, referer(self.web)
        if kind == 4:    # two words on the same thing
            return ("POST", PAGE, self.pairs(self.nonce) + "&w_lf=3&w_lf=4", referer(self.web))
        return "POST", PAGE, self.pairs(self.bad_nonce()), referer(self.web)


def judge(answer, what):
    assert answer.raw_close is None, (what, answer)
    assert answer.status in (200, 400, 403, 404, 413, 414), (what, answer)
    for text in ("<script>alert", "<img", "Set-Cookie: x"):
        assert text not in answer.text, (what, answer)
    assert "Set-Cookie" not in answer.headers, what
    if answer.headers.get("Content-Type") == "text/xml":
        xml.fromstring(answer.body)


def test_hostile_requests(lab):
    web, b = manager(lab, 3, "stickysession=S", ["route=r1", "route=r2", "route=r3"],
                     suite=(*SUITE, "hcheck"), modules=("watchdog",))
    web.expect_log(r"\[core:(warn|error)\]")  # what httpd itself says of such paths
    # names that want to be markup are in force already: an operator's slip
    change(web, b[2], "route", f"\"'><!--{SCRIPT}"[:60].replace(" ", ""))
    seed = int(os.environ.get("LBX_SEED") or random.SystemRandom().randrange(1 << 30))
    print(f"LBX_SEED={seed}")
    hostile = Hostile(random.Random(seed), web, b, get(web).nonce())
    before, children = settings(web, b), web.children()
    client = lab.client(web, host=f"localhost:{web.port}")
    for n in range(REQUESTS):
        method, path, body, headers = what = hostile.request()
        judge(client.request(method, path, body and body.encode("latin-1", "replace"), headers),
              (seed, n, what))
        if n % 200 == 0:  # an honest one: several KB, in chunks, also when many came before
            route = f"honest{n}"
            form = {"b": "mycluster", "w": b[1].url, "nonce": hostile.nonce, "w_wr": route,
                    **{f"field{i}": "z" * 100 for i in range(40)}}
            assert client.post(PAGE, form=form, headers=referer(web), chunked=True).status == 200
            assert member_state(web, b[1])["run"]["route"] == route
            judge(client.get(PAGE + "?xml=1"), "xml")
    change(web, b[1], "route", "r2")
    assert settings(web, b) == before, seed
    assert web.children() == children
