"""The Letterboxd join: final_movies_dataset.csv and a few drawn posters."""

from __future__ import annotations

import zlib
from pathlib import Path
from struct import pack
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from saran.producer.synthetic import words
from saran.producer.synthetic.files import Written, mark_synthetic, write_csv
from saran.producer.taste import Ints

POSTERS: Final = 60
"""How many films get a drawn poster; the others have an empty poster_filename."""
_FIRST_ID: Final = 1_000_001
_HEIGHT: Final = 180
_WIDTH: Final = 120
_CALIBRATION: Final = "The columns are those of the real file; titles, people, ratings and posters are made up."


def synthesise(rows: int, seed: int, out: Path) -> list[Written]:
    """Write the catalogue with `rows` films and its posters to `out`; the same rows and seed give the same bytes."""
    if rows < 1:
        raise ValueError(f"cannot make {rows} films: ask for at least 1")
    rng = np.random.default_rng([seed, 3])
    posters = out / "posters"
    posters.mkdir(exist_ok=True)
    drawn = min(POSTERS, rows)
    for index in range(drawn):
        (posters / f"{_FIRST_ID + index}.png").write_bytes(_png(_draw_poster(rng)))
    written = [
        write_csv(_films(rng, rows, drawn), out / "final_movies_dataset.csv"),
        Written("posters/", drawn, sum(path.stat().st_size for path in sorted(posters.glob("*.png")))),
    ]
    mark_synthetic(out, "movies", seed, written, _CALIBRATION)
    return written


def _pick(rng: np.random.Generator, options: tuple[str, ...], count: int) -> pl.Series:
    return pl.Series(options).gather(rng.integers(0, len(options), count))


def _names(rng: np.random.Generator, count: int) -> pl.Series:
    """Titles of three shapes; equal titles happen, as they do among films."""
    parts = pl.DataFrame(
        {
            "adjective": _pick(rng, words.FILM_ADJECTIVES, count),
            "noun": _pick(rng, words.FILM_NOUNS, count),
            "other": _pick(rng, words.FILM_NOUNS, count),
            "place": _pick(rng, words.FILM_PLACES, count),
            "shape": rng.integers(0, 3, count),
        }
    )
    return parts.select(
        pl.when(pl.col("shape") == 0)
        .then(pl.format("The {} {}", "adjective", "noun"))
        .when(pl.col("shape") == 1)
        .then(pl.format("{} and {}", "noun", "other"))
        .otherwise(pl.format("{} {} of {}", "adjective", "noun", "place"))
    ).to_series()


def _genres(rng: np.random.Generator, count: int) -> Ints:
    """Two different genres a film, common ones more often, shape (count, 2)."""
    weights = np.cumsum(1 / np.arange(1, len(words.GENRES) + 1))
    first = np.searchsorted(weights, rng.random(count) * weights[-1])
    second = (first + 1 + rng.integers(0, len(words.GENRES) - 1, count)) % len(words.GENRES)
    return np.stack([first, second], axis=1)


def _films(rng: np.random.Generator, count: int, drawn: int) -> pl.DataFrame:
    genres = _genres(rng, count)
    genre = pl.Series(words.GENRES)
    single = pl.Series(rng.random(count) < 0.35)
    people = pl.DataFrame(
        {
            f"{n}": _pick(rng, words.FIRST_NAMES, count) + " " + _pick(rng, words.LAST_NAMES, count)
            for n in ("a", "b", "c")
        }
    )
    frame = pl.DataFrame(
        {
            "id": _FIRST_ID + np.arange(count),
            "name": _names(rng, count),
            "date": (2026 - np.minimum(rng.exponential(18, count), 100)).astype(np.int64),
            "theme": _pick(rng, words.THEMES, count),
            "first": genre.gather(genres[:, 0]),
            "second": genre.gather(genres[:, 1]),
            "single": single,
            "country": _pick(rng, words.COUNTRIES, count),
            "studio": _pick(rng, words.STUDIOS, count),
            "minute": np.clip(rng.normal(102, 22, count), 4, 300).astype(np.int64),
            "rating": np.round(np.clip(rng.normal(3.2, 0.55, count), 0.5, 5.0), 2),
        }
    ).hstack(people)
    theme = pl.col("theme").str.to_lowercase()
    both = pl.when("single").then("first").otherwise(pl.format("{}, {}", "first", "second"))
    number = pl.int_range(pl.len())
    return frame.select(
        "id",
        "name",
        "date",
        pl.format("A story of {}.", theme).alias("tagline"),
        pl.format("{} and {} meet in a tale about {}.", "a", "b", theme).alias("description"),
        "minute",
        "rating",
        both.alias("genre"),
        "studio",
        "theme",
        "country",
        pl.format("{}, {}, {}", "a", "b", "c").alias("actors"),
        pl.when(number < drawn).then(pl.format("{}.png", "id")).alias("poster_filename"),
    )


def _draw_poster(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A sky of two colours with a sun and hills, shape (height, width, 3)."""
    top, bottom, sun, hill = rng.integers(20, 236, (4, 3))
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    share = (y / _HEIGHT)[..., None]
    image = top * (1 - share) + bottom * share
    centre = rng.integers([30, 25], [90, 95])
    image[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < rng.integers(12, 30) ** 2] = sun
    ridge = _HEIGHT * 0.7 + 12 * np.sin(x / rng.uniform(9, 25) + rng.uniform(0, 6))
    image[y > ridge] = hill
    pixels: NDArray[np.uint8] = image.astype(np.uint8)
    return pixels


def _png(image: NDArray[np.uint8]) -> bytes:
    """PNG (8-bit RGB) of an image of shape (height, width, 3)."""
    height, width, _ = image.shape
    lines = np.concatenate([np.zeros((height, 1), dtype=np.uint8), image.reshape(height, -1)], axis=1)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return pack(">I", len(body)) + kind + body + pack(">I", zlib.crc32(kind + body))

    header = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
        + chunk(b"IEND", b"")
    )
