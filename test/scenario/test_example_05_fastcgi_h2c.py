# SPDX-License-Identifier: Apache-2.0
"""conf/examples: fastcgi (Debian's php-fpm), h2c (another httpd with mod_http2)."""

import glob
import os
import shutil
from collections import Counter

import pytest

from core_help import await_idle, who
from lab.example import example
from lab.program import Program

FPM = next((p for name in ("php-fpm", *sorted(map(os.path.basename, glob.glob(
    "/usr/sbin/php-fpm*")))) if (p := shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin"))),
    None)

SCRIPT = """<?php
header("X-Backend: " . getenv("NAME"));
if (isset($_GET["cookie"])) setcookie("seen", "yes");
echo $_SERVER["REQUEST_METHOD"], " ", file_get_contents("php://input"), " ", $_SERVER["QUERY_STRING"];
"""


@pytest.mark.skipif(not FPM, reason="no php-fpm")
def test_php(lab):
    root = lab.dir / "php"
    root.mkdir()
    (root / "app.php").write_text(SCRIPT)
    ports = {"php-1": lab.port(), "php-2": lab.port()}
    user = "user = www-data\ngroup = www-data\n" if os.geteuid() == 0 else ""
    conf = lab.dir / "fpm.conf"
    conf.write_text(f"[global]\nerror_log = {lab.dir}/fpm.log\ndaemonize = no\n" + "".join(
        f"[{name}]\n{user}listen = 127.0.0.1:{port}\npm = static\npm.max_children = 2\n"
        f"env[NAME] = {name}\n" for name, port in ports.items()))
    with Program("fpm", lab.dir, [FPM, "-n", "-F", "-R", "-y", conf], list(ports.values())):
        web = example(lab, "fastcgi.conf", {f"{n}.example.com:9000": p for n, p in ports.items()},
                      defines={"LBX_PHP_ROOT": root})
        assert Counter(who(web, 10, "/php/app.php")) == {"php-1": 5, "php-2": 5}
        answer = web.post("/php/app.php?a=b&cookie", "hello")
        assert answer.text == "POST hello a=b&cookie"
        assert answer.headers["Set-Cookie"] == "seen=yes"
        web.expect_log("AH01071: .*Primary script unknown")
        assert web.get("/php/nothing.php").status == 404
        await_idle(web, "php")


def test_h2c(lab):
    ports = [lab.port(), lab.port()]
    members = lab.httpd("".join(f"""
        Listen 127.0.0.1:{port}
        <VirtualHost 127.0.0.1:{port}>
            Protocols h2c http/1.1
            FallbackResource /index.html
            Header always set X-Backend "h2-{i}"
            Header always set X-Protocol "expr=%{{SERVER_PROTOCOL}}"
        </VirtualHost>""" for i, port in enumerate(ports, 1)), suite=(), modules=("http2", "dir"))
    web = example(lab, "h2c.conf", {"h2-1.example.com:8080": ports[0],
                                    "h2-2.example.com:8080": ports[1]})
    assert Counter(who(web, 10, "/grpc/Service/Method")) == {"h2-1": 5, "h2-2": 5}
    assert web.get("/grpc/").headers["X-Protocol"] == "HTTP/2.0"
    await_idle(web, "grpc")
    assert members.running
