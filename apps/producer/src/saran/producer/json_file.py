"""Small files that say how far a command got: a reader sees the old text or the new one, never a part."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path


def replace_json(path: Path, state: Mapping[str, object]) -> None:
    """Put `state` in the place of what `path` holds, in one step that a kill cannot split."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(json.dumps(state))
    fresh.replace(path)
