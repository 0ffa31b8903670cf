#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Switches a balancer from one colour to the other, without a failed request.

    bluegreen.py [--manager URL] [--balancer NAME] [--wait SECONDS] COLOUR

COLOUR (blue, green, ...) is the beginning of its members' route=.  In one change its members are
let in and all others begin to drain: new visitors get the new version at once, requests and
sessions of the old one go on.  When the old members have nothing in flight any more, or the time
is over, they are disabled, and can be replaced.

To undo, call it with the other colour: before as after the end of the wait.
"""
import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request


class Manager:
    """The manager's JSON interface."""

    def __init__(self, url):
        self.base = url.rstrip("/") + "/-/api/v1"

    def call(self, method, path, data=None, timeout=30):
        request = urllib.request.Request(self.base + path, method=method)
        if data is not None:
            request.data = json.dumps(data).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            try:
                message = json.load(error)["error"]["message"]
            except ValueError:
                message = error.reason
            sys.exit(f"{method} {path}: {error.code}: {message}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("colour")
    parser.add_argument("--manager", default="http://127.0.0.1/balancer-manager")
    parser.add_argument("--balancer", default="release")
    parser.add_argument("--wait", type=int, default=60)
    args = parser.parse_args()
    manager = Manager(args.manager)
    path = "/balancers/" + urllib.parse.quote(args.balancer)
    members = manager.call("GET", path)["balancer"]["members"]
    new = [m for m in members if m["route"].startswith(args.colour)]
    old = [m for m in members if m not in new and not m["disabled"]]
    if not new:
        sys.exit(f"no member has a route that begins with {args.colour}")

    # one change, in force as a whole or not at all
    change = {m["id"]: {"disabled": False, "drain": False} for m in new}
    change.update({m["id"]: {"drain": True} for m in old})
    manager.call("PATCH", path + "?dry-run=1", {"members": change})
    manager.call("PATCH", path, {"members": change})
    print("in use:", ", ".join(m["name"] for m in new))

    for m in old:
        manager.call("GET", f"{path}/members/{m['id']}?wait=drained&timeout={args.wait}",
                     timeout=args.wait + 30)
    if old:
        manager.call("PATCH", path, {"members": {
            m["id"]: {"disabled": True, "drain": False} for m in old}})
        print("out:", ", ".join(m["name"] for m in old))


if __name__ == "__main__":
    main()
