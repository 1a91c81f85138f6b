"""Two versions side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from saran.core.version_list import Facts, Figure

_DIFFERS = "what they were measured on differs, so their figures cannot be set against each other: "


class Row(NamedTuple):
    """A fact or a figure of both."""

    name: str
    first: str
    second: str


@dataclass(frozen=True)
class Compared:
    """What differs between two versions, their figures, and what may be said of these."""

    first: str
    second: str
    differences: list[Row]
    figures: list[Row]
    words: list[str]

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        found = asdict(self)
        for part in ("differences", "figures"):
            found[part] = {row.name: [row.first, row.second] for row in getattr(self, part)}
        return found


def compared(first: Facts, second: Facts) -> Compared:
    """Compare what made two versions, and their figures."""
    facts = [
        dict(_flat(one.model_dump(mode="json", exclude={"version", "evaluation", "sha256"}))) for one in (first, second)
    ]
    names = list(dict.fromkeys([*facts[0], *facts[1]]))
    rows = [Row(name, facts[0].get(name, "–"), facts[1].get(name, "–")) for name in names]
    paths = list(dict.fromkeys([*first.figures, *second.figures]))
    return Compared(
        first.version,
        second.version,
        [row for row in rows if row.first != row.second],
        [Row(path, *(str(one.figures.get(path, "–")) for one in (first, second))) for path in paths],
        list(_words(first, second)),
    )


def _words(first: Facts, second: Facts) -> Iterator[str]:
    for one, other in ((first, second), (second, first)):
        found = one.others.get("comparison")
        if found and found["champion"] == other.version:
            difference = Figure.model_validate(found["difference"])
            yield f"{found['metric']} of {one.version} less that of {other.version}, on the same users: {difference}"
            return
    if first.evaluation is None or second.evaluation is None:
        yield "not both were measured"
    elif reasons := [
        name
        for name, differs in (
            ("the tables", first.tables != second.tables),
            ("the window", first.window != second.window),
            ("the split", first.evaluation.get("split") != second.evaluation.get("split")),
        )
        if differs
    ]:
        yield _DIFFERS + " and ".join(reasons)


def _flat(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", str(value)
