"""Writes the files that are generated from the code; `--check` exits 1 and names those that differ."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from saran.core.entities import Event, Item, User, json_schema

ROOT = Path(__file__).resolve().parent.parent


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def event_schema() -> str:
    return _json(json_schema(Event))


def item_schema() -> str:
    return _json(json_schema(Item))


def user_schema() -> str:
    return _json(json_schema(User))


GENERATORS: dict[str, Callable[[], str]] = {
    "schemas/event.schema.json": event_schema,
    "schemas/item.schema.json": item_schema,
    "schemas/user.schema.json": user_schema,
}
"""Path from the root, and what gives its text. One more generated file is one more line."""


def main() -> int:
    check = "--check" in sys.argv[1:]
    drifted = []
    for name, generate in GENERATORS.items():
        path = ROOT / name
        text = generate()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            drifted.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    if drifted:
        print(f"not as the code says: {', '.join(drifted)}: run `make generate`", file=sys.stderr)
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())
