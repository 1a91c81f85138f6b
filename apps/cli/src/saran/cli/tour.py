"""`saran tour`: six steps on the running platform, each told, done, and held against what it promises."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.markup import escape

from saran.cli import operate
from saran.cli.console import err, out, print_json
from saran.cli.demo_api import Answer, DemoApi, three_clicks
from saran.cli.ingested import wait_ingested
from saran.cli.ledger import Ledger, events_in_topic, read_ledger
from saran.cli.platform.catalog import API, KAFKA, POSTGRES, STREAMS, WORKER
from saran.cli.platform.state import read_state
from saran.cli.subcommand import run_saran
from saran.core.errors import SaranError
from saran.core.names import Model
from saran.core.settings import Settings, load_settings
from saran.core.versions import champion

_PARTS: Final = (KAFKA, POSTGRES, STREAMS, API, WORKER)
_SIMULATE: Final = ("--users", "20", "--rate", "40", "--minutes", "0.1")
_TRAIN: Final = ("train", Model.RECOMMENDER, "--no-evaluate", "--no-register", "--json")


@dataclass(frozen=True)
class Outcome:
    """What a step changed: for machines, and in words. `wrong` says what was promised and did not come."""

    figures: dict[str, Any]
    told: str
    wrong: str | None = None


@dataclass(frozen=True)
class Step:
    """A step with what it does and why, in words for people."""

    name: str
    what: str
    do: Callable[[], Outcome]


def run_tour(path: Path | None, *, seconds: float, as_json: bool) -> int:
    """The tour; its exit code. Raises SaranError when no platform runs."""
    if path is not None:
        os.environ["SARAN_DATA"] = str(path.expanduser().resolve())
    settings = load_settings()
    _require_platform(settings)
    operate.interrupt_at_sigterm()
    with DemoApi(settings.api_url, settings.api_headers) as api:
        tour = Tour(settings, api, seconds)
        try:
            return 0 if all(_run(step, as_json) for step in tour.steps()) else 1
        finally:
            tour.put_back()


def _require_platform(settings: Settings) -> None:
    state = read_state(settings.home)
    parts = state.parts if state is not None and state.supervisor.alive else {}
    if absent := [name for name in _PARTS if name not in parts]:
        raise SaranError(
            f"the tour needs a platform that runs; in {settings.home} there is no {', '.join(absent)}",
            fix="start it with `saran up --detach`",
        )
    operate.wait(settings, _PARTS)


def _run(step: Step, as_json: bool) -> bool:
    """Do a step and tell of it; whether it kept its word."""
    if not as_json:
        out.print(f"\n[bold]{step.name}[/bold]\n  {step.what}")
    began = time.monotonic()
    fix: str | None = None
    try:
        outcome = step.do()
    except SaranError as error:
        outcome, fix = Outcome({}, "", wrong=error.message), error.fix
    took = time.monotonic() - began
    well = outcome.wrong is None
    if as_json:
        told = {"what": step.what, "figures": outcome.figures, "wrong": outcome.wrong, "fix": fix}
        print_json({"step": step.name, "well": well, "seconds": round(took, 3), **told})
    elif well:
        out.print(f"  [green]✓[/green] {escape(outcome.told)} [dim]({took:.1f} s)[/dim]")
    else:
        out.print(f"  [red]✗[/red] {escape(outcome.wrong or '')}" + (f"\n    fix: {escape(fix)}" if fix else ""))
    return well


class Tour:
    """One tour: what its steps hand on, and the version to put back."""

    def __init__(self, settings: Settings, api: DemoApi, seconds: float) -> None:
        self._settings = settings
        self._api = api
        self._seconds = seconds
        self._served = champion(settings.models_path, Model.RECOMMENDER)
        self._trained = ""
        self._visitor = ""

    def steps(self) -> Iterator[Step]:
        """The steps in order; each needs what those before it did."""
        yield Step(
            "load",
            "Events go through Kafka into bronze as they came, and checked, each once, into silver: all else is made "
            "of silver. Data that is there already stays as it is.",
            self._load,
        )
        yield Step(
            "simulate",
            "Twenty invented users view, click and buy for six seconds, as a live shop would send it. Every event that "
            "Kafka has acknowledged must reach silver.",
            self._simulate,
        )
        yield Step(
            "train",
            "A new version of the recommender learns from silver. It is not measured and not served yet, so that you "
            "see a version change hands below; `saran train` alone measures, and promotes where it is no loss.",
            self._train,
        )
        yield Step(
            "click",
            "Somebody whom no model was trained on gets the popular list, clicks three items, and gets a list of an "
            "own taste: the API computes it from the clicks, and nothing is trained anew.",
            self._click,
        )
        yield Step(
            "promote",
            "The new version becomes the champion, the one that is served. The API takes it over while it answers.",
            self._promote,
        )
        yield Step(
            "roll back",
            "The champion before is served again: a version that does badly can go at once, without a training.",
            self._roll_back,
        )

    def put_back(self) -> None:
        """Roll back where a step that failed, or Ctrl-C, left the tour's version as the champion."""
        if self._trained and champion(self._settings.models_path, Model.RECOMMENDER) == self._trained:
            told = run_saran(self._settings, "models", "rollback", "--json")
            err.print(f"rolled back to {told['champion']}, which was served before")

    def _load(self) -> Outcome:
        before = self._ledger()
        if before.silver:
            figures = {"sent": 0, "silver": {"before": before.silver, "after": before.silver}}
            return Outcome(figures, f"silver has {before.silver:,} events; nothing is sent")
        load = run_saran(self._settings, "load", self._settings.dataset, "--json", show=True)
        return self._arrived(before, int(load["events"]) + int(load["wrong_rows"]))

    def _simulate(self) -> Outcome:
        before = wait_ingested(self._settings, patience=self._seconds)
        summary = run_saran(self._settings, "simulate", *_SIMULATE, "--json")
        return self._arrived(before, int(summary["events"]))

    def _arrived(self, before: Ledger, sent: int) -> Outcome:
        """Wait for the lakehouse; what was sent must be settled there. Others may send meanwhile, so more is well."""
        after = wait_ingested(self._settings, patience=self._seconds)
        figures = {
            "sent": sent,
            "silver": {"before": before.silver, "after": after.silver},
            "rejected": {"before": before.rejected, "after": after.rejected},
            "duplicates": {"before": before.duplicates, "after": after.duplicates},
        }
        settled = after.settled - before.settled
        return Outcome(
            figures,
            f"{sent:,} events sent; silver {before.silver:,} → {after.silver:,}",
            None if settled >= sent else f"{sent} events were sent, and {settled} arrived",
        )

    def _train(self) -> Outcome:
        first = self._served is None
        if first:
            self._served = str(run_saran(self._settings, *_TRAIN, "--promote", "always")["version"])
        before = self._served
        # Another rank than the default, so that the two versions' lists differ.
        version = str(run_saran(self._settings, *_TRAIN, "--promote", "never", "--set", "rank=24")["version"])
        self._trained = version
        now = champion(self._settings.models_path, Model.RECOMMENDER)
        return Outcome(
            {"version": version, "champion": {"before": before, "after": now}, "first_version": first},
            f"trained {version}; served is {now}" + (", the first, trained a moment ago" if first else ""),
            None
            if now == before
            else f"the champion was {before}, and is {now} after a training that promotes nothing",
        )

    def _click(self) -> Outcome:
        served = self._when_served("visitor-of-the-tour", self._served)
        clicks = three_clicks(self._api, str(served["items"][0]["item_id"]), seconds=self._seconds)
        self._visitor = clicks.user
        lists = {"before": _titles(clicks.before), "after": _titles(clicks.after)}
        seconds = clicks.milliseconds / 1000
        changed = _ids(clicks.before) != _ids(clicks.after) and clicks.before["source"] != "personal"
        return Outcome(
            {"user": clicks.user, "clicked": clicks.clicked, "list": lists, "seconds_until_list": round(seconds, 3)},
            f"{clicks.user}, {seconds:.3f} s after three clicks:{_beside(lists)}",
            None if changed else f"the list of {clicks.user} did not change by three clicks",
        )

    def _promote(self) -> Outcome:
        before = self._api.recommendations(self._visitor)
        moved = run_saran(self._settings, "models", "promote", self._trained, "--json")
        return self._moved(before, str(moved["champion"]), self._trained)

    def _roll_back(self) -> Outcome:
        before = self._api.recommendations(self._visitor)
        moved = run_saran(self._settings, "models", "rollback", "--json")
        return self._moved(before, str(moved["champion"]), self._served)

    def _moved(self, before: Answer, now: str, promised: str | None) -> Outcome:
        after = self._when_served(self._visitor, now)
        lists = {"before": _titles(before), "after": _titles(after)}
        versions = {"before": before["model_version"], "after": after["model_version"]}
        return Outcome(
            {"served": versions, "list": lists},
            f"served {versions['before']} → {versions['after']}; the visitor's list:{_beside(lists)}",
            None if now == promised else f"the champion is {now}, and not {promised}: somebody else moved it meanwhile",
        )

    def _when_served(self, user: str, version: str | None) -> Answer:
        """The list of `user` as soon as `version` makes it."""
        return self._api.until(
            user,
            lambda answer: answer.get("model_version") == version,
            seconds=self._seconds,
            what=f"serve {version}",
        )

    def _ledger(self) -> Ledger:
        return read_ledger(self._settings, events_in_topic(self._settings))


def _ids(answer: Answer) -> list[str]:
    return [str(item["item_id"]) for item in answer["items"]]


def _titles(answer: Answer) -> list[str]:
    return [str(item.get("title") or f"item {item['item_id']}") for item in answer["items"]]


def _beside(lists: dict[str, list[str]]) -> str:
    return "".join(f"\n    {name:<7}{' · '.join(titles)}" for name, titles in lists.items())
