# SPDX-License-Identifier: Apache-2.0
"""conf/examples/ajp.conf: two real Tomcats."""

from collections import Counter

import pytest

from core_help import await_idle, who
from lab import tomcat
from lab.example import example


@pytest.mark.skipif(tomcat.MISSING is not None, reason=str(tomcat.MISSING))
def test_sessions_of_two_tomcats_by_ajp(lab):
    with tomcat.Tomcats(lab, ["t1", "t2"]) as tomcats:
        web = example(lab, "ajp.conf", {f"tomcat-{i}.example.com:8009": tomcats.ajp[f"t{i}"]
                                        for i in (1, 2)})
        page = "/app/index.jsp"
        assert Counter(who(web, 6, page)) == {"t1": 3, "t2": 3}  # strangers
        users = [lab.client(web) for _ in range(4)]
        homes = set()
        for user in users:
            first = user.get(page)
            home = first.backend
            assert first.headers["Set-Cookie"].split(";")[0].endswith(f".{home}")
            homes.add(home)
            for n in (2, 3, 4):
                again = user.get(page)
                assert (again.backend, again.headers["X-Count"]) == (home, str(n))
        assert homes == {"t1", "t2"}
        await_idle(web, "tomcat")
