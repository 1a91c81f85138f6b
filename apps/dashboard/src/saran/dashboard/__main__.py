"""`python -m saran.dashboard`: Streamlit with this installation's port, in this process's place."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from saran.core.settings import Settings, load_settings

APP = Path(__file__).with_name("app.py")


def command(settings: Settings) -> list[str]:
    """The command line that serves the pages at `settings.listen`."""
    return [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(APP),
        f"--server.port={settings.port('dashboard')}",
        f"--server.address={settings.listen}",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
    ]


if __name__ == "__main__":
    arguments = command(load_settings())
    os.execv(arguments[0], arguments)  # noqa: S606  the same process id, so that a supervisor's signals arrive
