# SPDX-License-Identifier: Apache-2.0
"""Values that checks do not take are refused by configtest, with the value and what is allowed."""

from __future__ import annotations

import pytest
from hcheck_help import SUITE

WORDS = [
    ("hcmethod=FETCH", "one of NONE, TCP"), ("hcmethod=PROVIDER", "one of NONE, TCP"),
    ("hcinterval=soon", "at least 100ms"), ("hcinterval=50ms", "at least 100ms"),
    ("hcfastinterval=1x", "at least 100ms"), ("hcdowninterval=-1", "at least 100ms"),
    ("hctimeout=0", "at least 1ms"), ("hcpasses=many", "whole number"), ("hcfails=-1", "whole number"),
    ("hcfails=1001", "0 to 1000"), (f"hcuri=/{'x' * 1023}", "1023 characters"),
    ("hcexpr=unknown", "ProxyHCExpr that stands above"),
    ("hctemplate=unknown", "ProxyHCTemplate that stands above"),
    ("hcstatus=600", "100 to 599"), ("hcstatus=300-200", "100 to 599"), ("hcstatus=2xx", "100 to 599"),
    ("hchost=a/b", "host name"), ('"hcheader=no colon"', "Name: value"),
    ('"hcheader1=A: b"', "unknown parameter of checks"), ("hcport=0", "1 to 65535"),
    ("hcport=http", "1 to 65535"), ("hcaddr=a/b", "address"), ("hcsni=a:1", "host name"),
    ("hcversion=3", "1.0, 1.1 or 2"), ("hcinit=maybe", "up, down or keep"),
    ("hcspread=51", "0 to 50"), ("hcspread=5%", "0 to 50"), ("hcbody=", "1023 characters"),
    # words that do not go together
    ("hcmethod=CPING", "only for ajp:// members"), ("hcmethod=HEAD hcbody=ok", "GET or GET11"),
    ("hcmethod=TCP hcstatus=200", "method of HTTP"),
]


def test_hcheck_43_words_of_members(lab):
    """One httpd -t for each: it names the word, its value and what it takes."""
    web = lab.httpd(start=False, suite=SUITE)
    for word, allowed in WORDS:
        web.rewrite(f"<Proxy balancer://app>\nBalancerMember http://127.0.0.1:1 {word}\n</Proxy>\n")
        status, said = web.configtest()
        assert status != 0, f"{word} was accepted"
        assert word.split()[-1].strip('"')[:40].split("=")[0] in said or allowed in said, said
        assert allowed in said, (word, said)
    web.rewrite("<Proxy balancer://app>\nBalancerMember fcgi://127.0.0.1:1 hcmethod=GET\n</Proxy>\n",
                modules=("proxy_fcgi",))
    status, said = web.configtest()
    assert status != 0 and "hcport=" in said, said


@pytest.mark.parametrize("line, allowed", [
    ("ProxyHCTemplate", "a name"), ("ProxyHCTemplate t hcmethod", "key=value"),
    ("ProxyHCTemplate t hcmethod=FETCH", "one of NONE, TCP"),
    ("ProxyHCTemplate t retry=3", "unknown parameter"), ("ProxyHCExpr e", "in braces"),
    ("ProxyHCExpr e {1 +}", "cannot parse"), ("ProxyHCTPsize many", "whole number"),
    ("LBXHCSpread 60", "0 to 50"), (f"ProxyHCExpr {'n' * 64} {{true}}", "63 characters")])
def test_hcheck_43_directives(lab, line, allowed):
    web = lab.httpd(line + "\n", start=False, suite=SUITE)
    status, said = web.configtest()
    assert status != 0 and allowed in said, said


def test_hcheck_43_good_ones(lab):
    """The stock's words and longer ones; a template of the main server in a virtual host; a
    ProxyHCTPsize is said to be of no use; TLS without an engine is warned of."""
    conf = f"""
        ProxyHCTPsize 8
        LBXHCSpread 20
        ProxyHCExpr a_rather_long_name_of_an_expression {{%{{REQUEST_STATUS}} =~ /^2/}}
        ProxyHCTemplate t hcmethod=GET hcinterval=2mi hcpasses=0 hcfails=0 \
hcexpr=a_rather_long_name_of_an_expression hcuri=/{'x' * 1000}
    """
    vhost = """
        <Proxy balancer://app>
            BalancerMember http://127.0.0.1:1 hctemplate=t hcstatus=200,300-399 hcspread=0
            BalancerMember https://127.0.0.1:1 hcmethod=TCP
            BalancerMember fcgi://127.0.0.1:1 hcmethod=GET hcport=80
        </Proxy>
    """
    web = lab.httpd(conf, vhost_conf=vhost, start=False, suite=SUITE, modules=("proxy_fcgi",))
    status, said = web.configtest()
    assert status == 0, said
    assert "LBX0451" in said and "SSLProxyEngine is not On" in said, said
