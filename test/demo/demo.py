# SPDX-License-Identifier: Apache-2.0
"""`make demo`: a balancer with three members, to look at in a browser.

One httpd on loopback ports: the front with the tutorial's configuration, and three
virtual hosts that play the members.  Runs until Ctrl-C, TERM or DEMO_SECONDS; exits 0
only when the requests were spread evenly and the server stopped cleanly.
Not a configuration to copy: conf/examples has those.
"""
import collections
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "setup"))
from webserver import BASE_MODULES, Problem, Server, free_ports  # noqa: E402

REQUESTS = 30
MEMBERS = ["backend-1", "backend-2", "backend-3"]

FRONT = """
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    <Proxy balancer://mycluster>
{members}
        ProxySet lbmethod=byrequests
    </Proxy>
    ProxyPreserveHost On
    ProxyPass        / balancer://mycluster/
    ProxyPassReverse / balancer://mycluster/
</VirtualHost>
"""


class Stopped(Exception):
    """Ctrl-C, TERM or HUP."""


def stop_on_signals():
    def stop(*_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, stop)


def configure(web):
    """Writes the configuration; returns the front's port and the members' ports."""
    front, *ports = free_ports(1 + len(MEMBERS))
    members = "\n".join(f"        BalancerMember http://127.0.0.1:{p}" for p in ports)
    web.write(web.base(BASE_MODULES + ["lbx_core"]) +
              "".join(web.backend(n, p) for n, p in zip(MEMBERS, ports)) +
              FRONT.format(port=front, members=members))
    return front, ports


def spread(web, front):
    """How many of the requests each member answered."""
    count = collections.Counter()
    for _ in range(REQUESTS):
        status, name = web.get(front)
        count[name if status == 200 else f"status {status}"] += 1
    return count


def show(count, ports):
    print(f"\n{REQUESTS} requests to balancer://mycluster (lbmethod=byrequests):\n")
    print("  member      address                  answered")
    for name, port in zip(MEMBERS, ports):
        print(f"  {name:11} http://127.0.0.1:{port:<7} {count[name]:8}  {'#' * count[name]}")
    for name in count.keys() - set(MEMBERS):
        print(f"  {name!s:36} {count[name]:8}")


def linger(front):
    seconds = float(os.environ.get("DEMO_SECONDS") or 0)
    until = f"stops in {seconds:g} seconds" if seconds else "Ctrl-C stops"
    print(f"\nOpen http://127.0.0.1:{front}/ - {until}\n", flush=True)
    if seconds:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.pause()


def demo(web):
    front, ports = configure(web)
    web.start(front)
    count = spread(web, front)
    show(count, ports)
    share = REQUESTS // len(MEMBERS)
    even = all(abs(count[name] - share) <= 1 for name in MEMBERS)
    if not even:
        print(f"\nNot balanced: about {share} each were expected.\n{web.log()}")
        return False
    try:
        linger(front)
    except Stopped:
        pass
    return True


def main():
    stop_on_signals()
    even = clean = False
    try:
        with Server() as web:
            even = demo(web)
            clean = web.stop()
            if even and not clean:
                print(f"The server did not stop cleanly.\n{web.log()}")
    except Stopped:
        print("Stopped before the requests were counted.")
        return 1
    except Problem as problem:
        print(problem)
        return 1
    if even and clean:
        print("Stopped; nothing is left behind.")
    return 0 if even and clean else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(1)
