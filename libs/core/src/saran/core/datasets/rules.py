"""Checks of a column: which rows break a rule, and the words that say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from saran.core import limits
from saran.core.datasets.blocks import REJECTED_SCHEMA
from saran.core.datasets.event_ids import row_ids
from saran.core.datasets.table import TableBlock

_CONTROL = r"[\x00-\x1f\x7f]"


class Rule(NamedTuple):
    """Rows where `broken` is true are wrong for `reason`; null counts as false."""

    broken: pl.Expr
    reason: str


def identifier(column: str, field: str, *, required: bool = True) -> list[Rule]:
    """Rules of an id that stands in `column`."""
    text = pl.col(column)
    rules = [
        Rule(text.str.len_chars() > limits.MAX_ID_LENGTH, f"{field} is longer than {limits.MAX_ID_LENGTH} characters"),
        Rule(text.str.contains(_CONTROL), f"{field} holds control characters"),
    ]
    return [Rule(text.is_null(), f"{field} is missing"), *rules] if required else rules


def apply(frame: pl.DataFrame, rules: Sequence[Rule]) -> tuple[pl.Series, dict[int, str]]:
    """Which rows keep all rules (Boolean), and by index the reasons of those that do not, joined by `; `."""
    broken = frame.select(pl.any_horizontal([rule.broken.fill_null(value=False) for rule in rules]).alias("broken"))
    mask = broken.to_series()
    if not mask.any():
        return ~mask, {}
    wrong = frame.with_row_index("\0index").filter(mask)
    texts = [pl.when(rule.broken).then(pl.lit(rule.reason)).alias(str(place)) for place, rule in enumerate(rules)]
    reasons = wrong.select("\0index", pl.concat_str(texts, separator="; ", ignore_nulls=True).alias("reason"))
    return ~mask, dict(reasons.iter_rows())


def rejected(block: TableBlock, more: dict[int, str], sha256: bytes, source: str, file: str) -> pl.DataFrame:
    """REJECTED_SCHEMA of a block's unreadable rows and of `more` (index in block.frame → reason), in file order."""
    reasons = block.bad | {int(block.rows[index]): reason for index, reason in more.items()}
    if not reasons:
        return no_rejected()
    rows = np.array(sorted(reasons), dtype=np.int64)
    return pl.DataFrame(
        {
            "event_id": row_ids(sha256, rows),
            "source": [source] * len(rows),
            "file": [file] * len(rows),
            "row": rows,
            "line": [block.line(row) for row in rows.tolist()],
            "reason": [reasons[row] for row in rows.tolist()],
            "raw": [block.raw(row) for row in rows.tolist()],
        },
        schema=REJECTED_SCHEMA,
    )


def no_rejected() -> pl.DataFrame:
    """No wrong rows, in REJECTED_SCHEMA."""
    return pl.DataFrame(schema=REJECTED_SCHEMA)
