"""`python -m saran.spark`: this part's commands where there is no `saran`, as in its image."""

from __future__ import annotations

import logging
import sys

from saran.core.errors import SaranError
from saran.spark.commands import app


def main() -> None:
    """Run the command line; exit code 1 after an error, whose cause and fix are said."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        app(prog_name="python -m saran.spark")
    except SaranError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
