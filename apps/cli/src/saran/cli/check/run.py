"""`saran check`: all that a user of a running installation would meet, asked once, green or red."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

from rich.markup import escape
from rich.table import Table

from saran.cli.check.api import routes
from saran.cli.check.data import tables, topics
from saran.cli.check.looks import LeftOut, left_out
from saran.cli.check.pages import pages
from saran.cli.console import err, out, print_json
from saran.cli.doctor import Finding, other_offset
from saran.cli.platform import catalog
from saran.cli.platform.part import Part
from saran.cli.platform.state import PartState, Phase, PlatformState, read_state
from saran.core.settings import Settings, load_settings
from saran.core.system_shapes import DatasetFacts

Line = tuple[str, Finding]
"""A section of the table, and what was found in it."""

_MARKS: Final = {True: "[green]✓[/green]", False: "[red]✗[/red]"}


def run_check(*, as_json: bool) -> int:
    """`saran check`; its exit code."""
    lines: list[Line] = []
    with err.status("looking …") as status:
        for section, finding in look(load_settings()):
            lines.append((section, finding))
            status.update(f"looking at {section}: {escape(finding.name)} …")
    red = [finding for _, finding in lines if not finding.well]
    if as_json:
        findings = [
            {"section": section, **asdict(one), "looked_at": not isinstance(one, LeftOut)} for section, one in lines
        ]
        print_json({"well": not red, "findings": findings})
    else:
        out.print(_drawn(lines))
        looked = sum(not isinstance(one, LeftOut) for _, one in lines)
        out.print(f"{looked - len(red)} of {looked} are well" + (f", [red]{len(red)} are not[/red]" if red else ""))
    return 1 if red else 0


def look(settings: Settings) -> Iterator[Line]:
    """Everything, section by section: services, topics, tables, api, pages."""
    state = read_state(settings.home)
    if state is None or not state.supervisor.alive:
        yield (
            "services",
            Finding("platform", False, f"nothing runs in {settings.home}", "start it: `saran up --detach`"),
        )
        return
    if (other := other_offset(settings, state)) is not None:
        yield "services", other
        return
    for finding in services(settings, state):
        yield "services", finding
    for finding in topics(settings):
        yield "topics", finding
    for finding in tables(settings, streams=catalog.STREAMS in state.parts):
        yield "tables", finding
    about: DatasetFacts | None = None
    if catalog.API in state.parts:
        for finding, known in routes(settings):
            yield "api", finding
            about = known.about
    else:
        yield "api", left_out("routes", "the API was not started")
    if catalog.DASHBOARD in state.parts:
        for finding in pages(settings, about):
            yield "pages", finding
    else:
        yield "pages", left_out("dashboard", "the dashboard was not started")


def services(settings: Settings, state: PlatformState) -> Iterator[Finding]:
    """Each part of the platform, by its own check of readiness, made now."""
    for part in catalog.platform_parts(settings):
        recorded = state.parts.get(part.name)
        if recorded is None:
            yield left_out(part.name, f"not started; `saran up --only {part.name}` starts it")
        else:
            yield _service(part, recorded)


def _service(part: Part, recorded: PartState) -> Finding:
    fix = f"see `saran logs {part.name}`"
    if recorded.phase not in (Phase.READY, Phase.SILENT) or not (recorded.identity and recorded.identity.alive):
        why = f": {recorded.error.splitlines()[0]}" if recorded.error else ""
        return Finding(part.name, False, f"{recorded.phase}{why}", fix)
    reason = part.probe(recorded.started_at or 0)
    restarts = f", restarted {recorded.restarts} times" if recorded.restarts else ""
    return Finding(part.name, reason is None, reason or f"process {recorded.pid}{restarts}", fix)


def _drawn(lines: list[Line]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    last = ""
    for section, one in lines:
        mark = "[dim]–[/dim]" if isinstance(one, LeftOut) else _MARKS[one.well]
        table.add_row(f"[bold]{section}[/bold]" if section != last else "", mark, escape(one.name), escape(one.detail))
        if one.fix and not one.well:
            table.add_row("", "", "", f"[bold]fix:[/bold] {escape(one.fix)}")
        last = section
    return table
