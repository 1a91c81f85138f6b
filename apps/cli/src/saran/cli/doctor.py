"""`saran doctor`: each thing that commonly goes wrong, looked at, with what to do about it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata
from rich.markup import escape

from saran.cli import jars
from saran.cli.console import out, print_json
from saran.cli.java import find_java
from saran.cli.platform import control, ports, probes
from saran.cli.platform.catalog import platform_parts
from saran.cli.platform.state import PartState, Phase, PlatformState, read_state
from saran.core.errors import SaranError
from saran.core.kafka_clients import client_options
from saran.core.settings import Settings, load_settings
from saran.core.topics import topic_configs

_DISK_BYTES: Final = 2 * 10**9
_TIMEOUT: Final = 5


@dataclass(frozen=True)
class Finding:
    """What one look found. `fix` stands where `well` is false."""

    name: str
    well: bool
    detail: str
    fix: str | None = None


def run_doctor(*, as_json: bool) -> int:
    """`saran doctor`; its exit code."""
    findings = list(examine(load_settings()))
    if as_json:
        print_json({"well": all(one.well for one in findings), "findings": [asdict(one) for one in findings]})
    else:
        for one in findings:
            mark = "[green]✓[/green]" if one.well else "[red]✗[/red]"
            out.print(f"{mark} {one.name}: {escape(one.detail)}")
            if one.fix and not one.well:
                out.print(f"    fix: {escape(one.fix)}")
    return 0 if all(one.well for one in findings) else 1


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything; what runs is asked, what does not is checked for what its start needs."""
    recorded = read_state(settings.home)
    state = recorded if recorded is not None and recorded.supervisor.alive else None
    yield _python()
    yield guarded("java", "", lambda: _java(settings))
    yield guarded("jars", "run `saran jars`", lambda: _jars(settings))
    yield _disk(settings)
    yield guarded("parts", "run `make setup`", lambda: _parts(settings, state))
    if state is not None and (other := other_offset(settings, state)) is not None:
        yield other
        return
    if state is None:
        yield guarded("memory", "", lambda: _memory(settings))
        yield guarded("ports", "", lambda: _ports(settings))
        return
    yield guarded("kafka", "see `saran logs kafka`", lambda: kafka(settings))
    yield guarded("postgres", "see `saran logs postgres`", lambda: _postgres(settings))
    if "api" in state.parts:
        reason = probes.http_ok(settings.port("api"), "/health")(0)
        yield Finding("api", reason is None, reason or settings.api_url, "see `saran logs api`")


def other_offset(settings: Settings, state: PlatformState) -> Finding | None:
    """That the platform was started with other ports than these settings have; None when it was not."""
    if state.port_offset == settings.port_offset:
        return None
    return Finding(
        "settings",
        False,
        f"the platform was started with SARAN_PORT_OFFSET={state.port_offset}, here it is {settings.port_offset}",
        f"export SARAN_PORT_OFFSET={state.port_offset}",
    )


def guarded(name: str, fix: str, look: Callable[[], Finding]) -> Finding:
    """What `look` finds; what it raises is a finding as well, with `fix` where the error names none."""
    try:
        return look()
    except SaranError as error:
        return Finding(name, False, error.message, error.fix or fix)
    except (KafkaException, psycopg.Error, OSError) as error:
        return Finding(name, False, str(error).strip(), fix)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        "python", (3, 11) <= sys.version_info[:2] <= (3, 13), f"{version} ({sys.executable})", "use 3.11–3.13"
    )


def _java(settings: Settings) -> Finding:
    java = find_java(settings.cache)
    return Finding("java", True, f"version {java.version} in {java.home} (from {java.source})")


def _jars(settings: Settings) -> Finding:
    groups = (jars.KAFKA, jars.SPARK)
    problems = jars.verify(settings.cache, groups)
    count = sum(jar.group in groups for jar in jars.read_lock())
    if problems:
        return Finding(
            "jars", False, f"{len(problems)} of {count}: {problems[0]}", "delete what is wrong, then `saran jars`"
        )
    return Finding("jars", True, f"{count} in {settings.cache / 'jars'}, as recorded")


def _disk(settings: Settings) -> Finding:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    return Finding(
        "disk", free >= _DISK_BYTES, f"{free / 1e9:.1f} GB free at {folder}", "free at least 2 GB, or move with --home"
    )


def _memory(settings: Settings) -> Finding:
    control.require_memory(platform_parts(settings))
    return Finding("memory", True, f"{control.available_memory() / 1e9:.1f} GB free")


def _ports(settings: Settings) -> Finding:
    wanted = {name: port for part in platform_parts(settings) for name, port in part.ports.items()}
    ports.require_free(wanted)
    return Finding("ports", True, f"{', '.join(map(str, wanted.values()))} are free")


def _parts(settings: Settings, state: PlatformState | None) -> Finding:
    if state is None:
        return Finding("parts", True, "the platform is not running (`saran up` starts it)")
    ill = {name: part for name, part in state.parts.items() if part.phase is not Phase.READY}
    if not ill:
        return Finding("parts", True, f"{', '.join(state.parts)} are ready")
    name, part = next(iter(ill.items()))
    return Finding("parts", False, f"{name} is {part.phase}{_reason(part)}", f"see {part.log}")


def _reason(part: PartState) -> str:
    return f": {part.error.splitlines()[0]}" if part.error else ""


def kafka(settings: Settings) -> Finding:
    """Whether the broker answers and has the platform's topics. Raises KafkaException when it does not answer."""
    metadata: ClusterMetadata = AdminClient(client_options(settings)).list_topics(timeout=_TIMEOUT)
    absent = sorted(set(topic_configs(settings)) - set(metadata.topics))
    if absent:
        return Finding("kafka", False, f"topics are missing: {', '.join(absent)}", "run `saran down`, then `saran up`")
    return Finding("kafka", True, f"{settings.bootstrap}, {len(metadata.topics)} topics")


def _postgres(settings: Settings) -> Finding:
    with psycopg.connect(settings.postgres_url, connect_timeout=_TIMEOUT) as connection:
        row = connection.execute("SELECT current_setting('server_version')").fetchone()
    return Finding("postgres", row is not None, f"PostgreSQL {row[0] if row else '?'}", "see `saran logs postgres`")
