"""Age classes of items: by a certificate that a file gives, else by the spec's rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from saran.core.datasets import files
from saran.core.datasets.spec import Ages, Origin
from saran.core.datasets.table import read_table
from saran.core.datasets.titles import title_key, year
from saran.core.names import Attribute


def certificates(ages: Ages, folders: Sequence[Path | None]) -> pl.DataFrame:
    """Columns title_key, year, given: what the certificate files know, each pair once, the first file first.

    Certificates that the spec has no class for (`Not Rated`) are left out: they say nothing about age.
    """
    frames = [pl.DataFrame(schema={"title_key": pl.String, "year": pl.String, "given": pl.String})]
    for source in ages.files:
        if (path := files.find(source.file, *folders)) is None:
            continue
        columns = [source.title, source.year, source.certificate]
        for block in read_table(path, columns):
            keyed = block.frame.select(
                title_key(pl.col(source.title)).alias("title_key"),
                year(pl.col(source.year)).alias("year"),
                pl.col(source.certificate).str.strip_chars().alias("given"),
            )
            frames.append(keyed.filter(pl.col("given").is_in(list(ages.classes))).drop_nulls())
    return pl.concat(frames).unique(["title_key", "year"], keep="first", maintain_order=True)


def with_ages(items: pl.DataFrame, ages: Ages, known: pl.DataFrame) -> pl.DataFrame:
    """`items` with age_rating, and the attributes CERTIFICATE and AGE_RATING_SOURCE as columns of these names.

    `items` needs title, release_date and categories; `known` is what `certificates` gave.
    """
    derived: pl.Expr = pl.lit(ages.default, pl.String)
    for rule in reversed(ages.rules):
        fits = pl.any_horizontal([pl.col("categories").list.contains(category) for category in rule.categories])
        derived = pl.when(fits).then(pl.lit(rule.certificate)).otherwise(derived)
    keyed = items.with_columns(
        title_key(pl.col("title")).alias("title_key"), year(pl.col("release_date")).alias("year")
    )
    joined = keyed.join(known, on=["title_key", "year"], how="left", maintain_order="left")
    certificate = pl.coalesce("given", derived)
    source = pl.when(pl.col("given").is_not_null()).then(pl.lit(Origin.GIVEN.value))
    return joined.with_columns(
        certificate.alias(Attribute.CERTIFICATE),
        certificate.replace_strict(ages.classes, default=None, return_dtype=pl.String).alias("age_rating"),
        source.when(certificate.is_not_null()).then(pl.lit(Origin.DERIVED.value)).alias(Attribute.AGE_RATING_SOURCE),
    ).drop("title_key", "year", "given")
