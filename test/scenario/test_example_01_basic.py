# SPDX-License-Identifier: Apache-2.0
"""conf/examples: minimal, methods, standby, unix-socket; the file as it is, real requests.

What it is: each promise that the file's comments make, once.
What it is not: a test of the methods and states themselves (test_core_*).
"""

import re
from collections import Counter
from pathlib import Path

from core_help import who
from lab import layout
from lab.example import DIRECTORY, adapt, example, needs, read, suite

DOWN = r"LBX0182|AH00957|AH00959|AH01114|AH01102|AH00898"


def test_each_example_has_a_scenario():
    """By its name in one of these files; prose and pictures are not meant."""
    texts = "".join(f.read_text(encoding="utf-8") for f in Path(__file__).parent.glob("test_example_*.py"))
    names = {str(f.relative_to(DIRECTORY)) for f in DIRECTORY.rglob("*") if f.is_file()}
    # read by a name that is put together
    names -= {"migrate/before.conf", "migrate/after.conf"}
    assert len(names) > 20 and [n for n in names if f'"{n}"' not in texts and f'"{Path(n).name}"' not in texts] == []


def test_the_tutorial_with_the_modules_as_it_loads_them(lab):
    one, two = lab.backend("one"), lab.backend("two")
    loads = read("lbx.conf")
    for module in {"core", "sticky", "hcheck", "manager"} - set(suite()):
        loads = re.sub(rf"(?m)^LoadModule lbx_{module}_module.*$", "", loads)
    web = example(lab, "tutorial.conf", {"app-server-1.internal:8080": one, "app-server-2.internal:8080": two},
                  listen=8080, suite=(), modules=("watchdog",), defines={"LBX_DIR": layout.SUITE_DIR},
                  before=loads)
    client = lab.client(web.ports[1])
    answers = [client.get("/any", headers={"Host": "your-app.com"}) for _ in range(10)]
    assert Counter(a.backend for a in answers) == {"one": 5, "two": 5}
    assert one.stats()["last_headers"]["host"] == "your-app.com"


def test_minimal(lab):
    one, two = lab.backend("one"), lab.backend("two")
    web = example(lab, "minimal.conf", {"app-1.example.com:8080": one,
                                        "app-2.example.com:8080": two})
    assert Counter(who(web, 10, "/any/path")) == {"one": 5, "two": 5}
    one.behave("/old", "answer", status=302, headers={"Location": f"{one.url}/new"})
    two.behave("/old", "answer", status=302, headers={"Location": f"{two.url}/new"})
    assert web.get("/old").headers["Location"] == "http://localhost/new"


def test_methods(lab):
    strong, *weak = [lab.backend(n) for n in ("big", "small-1", "small-2")]
    hosts = {f"{b.name}.example.com:{port}": b for b in (strong, *weak)
             for port in (8080, 8081, 8082)}
    web = example(lab, "methods.conf", hosts)
    for path in ("/pages/", "/reports/", "/downloads/"):
        assert Counter(who(web, 15, path)) == {"big": 9, "small-1": 3, "small-2": 3}, path


def test_standby(lab):
    names = ("shop-1", "shop-2", "shop-spare", "sorry", "here-1", "here-2", "there-1", "there-2",
             "node-1", "node-2", "node-3")
    b = {name: lab.backend(name) for name in names}
    web = example(lab, "standby.conf", {f"{n}.example.com:8080": b[n] for n in names})
    web.expect_log(DOWN)

    assert set(who(web, 6, "/shop/")) == {"shop-1", "shop-2"}
    b["shop-1"].refuse()
    assert set(who(web, 8, "/shop/")[2:]) == {"shop-2", "shop-spare"}
    b["shop-2"].refuse()
    b["shop-spare"].refuse()
    assert set(who(web, 8, "/shop/")[4:]) == {"sorry"}

    assert set(who(web, 4, "/centres/")) == {"here-1", "here-2"}
    b["here-1"].refuse()
    b["here-2"].refuse()
    assert set(who(web, 8, "/centres/")[4:]) == {"there-1", "there-2"}

    assert set(who(web, 4, "/maintenance/")) == {"node-1"}
    session = {"Cookie": "JSESSIONID=abc.n2"}
    assert set(who(web, 4, "/maintenance/", headers=session)) == {"node-2"}
    session = {"Cookie": "JSESSIONID=abc.n3"}
    assert set(who(web, 4, "/maintenance/", headers=session)) == {"node-1"}


def test_unix_socket(lab):
    one, two = lab.backend("one", unix=True), lab.backend("two", unix=True)
    web = example(lab, "unix-socket.conf", {"/run/app/one.sock": one, "/run/app/two.sock": two})
    assert Counter(who(web, 10, "/local/")) == {"one": 5, "two": 5}
    assert {one.stats()["last_headers"]["host"], two.stats()["last_headers"]["host"]} == \
        {"one", "two"}


def test_the_files_live_beside_each_other(lab):
    """All files that need no port of their own, minimal.conf last: each path has its balancer."""
    one = lab.backend("everybody")
    lab.expect_log("AH01150")  # one address stands for all hosts here
    files = ["methods.conf", "standby.conf", "minimal.conf"]
    parts = []
    for name in files:
        text = read(name)
        hosts = {h: one for h in set(_hosts(text))}
        parts.append(adapt(text, hosts, {}))
    web = lab.httpd("\n".join(parts), modules=needs("\n".join(parts)), suite=suite())
    for path in ("/pages/", "/reports/", "/downloads/", "/shop/", "/centres/", "/maintenance/",
                 "/else"):
        assert who(web, 2, path) == ["everybody"] * 2


def _hosts(text):
    return re.findall(r"[\w-]+\.example\.com:\d+", text)
