# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of the manager's page have in common: reading it as scripts do, posting forms.

What it is: the page as links and tables, by the standard library's parser; a form's values.
What it is not: the JSON interface (manager_help.py).
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from lab import Client, Httpd, Response

PAGE = "/balancer-manager"


class Page(HTMLParser):
    """links: (href, text) of each <a>; tables: rows of cells' texts, those in forms left out;
    heads: the texts of <h3>; terms: of <dt>; inputs: name -> value of a form; notes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.links: list[tuple[str, str]] = []
        self.tables: list[list[list[str]]] = []
        self.heads: list[str] = []
        self.terms: list[str] = []
        self.notes: list[str] = []
        self.inputs: dict[str, str] = {}
        self._form = 0
        self._into: list[Any] = []
        self._select = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self._form += 1
        elif tag == "table" and not self._form:
            self.tables.append([])
        elif tag == "tr" and not self._form:
            self.tables[-1].append([])
        elif tag in ("td", "th") and not self._form:
            self._open(self.tables[-1][-1])
        elif tag == "a":
            self.links.append((given["href"], ""))
            self._open(None)
        elif tag in ("h3", "dt"):
            self._open(self.heads if tag == "h3" else self.terms)
        elif tag == "div" and given.get("class") == "lbx-note":
            self._open(self.notes)
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and "selected" in given:
            self.inputs[self._select] = given["value"]
        elif tag == "input" and given.get("name"):
            if given.get("type") not in ("radio", "checkbox") or "checked" in given:
                self.inputs[given["name"]] = given.get("value", "")

    def _open(self, into):
        self._into.append((into, []))

    def handle_endtag(self, tag):
        if tag == "form":
            self._form -= 1
        if tag == "a" or tag in ("h3", "dt") or (tag == "div" and self._into) \
                or (tag in ("td", "th") and not self._form):
            into, parts = self._into.pop()
            if into is None:
                self.links[-1] = (self.links[-1][0], "".join(parts))
                self.handle_data("".join(parts))
            else:
                into.append("".join(parts))

    def handle_data(self, data):
        if self._into:
            self._into[-1][1].append(data)

    def member(self, name: str) -> dict[str, str]:
        """A member's row by the titles of its table."""
        for table in self.tables:
            for row in table[1:]:
                if row and row[0] == name:
                    return dict(zip(table[0], row))
        raise AssertionError(f"{name} is not on the page")

    def nonce(self, balancer: str = "mycluster") -> str:
        return next(re.search(r"nonce=([^&]*)", href)[1] for href, text in self.links
                    if text == f"balancer://{balancer}")


def referer(web: Httpd | Client) -> dict[str, str]:
    return {"Referer": f"http://localhost:{web.port}{PAGE}"}


def get(to: Httpd | Client, path: str = PAGE, status: int = 200, **kw: Any) -> Page:
    answer = to.get(path, **kw)
    assert answer.status == status, answer
    return Page(answer.body.decode("iso-8859-1"))


def post(to: Httpd | Client, values: dict[str, Any], path: str = PAGE, balancer: str = "mycluster",
         headers: dict[str, str] | None = None, **kw: Any) -> Response:
    """A form with b, the right nonce and a Referer, unless something else is given."""
    filled = {"b": balancer, "nonce": get(to, path).nonce(balancer), **values}
    return to.post(path, form={k: v for k, v in filled.items() if v is not None},
                   headers=referer(to) if headers is None else headers, **kw)


def posted(to: Httpd | Client, values: dict[str, Any], **kw: Any) -> Page:
    """Post and read the page that comes back."""
    answer = post(to, values, **kw)
    assert answer.status == 200, answer
    return Page(answer.body.decode("iso-8859-1"))
