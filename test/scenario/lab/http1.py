# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 answers, taken apart as the bytes come in.

What it is: shared by the client and the load generator; knows content-length, chunked and
close-delimited bodies, and tells a complete answer from a cut one.
What it is not: a parser of requests, nor tolerant: what is no HTTP raises ValueError.
"""

# no relative imports: the load generator's process runs this without the package


class Headers:
    """Case-insensitive, keeps every value."""

    def __init__(self, items=()):
        self.items = list(items)

    def all(self, name):
        name = name.lower()
        return [value for key, value in self.items if key.lower() == name]

    def get(self, name, default=None):
        found = self.all(name)
        return found[0] if found else default

    def __getitem__(self, name):
        found = self.all(name)
        if not found:
            raise KeyError(name)
        return found[0]

    def __contains__(self, name):
        return bool(self.all(name))

    def __iter__(self):
        return iter(self.items)

    def __repr__(self):
        return "; ".join(f"{name}: {value}" for name, value in self.items)


class Answer:
    """One answer in the making: feed() bytes until .complete, or eof()."""

    def __init__(self, method="GET", keep_body=True):
        self.method = method
        self.keep_body = keep_body
        self.status = 0
        self.reason = ""
        self.headers = Headers()
        self.body = bytearray()
        self.body_bytes = 0
        self.complete = False
        self.upgraded = False
        self.close = False       # the connection cannot be used again
        self.any = False         # at least a byte came
        self.left = b""          # bytes behind the answer
        self._buffer = bytearray()
        self._mode = "head"
        self._need = 0

    def feed(self, data):
        """Returns True when the answer is complete."""
        self.any = self.any or bool(data)
        self._buffer += data
        while not self.complete and self._step():
            pass
        if self.complete and self._buffer:
            self.left = bytes(self._buffer)
        return self.complete

    def eof(self):
        """The connection closed: True when this ended the body as it may."""
        if self._mode == "until-close":
            self.complete = self.close = True
        return self.complete

    def _step(self):
        return getattr(self, "_" + self._mode.replace("-", "_"))()

    def _head(self):
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) >= 5 and not self._buffer.startswith(b"HTTP/"):
                raise ValueError(f"no HTTP: {bytes(self._buffer[:60])!r}")
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[:end + 4]
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/"):
            raise ValueError(f"no HTTP: {lines[0]!r:.80}")
        status, _, self.reason = rest.partition(" ")
        self.status = int(status)
        pairs = (line.partition(":") for line in lines[1:])
        self.headers = Headers((name, value.strip()) for name, _, value in pairs)
        if self.status == 101:
            self.complete = self.upgraded = True
            return False
        if self.status < 200:
            return True
        connection = (self.headers.get("connection") or "").lower()
        self.close = "close" in connection or (
            version == "HTTP/1.0" and "keep-alive" not in connection)
        length = self.headers.get("content-length")
        if self.method == "HEAD" or self.status in (204, 304):
            self.complete = True
        elif "chunked" in (self.headers.get("transfer-encoding") or "").lower():
            self._mode = "chunk-size"
        elif length is not None:
            self._mode, self._need = "length", int(length)
            self.complete = not self._need
        else:
            self._mode, self.close = "until-close", True
        return True

    def _took(self, n):
        self.body_bytes += n
        if self.keep_body:
            self.body += self._buffer[:n]
        del self._buffer[:n]

    def _length(self):
        n = min(self._need, len(self._buffer))
        self._took(n)
        self._need -= n
        self.complete = not self._need
        return False

    def _until_close(self):
        self._took(len(self._buffer))
        return False

    def _chunk_size(self):
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        self._need = int(self._buffer[:end].split(b";")[0], 16)
        del self._buffer[:end + 2]
        self._mode = "chunk-data" if self._need else "trailer"
        return True

    def _chunk_data(self):
        n = min(self._need, len(self._buffer))
        self._took(n)
        self._need -= n
        if self._need or len(self._buffer) < 2:
            return False
        del self._buffer[:2]
        self._mode = "chunk-size"
        return True

    def _trailer(self):
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        del self._buffer[:end + 2]
        self.complete = end == 0
        return not self.complete


class CookieJar:
    """Name, value and path; Max-Age=0 or an Expires in the past deletes."""

    def __init__(self):
        self._cookies = {}

    def update(self, headers, request_path="/"):
        for line in headers.all("set-cookie"):
            pair, *attributes = [part.strip() for part in line.split(";")]
            name, _, value = pair.partition("=")
            known = {}
            for attribute in attributes:
                key, _, setting = attribute.partition("=")
                known[key.strip().lower()] = setting.strip()
            path = known.get("path", "")
            if not path.startswith("/"):
                path = request_path.partition("?")[0].rpartition("/")[0] or "/"
            if self._is_deletion(known):
                self._cookies.pop((name, path), None)
            else:
                self._cookies[name, path] = value

    @staticmethod
    def _is_deletion(known):
        if "max-age" in known:
            return int(known["max-age"]) <= 0
        if "expires" in known:
            import email.utils
            import time
            return email.utils.parsedate_to_datetime(known["expires"]).timestamp() < time.time()
        return False

    def header(self, path):
        """The value of the Cookie header for a request, or None."""
        path = path.partition("?")[0]
        fit = [(len(p), f"{name}={value}") for (name, p), value in self._cookies.items()
               if path == p or path.startswith(p if p.endswith("/") else p + "/")]
        fit.sort(key=lambda entry: -entry[0])
        return "; ".join(text for _, text in fit) or None

    def get(self, name, default=None):
        return next((v for (n, _), v in self._cookies.items() if n == name), default)

    def set(self, name, value, path="/"):
        self._cookies[name, path] = value

    def clear(self):
        self._cookies.clear()

    def __contains__(self, name):
        return self.get(name) is not None

    def __len__(self):
        return len(self._cookies)
