"""`python -m saran.producer`: the producer's commands alone, as its image runs them."""

from __future__ import annotations

import sys

from rich.markup import escape

from saran.core.errors import SaranError
from saran.producer.commands import app
from saran.producer.terminal import err

try:
    app()
except SaranError as error:
    err.print(f"[bold red]error:[/bold red] {escape(str(error))}")
    sys.exit(1)
