"""A version's card: what it is made of, how good it is, what it is not good for. Markdown and plots, in its folder.

    models/<name>/<version>/card.md, card-<plot>.png
    models/<name>/<version>/card.json    checksums of these, written last: without it there is no card

It is made of the version's own files, so it can be written later than the version, and again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

from saran.core.errors import SaranError
from saran.core.names import Model
from saran.core.s3 import Location, replace_text
from saran.core.version_list import Facts, Figure, Versions
from saran.spark.card_plots import plots

CARD: Final = "card.md"
_SUMS: Final = "card.json"

_TOLD: Final = ("parts", "weights", "history_length", "examples", "buyers", "threshold", "matched_with")
"""What kinds of models say of themselves that is no figure and not a parameter."""

_LIMITS: Final = {
    Model.RECOMMENDER: (
        "Figures look back: an item that people would have liked but never met counts as a miss. What a change of "
        "lists does to buying, only an experiment with live users tells.",
        "The newest part of each user's events is held out, not all events after one moment: what others did later "
        "than a held-out event may be in training, for every model alike.",
        "An item that nobody showed interest in before this training has no factor: no personal list shows it.",
        "Only the newest events of a user count (`history_length`), and what happened in between them does not.",
    ),
    Model.TRANSACTION_PREDICTOR: (
        "What the API asks knows three counts of a visitor, and nothing of when or what: the same counts have the same "
        "probability. The predictor from session features knows more; it answers in gold.purchase_propensity only, and "
        "only where it was the better one on the validation part.",
        "It ranks visitors by what they would do unasked, not by what an offer would change.",
    ),
    Model.USER_SEGMENTATION: (
        "k-means finds clusters in any cloud of points: a silhouette near 0 says that there are none to speak of.",
        "A silhouette is measured on the visitors whom the clusters were fitted to, for every recipe alike.",
    ),
}
_COMMANDS: Final = {
    Model.RECOMMENDER: "recommender",
    Model.TRANSACTION_PREDICTOR: "purchase",
    Model.USER_SEGMENTATION: "segments",
    Model.ITEM_CLASSIFIER: "classifier",
}
"""What trains a version again."""

_LIMITS_OF_ALL: Final = ("It was measured on one split of one data set; another shop's figures will be others.",)


def write_card(folder: Location, facts: Facts, versions: Versions) -> None:
    """Write the card of the version in `folder`, whose siblings are `versions`."""
    drawn = {f"card-{name}.png": png for name, png in plots(folder, facts)}
    text = card_text(facts, versions, list(drawn)).encode()
    files = {CARD: text, **drawn}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    replace_text(folder / _SUMS, json.dumps(sums, indent=1) + "\n")


def card_files(folder: Location) -> list[Location]:
    """The files of a card, which are as they were written. Raises SaranError when they are not."""
    files = []
    for name, checksum in json.loads((folder / _SUMS).read_bytes()).items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != checksum:
            raise SaranError(
                f"{folder / name} differs from its checksum", fix=f"remove {folder / _SUMS}: the card is written anew"
            )
        files.append(folder / name)
    return files


def has_card(folder: Location) -> bool:
    """Whether the card was written to its end."""
    return (folder / _SUMS).exists()


def card_text(facts: Facts, versions: Versions, pictures: list[str]) -> str:
    """The card in Markdown, with the `pictures` that lie beside it."""
    return "\n".join(_lines(facts, versions, pictures)) + "\n"


def _lines(facts: Facts, versions: Versions, pictures: list[str]) -> Iterator[str]:
    yield f"# {facts.name} {facts.version}"
    yield ""
    yield f"{facts.algorithm}, trained {facts.created_at:%Y-%m-%d %H:%M} UTC on {facts.dataset}."
    if facts.synthetic:
        yield ""
        yield "**Some of its events were made up: its figures say nothing about quality.**"
    yield from _section("Data", _data(facts))
    yield from _section("Parameters", {**facts.parameters, **_settings(facts), "seed": facts.seed})
    yield from ("", "## Figures", "")
    yield from _measured(facts)
    if sessions := facts.others.get("sessions"):
        told = ("algorithm", "inputs", "threshold", "validation", "confusion")
        yield from _section("From session features", {name: sessions[name] for name in told})
    if classes := facts.others.get("classes"):
        yield from _classes(classes)
    if segments := facts.others.get("segments"):
        yield from _segments(segments)
    for picture in pictures:
        yield from ("", f"![{picture.removeprefix('card-').removesuffix('.png')}]({picture})")
    yield from ("", "## Beside the champion", "")
    yield _comparison(facts, versions)
    yield from ("", "## Known limits", "")
    for limit in (*_LIMITS.get(facts.name, ()), *_LIMITS_OF_ALL):
        yield f"- {limit}"
    if command := _COMMANDS.get(facts.name):
        yield from ("", "## Make it again", "")
        yield f"`saran train {command} --from-manifest {facts.version}` reads the same tables at the same versions."


def _section(title: str, rows: dict[str, Any]) -> Iterator[str]:
    yield from ("", f"## {title}", "", "| | |", "|---|---|")
    for name, value in rows.items():
        yield f"| {name} | {_cell(value)} |"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(one)}" for name, one in value.items() if one is not None) or "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("|", "\\|")


def _data(facts: Facts) -> dict[str, Any]:
    counts = {name: value for name, value in facts.others.items() if isinstance(value, int)}
    counts.pop("history_length", None)
    return {
        "data set": facts.dataset,
        **{f"table {table}": f"version {version}" for table, version in facts.tables.items()},
        "window": str(facts.window),
        "newest event": facts.newest_event.isoformat() if facts.newest_event else "none",
        **counts,
    }


def _settings(facts: Facts) -> dict[str, Any]:
    return {name: facts.others[name] for name in _TOLD if name in facts.others}


def _measured(facts: Facts) -> Iterator[str]:
    if not facts.figures:
        yield "Not measured."
        return
    evaluation = facts.evaluation or {}
    models: dict[str, dict[str, Figure]] = {}
    for path, figure in facts.figures.items():
        model, _, metric = path.rpartition("/")
        models.setdefault(model, {})[metric] = figure
    metrics = list(dict.fromkeys(metric for figures in models.values() for metric in figures))
    yield f"| | {' | '.join(metrics)} |"
    yield "|---" * (len(metrics) + 1) + "|"
    for model, figures in models.items():
        yield f"| {model} | {' | '.join(str(figures[name]) if name in figures else '' for name in metrics)} |"
    yield ""
    told = [f"{evaluation['test_users']:,} test users"] if "test_users" in evaluation else []
    told += [str(evaluation["split"])] if "split" in evaluation else []
    yield "; ".join([*told, "in brackets 95 % bootstrap intervals"]) + "."


def _classes(classes: list[dict[str, Any]]) -> Iterator[str]:
    yield from ("", "## Classes", "", "| class | precision | recall | F1 | test items |", "|---|---|---|---|---|")
    for one in classes:
        figures = " | ".join(f"{one[name]:.3f}" for name in ("precision", "recall", "f1"))
        yield f"| {_cell(one['label'])} | {figures} | {one['support']:,} |"


def _segments(segments: list[dict[str, Any]]) -> Iterator[str]:
    inputs = list(segments[0]["centre"])
    yield from ("", "## Segments", "", f"| id | segment | visitors | {' | '.join(inputs)} |")
    yield "|---" * (len(inputs) + 3) + "|"
    for one in segments:
        centre = " | ".join(f"{one['centre'][name]:.2f}" for name in inputs)
        yield f"| {one['cluster_id']} | {one['name']} | {one['visitors']:,} | {centre} |"


def _comparison(facts: Facts, versions: Versions) -> str:
    found = facts.others.get("comparison")
    if not found:
        return "There was no comparison: no champion at the time of the training, or nothing was measured."
    difference = Figure.model_validate(found["difference"])
    return f"{found['metric']} less that of {found['champion']}, on the same users: {difference}. {found['how']}"
