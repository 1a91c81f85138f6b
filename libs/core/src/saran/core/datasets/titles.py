"""Titles made comparable, so that two catalogues can be joined on title and year."""

from __future__ import annotations

import polars as pl


def title_key(title: pl.Expr) -> pl.Expr:
    """`Matrix, The`, `The Matrix` and `the matrix!` give one key; so do `Amélie` and `Amelie (Le fabuleux …)`."""
    text = title.str.replace(r"\s*\(.*$", "")
    text = text.str.replace(r"(?i)^(.*), (the|a|an|les?|la|l'|il|el|der|die|das)$", "$2 $1")
    text = text.str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase()
    text = text.str.replace_all("&", " and ", literal=True).str.replace_all(r"['’`]", "")
    text = text.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    text = text.str.replace(r"^(the|an?) ", "")
    return pl.when(text.str.len_chars() > 0).then(text)


def year(text: pl.Expr) -> pl.Expr:
    """The first four digits that can be a year: of `1999`, `1999.0` and `1999-03-31`."""
    return text.str.extract(r"\b((?:18|19|20)\d\d)", 1)
