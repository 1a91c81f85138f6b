"""A drawn picture for an item without one: initials of its title, on a colour made from its id. Needs no network."""

from __future__ import annotations

import hashlib
import html
import re
from typing import Final
from urllib.parse import quote

WIDTH: Final = 240
HEIGHT: Final = 300

_YEAR: Final = re.compile(r"\s*\(\d{4}\)\s*$")
_ARTICLES: Final = frozenset({"a", "an", "the", "of", "and", "in", "on", "to"})


def initials(title: str) -> str:
    """Up to two initials of the words that carry a title: `Heat (1995)` gives `H`, `The Big Sleep` gives `BS`."""
    words = re.findall(r"[^\W_]+", _YEAR.sub("", title))
    bearing = [word for word in words if word.lower() not in _ARTICLES] or words
    return "".join(word[0] for word in bearing[:2]).upper() or "?"


def stand_in(item_id: str, title: str | None) -> str:
    """An SVG as a data URI, WIDTH × HEIGHT; the same item always gets the same picture.

    An item without title shows the end of its id.
    """
    letters = initials(title) if title else item_id[-3:]
    digest = hashlib.sha256(item_id.encode()).digest()
    hue = int.from_bytes(digest[:2], "big") % 360
    other = (hue + 30 + digest[2] % 30) % 360
    x, y = 40 + digest[3] % 160, 30 + digest[4] % 120
    radius = 70 + digest[5] % 60
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1">'
        f'<stop offset="0" stop-color="hsl({hue} 42% 44%)"/><stop offset="1" stop-color="hsl({other} 46% 28%)"/>'
        f"</linearGradient></defs>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#g)"/>'
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="hsl({other} 60% 75%)" opacity=".14"/>'
        f'<circle cx="{WIDTH - x}" cy="{HEIGHT - y}" r="{radius * 0.7:.0f}" fill="#fff" opacity=".07"/>'
        f'<text x="24" y="{HEIGHT - 30}" font-family="Georgia, serif" font-size="92" fill="#fff" '
        f'opacity=".92">{html.escape(letters)}</text></svg>'
    )
    return f"data:image/svg+xml,{quote(svg)}"
