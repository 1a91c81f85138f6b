"""`saran api-key`: a key of the API, shown once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from saran.cli.console import err, out
from saran.core.api_keys import add_key_line, key_line, new_key
from saran.core.settings import load_settings


def make_api_key(name: str, scopes: str, users: Sequence[str], file: Path | None, *, as_json: bool) -> None:
    """Make it, and add its line to the file of keys where there is one. Raises SaranError when that cannot be done."""
    key = new_key()
    line = key_line(name, key, scopes, users)
    target = file or load_settings().api_keys
    if target is not None:
        add_key_line(target, line)
    if as_json:
        out.print_json(json.dumps({"name": name, "key": key, "line": line, "file": target and str(target)}))
        return
    out.print(key, highlight=False, soft_wrap=True)
    where = f"{target} has its line" if target is not None else f"add this line to the API's file of keys:\n{line}"
    err.print(f"keep it, for it is not shown again; {escape(where)}", highlight=False, soft_wrap=True)
