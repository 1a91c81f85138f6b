"""`saran up`, `down`, `status` and `jars`: the platform's control with words for people."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from types import FrameType
from typing import Any, Final

from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from saran.cli import class_data, jars
from saran.cli.console import err, out, print_json
from saran.cli.platform import control
from saran.cli.platform.catalog import JARS, platform_parts, with_needs
from saran.cli.platform.state import PartState, Phase, PlatformState, read_state
from saran.core.errors import SaranError
from saran.core.settings import Settings, load_settings

READY_SECONDS: Final = 240.0
_COLOURS: Final = {Phase.READY: "green", Phase.FAILED: "red", Phase.SILENT: "red", Phase.RESTARTING: "yellow"}


def start(settings: Settings, only: Sequence[str] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fetch what is missing and start the parts `only` (all when empty), without waiting until they are ready.

    Gives the parts wanted, and those of them that were not running before.
    """
    parts = platform_parts(settings)
    names = with_needs(tuple(only) or tuple(part.name for part in parts), parts)
    _fetch(settings, {group for name in names for group in JARS.get(name, ())})
    return names, control.up(settings.home, parts, names)


def wait(settings: Settings, names: Sequence[str], *, seconds: float = READY_SECONDS) -> PlatformState:
    """Wait until `names` are ready, saying so part by part on stderr."""
    told: dict[str, Phase] = {}

    with err.status("starting …") as line:

        def watch(state: PlatformState) -> None:
            for name in names:
                part = state.parts.get(name, PartState())
                if part.phase is Phase.READY and told.get(name) is not Phase.READY:
                    err.print(f"  [green]✓[/green] {name} ready [dim]({part.ready_seconds:.1f} s)[/dim]")
                elif part.phase is Phase.RESTARTING and told.get(name) is not Phase.RESTARTING:
                    err.print(f"  [yellow]![/yellow] {name} {escape(part.last_exit or '')}, started again")
                told[name] = part.phase
            waited = [name for name in names if told.get(name) is not Phase.READY]
            line.update(f"starting {', '.join(waited)} …")

        return control.wait_ready(settings.home, names, seconds=seconds, watch=watch)


def run_up(*, only: Sequence[str], detach: bool, as_json: bool) -> None:
    """`saran up`."""
    settings = load_settings()
    if not detach:
        interrupt_at_sigterm()
    alone = not control.supervisor_runs(settings.home)
    names, started = start(settings, only)
    try:
        state = wait(settings, names)
    except (SaranError, KeyboardInterrupt):
        if alone:
            control.down(settings.home)
        raise
    if not started:
        err.print(f"already running in {settings.home}")
    if as_json:
        print_json(describe(settings, state))
    else:
        err.print(_addresses(settings, names), end="")
    if started and not detach:
        err.print("Ctrl-C stops it")
        stay(settings)
        stop(settings)


