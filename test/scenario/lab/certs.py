# SPDX-License-Identifier: Apache-2.0
"""Certificates for one test: an authority, and what it signs.  By the openssl program.

What it is not: safe; the keys are small, and lie in the test's directory.
"""

from __future__ import annotations

import subprocess
from pathlib import Path


# What mod_ssl says of the machine it runs on, not of the test.
NOISE = (r"AH01882: .*compiled against a newer library|AH01873: Init: Session Cache"
         r"|AH01909: .* does NOT include an ID which matches the server name")


class Authority:
    """`Authority(lab.dir).issue("localhost")` -> (certificate, key), for a name or an address."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.dir, self.name = directory, name
        self.cert, self.key = directory / f"{name}.pem", directory / f"{name}.key"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", self.key, "-out",
                      self.cert)

    def issue(self, host: str) -> tuple[Path, Path]:
        cert, key = (self.dir / f"{self.name}-{host}.{end}" for end in ("pem", "key"))
        kind = "IP" if host.replace(".", "").isdigit() else "DNS"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-days", "2", "-subj", f"/CN={host}", "-addext",
                      f"subjectAltName={kind}:{host}", "-addext", "basicConstraints=CA:FALSE",
                      "-CA", self.cert, "-CAkey", self.key, "-keyout", key, "-out", cert)
        return cert, key

    @staticmethod
    def _openssl(*args: object) -> None:
        done = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True,
                              check=False, timeout=60)
        assert done.returncode == 0, f"openssl {args}: {done.stderr}"
