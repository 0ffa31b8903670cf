# SPDX-License-Identifier: Apache-2.0
"""Checks of TLS members succeed and fail where requests do.

What it is: members with a good certificate, one for another name, one that has expired, one of an
unknown authority; each is asked by a request as well as by checks.
"""

from __future__ import annotations

import subprocess

import pytest
from hcheck_help import (SUITE, Listener, await_checks, await_state, checked, http_over_tls,
                         is_down)

from lab.certs import NOISE, Authority

CHECK = "hcmethod=GET11 hcuri=/c hcinterval=100ms hctimeout=2s retry=0"


def expired(authority: Authority):
    """A certificate for localhost that ended yesterday."""
    cert, key = (authority.dir / f"expired.{end}" for end in ("pem", "key"))
    request = authority.dir / "expired.csr"
    for args in (("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                  "/CN=localhost", "-keyout", key, "-out", request),
                 ("x509", "-req", "-in", request, "-CA", authority.cert, "-CAkey", authority.key,
                  "-days", "-1", "-out", cert)):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, timeout=60)
    return cert, key


def start(lab, listed, settings):
    """One balancer for each member, so that each can be asked alone."""
    conf = "".join(f"""
        <Proxy "balancer://{name}">
            BalancerMember "{member.url}" {CHECK}
        </Proxy>
        ProxyPass "/{name}" "balancer://{name}"
    """ for name, member in listed.items())
    web = lab.httpd(settings + conf, suite=SUITE, modules=("socache_shmcb", "ssl"))
    for noise in (NOISE, "AH0(0898|1961|1097|2227|2411|2005|2039|0961|1084|0957|1114)", "AH10373",
                  "LBX0182|LBX0162", "AH01102|AH01095|AH02003|SSL Library Error|AH02254|AH02268"):
        web.expect_log(noise)
    return web


def test_hcheck_41_certificates(lab):
    """By default mod_ssl looks at the name and the dates; with SSLProxyVerify at the issuer."""
    ca, strangers = Authority(lab.dir), Authority(lab.dir, "strangers")
    good = http_over_tls(*ca.issue("localhost"))
    serves = {"good": good, "name": http_over_tls(*ca.issue("elsewhere.example")),
              "dates": http_over_tls(*expired(ca)),
              "issuer": http_over_tls(*strangers.issue("localhost"))}
    listed = {name: Listener(lab, serve, "https", "localhost") for name, serve in serves.items()}
    with listed["good"], listed["name"], listed["dates"], listed["issuer"]:
        web = start(lab, listed, f"SSLProxyEngine On\nSSLProxyVerify require\n"
                                 f"SSLProxyCACertificateFile {ca.cert}\n")
        for name, text in {"name": "for another name", "dates": "expired",
                           "issuer": "certificate"}.items():
            await_state(web, listed[name], is_down, name=name)
            found = checked(web, listed[name], name)
            assert found["cause"] == "TLS" and text in found["text"], (name, found)
        found = await_checks(web, listed["good"], 3, name="good")
        assert found["failed"] == 0, found
        assert good.names and set(good.names) == {"localhost"}, "SNI"
        assert web.get("/good/").status == 200
        web.stop()


@pytest.mark.parametrize("settings, fine", [
    ("", ()), ("SSLProxyCheckPeerName Off\n", ("name",)),
    ("SSLProxyCheckPeerExpire Off\n", ("dates",))])
def test_hcheck_41_what_requests_see(lab, settings, fine):
    """Checks and requests agree about each certificate, whatever SSLProxy... says."""
    ca = Authority(lab.dir)
    serves = {"name": http_over_tls(*ca.issue("elsewhere.example")),
              "dates": http_over_tls(*expired(ca))}
    listed = {name: Listener(lab, serve, "https", "localhost") for name, serve in serves.items()}
    with listed["name"], listed["dates"]:
        web = start(lab, listed, "SSLProxyEngine On\n" + settings)
        for name, member in listed.items():
            found = await_checks(web, member, 2, name=name)
            assert (found["failed"] == 0) == (name in fine), (name, found)
            assert (web.get(f"/{name}/").status == 200) == (name in fine), name
        web.stop()


def test_hcheck_41_sections_and_no_engine(lab):
    """SSLProxyEngine in <Proxy> is for its balancer alone; where it is not On, checks fail as
    requests do.  hcsni= is the name that is asked for and that the certificate must be for."""
    ca = Authority(lab.dir)
    serve = http_over_tls(*ca.issue("www.example.org"))
    listed = {name: Listener(lab, serve, "https", "localhost") for name in ("on", "off", "sni")}
    with listed["on"], listed["off"], listed["sni"]:
        conf = "".join(f"""
            <Proxy "balancer://{name}">
                {"SSLProxyEngine On" if name != "off" else ""}
                {"SSLProxyCheckPeerName Off" if name == "on" else ""}
                BalancerMember "{m.url}" {CHECK} {"hcsni=www.example.org" if name == "sni" else ""}
            </Proxy>
        """ for name, m in listed.items())
        web = lab.httpd(conf, suite=SUITE, modules=("socache_shmcb", "ssl"))
        web.expect_log(NOISE)
        web.expect_log("LBX0451")
        await_state(web, listed["off"], is_down, name="off")
        assert "SSLProxyEngine" in checked(web, listed["off"], "off")["text"]
        assert await_checks(web, listed["on"], 2, name="on")["failed"] == 0
        assert await_checks(web, listed["sni"], 2, name="sni")["failed"] == 0
        assert "www.example.org" in serve.names
        web.stop()
