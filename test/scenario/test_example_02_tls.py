# SPDX-License-Identifier: Apache-2.0
"""conf/examples: tls, tls-members; certificates made by the test."""

import subprocess

from core_help import who
from lab.certs import NOISE, Authority
from lab.example import example


def curl(web, authority, *args, path="/"):
    """Standard output of curl for https://www.example.com/, which is this server."""
    port = web.ports[1]
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "--cacert", str(authority.cert), "--noproxy", "*",
         "--resolve", f"www.example.com:{port}:127.0.0.1", *args,
         f"https://www.example.com:{port}{path}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tls_towards_clients(lab):
    lab.expect_log(NOISE)
    one, two = lab.backend("one"), lab.backend("two")
    authority = Authority(lab.dir)
    cert, key = authority.issue("www.example.com")
    web = example(lab, "tls.conf", {"www-1.example.com:8080": one, "www-2.example.com:8080": two},
                  defines={"LBX_CERTIFICATE": cert, "LBX_CERTIFICATE_KEY": key}, listen=443)
    seen = []
    for version in ("--http1.1", "--http2"):
        said = curl(web, authority, version, "-H", "X-Forwarded-Proto: http", "-o", "/dev/null",
                    "-w", "%{http_version} %{response_code}")
        seen.append(said)
    assert seen == ["1.1 200", "2 200"]
    for backend in (one, two):  # one each
        headers = backend.stats()["last_headers"]
        assert headers["host"] == f"www.example.com:{web.ports[1]}"
        assert headers["x-forwarded-proto"] == "https"
        assert headers["x-forwarded-for"] == "127.0.0.1"


def test_tls_towards_members(lab):
    lab.expect_log(NOISE)
    good, unknown = Authority(lab.dir), Authority(lab.dir, "stranger")
    ours, wrong_name = good.issue("localhost"), good.issue("else.where.test")
    strange = unknown.issue("localhost")
    tls = _tls_httpd(lab, ours, wrong_name, strange)
    authority = {"LBX_CA": good.cert}
    for second, cause in ((tls[1], "name"), (tls[2], "authority")):
        web = example(lab, "tls-members.conf", {
            "vault-1.example.com:8443": f"localhost:{tls[0]}",
            "vault-2.example.com:8443": f"localhost:{second}"}, defines=authority)
        web.expect_log("LBX0182|AH01084|AH00898|AH01097")
        assert set(who(web, 6, "/vault/")) == {"tls-0"}, cause
        web.await_log("LBX0182")
        web.stop()


def _tls_httpd(lab, *certs):
    """Ports of TLS servers that show these certificates and name themselves tls-0, tls-1..."""
    extra = [lab.port() for _ in certs]
    hosts = "".join(f"""
        Listen 127.0.0.1:{port}
        <VirtualHost 127.0.0.1:{port}>
            SSLEngine on
            SSLCertificateFile "{cert}"
            SSLCertificateKeyFile "{key}"
            Header always set X-Backend "tls-{i}"
            FallbackResource /index.html
        </VirtualHost>""" for i, (port, (cert, key)) in enumerate(zip(extra, certs)))
    lab.httpd(hosts, suite=(), modules=("ssl", "socache_shmcb", "dir"))
    return extra
