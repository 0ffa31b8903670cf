# SPDX-License-Identifier: Apache-2.0
"""Two real Tomcats: the count of a session never restarts.

What it is: by HTTP and by AJP at once, with a jvmRoute and without, and with neither route= nor
jvmRoute the configuration that guides show.
What it is not: cookies in detail (test_sticky_02_companion.py).
"""

import pytest

from lab import tomcat
from sticky_help import SUITE

PAGE = "/app/index.jsp"
USERS, VISITS = 6, 4


def balancer(name, urls, routes):
    lines = [f'    BalancerMember "{url}" {route}' for url, route in zip(urls, routes)]
    return "\n".join([f'<Proxy "balancer://{name}">', *lines,
                      "    ProxySet stickysession=JSESSIONID", "</Proxy>",
                      f'<VirtualHost *>', f"    ServerName {name}.example.com",
                      f'    ProxyPass "/" "balancer://{name}/"', "</VirtualHost>"]) + "\n"


@pytest.mark.skipif(tomcat.MISSING is not None, reason=str(tomcat.MISSING))
@pytest.mark.parametrize("jvm_route", [True, False])
def test_the_count_never_restarts(lab, jvm_route):
    nodes = ["t1", "t2"]
    with tomcat.Tomcats(lab, nodes, routes=jvm_route) as tomcats:
        routes = [f"route={n}" for n in nodes] if jvm_route else ["", ""]
        web = lab.httpd(
            balancer("http", [f"http://127.0.0.1:{tomcats.http[n]}" for n in nodes], routes)
            + balancer("ajp", [f"ajp://127.0.0.1:{tomcats.ajp[n]}" for n in nodes],
                       [f"secret=change-me {r}" for r in routes]),
            suite=SUITE, modules=("proxy_ajp",))
        for host in ("http", "ajp"):
            homes = set()
            for _ in range(USERS):
                user = lab.client(web)
                seen = [user.get(PAGE, headers={"Host": f"{host}.example.com"})
                        for _ in range(VISITS)]
                assert [a.headers["X-Count"] for a in seen] == [str(n + 1) for n in range(VISITS)]
                homes.add(frozenset(a.backend for a in seen))
            assert homes == {frozenset({n}) for n in nodes}, host
