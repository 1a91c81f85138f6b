"""One owner a home: two stream drivers of one lakehouse would only undo each other's work."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saran.core.errors import SaranError


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which names its holder. It is free again as soon as the holder's process ends.

    Raises SaranError naming the holder when another process has it. The lock saves work; what keeps a lost driver
    from committing is the tables' own transaction identifiers.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise SaranError(
                f"the streams of this home already run: {holder} holds {path}",
                fix="stop it with `saran down`, or use another SARAN_HOME",
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