def interrupt_at_sigterm() -> None:
    """Let SIGTERM do what Ctrl-C does, so that what was started is stopped."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def stay(settings: Settings) -> None:
    """Wait for Ctrl-C, SIGTERM, SIGHUP or the end of the supervisor."""
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: told.set())
    while not told.wait(0.5):
        if not control.supervisor_runs(settings.home):
            err.print("the supervisor has ended; its log is", str(settings.home / "logs" / "supervisor.log"))
            return


def stop(settings: Settings) -> list[str]:
    """Stop everything, with a line on stderr."""
    started = time.monotonic()
    with err.status("stopping …"):
        stopped = control.down(settings.home)
    err.print(
        f"stopped {', '.join(stopped)} in {time.monotonic() - started:.1f} s" if stopped else "nothing was running"
    )
    return stopped


def run_down(*, as_json: bool) -> None:
    """`saran down`."""
    stopped = stop(load_settings())
    if as_json:
        print_json({"stopped": stopped})


def run_status(*, as_json: bool) -> int:
    """`saran status`; its exit code."""
    settings = load_settings()
    state = read_state(settings.home)
    runs = state is not None and state.supervisor.alive
    if state is None or not runs:
        left = sorted(
            name for name, part in (state.parts if state else {}).items() if part.identity and part.identity.alive
        )
        if as_json:
            print_json({"home": settings.home, "running": False, "left_behind": left, "parts": {}})
        else:
            out.print(f"nothing runs in {settings.home}; start it with `saran up`")
            if left:
                out.print(f"left behind by a supervisor that was killed: {', '.join(left)}; `saran up` takes over")
        return 1
    if as_json:
        print_json(describe(settings, state))
    else:
        out.print(_table(settings, state))
        for name, part in state.parts.items():
            if part.error:
                out.print(f"[red]{name}:[/red] {escape(part.error)}\n  log: {part.log}")
    return 0 if all(_well(part) for part in state.parts.values()) else 1


def describe(settings: Settings, state: PlatformState) -> dict[str, Any]:
    """The state for machines. Memory is bytes, times are seconds."""
    now = time.time()
    return {
        "home": str(settings.home),
        "running": True,
        "supervisor_pid": state.supervisor_pid,
        "port_offset": state.port_offset,
        "parts": {
            name: {
                "state": str(part.phase),
                "pid": part.pid,
                "ports": part.ports,
                "uptime_seconds": round(now - part.started_at, 1) if part.pid and part.started_at else None,
                "ready_seconds": part.ready_seconds,
                "restarts": part.restarts,
                "memory_bytes": control.memory(settings.home, name, part),
                "last_exit": part.last_exit,
                "error": part.error,
                "log": part.log,
            }
            for name, part in state.parts.items()
        },
    }


def fetch_jars(groups: Sequence[str] | None) -> None:
    """`saran jars`."""
    interrupt_at_sigterm()
    settings = load_settings()
    wanted = set(groups or (jars.KAFKA, jars.SPARK))
    if unknown := wanted - set(jars.ROOTS):
        raise SaranError(f"there are no jars {', '.join(sorted(unknown))}", fix=f"choose from {', '.join(jars.ROOTS)}")
    _fetch(settings, wanted)
    if problems := jars.verify(settings.cache, wanted):
        raise SaranError("; ".join(problems), fix=f"delete {settings.cache / 'jars'} and run `saran jars` again")
    err.print(f"{', '.join(sorted(wanted))}: all in {settings.cache / 'jars'}, as recorded")
    _make_class_data(settings, wanted)


def lock_jars() -> None:
    """`saran jars --lock`."""
    with err.status("resolving …"):
        locked = jars.write_lock(load_settings().cache)
    err.print(f"{jars.LOCK}: {len(locked)} jars, {sum(jar.size for jar in locked) / 1e6:.0f} MB")


def _fetch(settings: Settings, groups: Iterable[str]) -> None:
    absent = jars.missing(settings.cache, groups)
    if not absent:
        return
    columns = (TextColumn("fetching {task.fields[count]} jars"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("jars", total=sum(jar.size for jar in absent), count=len(absent))
        jars.fetch(settings.cache, groups, progress=lambda jar: progress.advance(task, jar.size))


def _make_class_data(settings: Settings, groups: Collection[str]) -> None:
    """Make what lets Java start quicker. Where that cannot be, all works without it."""
    for archive in class_data.missing(settings, groups):
        began = time.monotonic()
        try:
            with err.status(f"running {archive.name} once, so that it starts quicker from now on (takes 10 to 60 s) …"):
                size = class_data.make(settings, archive)
        except SaranError as error:
            err.print(f"[yellow]![/yellow] {archive.name} will not start quicker: {escape(str(error))}")
        else:
            seconds = time.monotonic() - began
            err.print(f"{archive.name} starts quicker from now on: {size / 1e6:.0f} MB of classes in {seconds:.0f} s")


def _well(part: PartState) -> bool:
    return part.phase is Phase.READY and part.identity is not None and part.identity.alive


def _addresses(settings: Settings, names: Iterable[str]) -> str:
    known = {
        "api": f"API        {settings.api_url}  (docs {settings.api_url}/docs)\n",
        "dashboard": f"dashboard  http://127.0.0.1:{settings.port('dashboard')}\n",
        "kafka": f"Kafka      {settings.bootstrap}\n",
        "postgres": f"PostgreSQL 127.0.0.1:{settings.port('postgres')}, database saran\n",
    }
    return "".join(known[name] for name in known if name in names) + f"logs       {settings.home / 'logs'}\n"


def _table(settings: Settings, state: PlatformState) -> Table:
    table = Table("part", "state", "pid", "port", "up", "restarts", "memory", box=None, pad_edge=False)
    now = time.time()
    for name, part in state.parts.items():
        colour = _COLOURS.get(part.phase, "default")
        up = f"{now - part.started_at:.0f} s" if part.pid and part.started_at else ""
        table.add_row(
            name,
            f"[{colour}]{part.phase}[/{colour}]",
            str(part.pid or ""),
            ", ".join(str(port) for port in part.ports.values()),
            up,
            str(part.restarts),
            f"{control.memory(settings.home, name, part) // 2**20} MiB" if part.pid else "",
        )
    return table
