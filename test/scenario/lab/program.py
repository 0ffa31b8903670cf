# SPDX-License-Identifier: Apache-2.0
"""Programs that are not ours (php-fpm, Tomcat...) as members, in the foreground.

What it is: started in the test's directory, waited for, ended with all its children.
What it is not: a way to use a machine's running services; none is touched.
"""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Any, Sequence

from . import proc
from .wait import eventually


def answers(port: int) -> bool:
    """Somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False


class Program:
    """`with Program("php", lab.dir, [...], ports=[...])`: inside, it takes connections."""

    def __init__(self, name: str, directory: Path, argv: Sequence[Any], ports: Sequence[int],
                 within: float = 60.0, **popen: Any) -> None:
        self.name, self.ports, self.within = name, list(ports), within
        self.output = directory / f"{name}.out"
        with open(self.output, "ab") as out:
            self._process = proc.spawn([str(a) for a in argv], stdout=out, stderr=out, **popen)

    def __enter__(self) -> "Program":
        try:
            for port in self.ports:
                eventually(lambda p=port: self._process.poll() is not None or answers(p),
                           self.within, f"{self.name} listens on {port}")
            assert self._process.poll() is None, f"{self.name} ended:\n{self.said()}"
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def close(self, how: int = signal.SIGKILL) -> None:
        proc.end_group(self._process, how)
