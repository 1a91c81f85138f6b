"""What the pages for readers tell them to type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from saran.core.settings import CHECKOUT

README: Final = CHECKOUT / "README.md"
COMMAND_LINE: Final = CHECKOUT / "docs" / "command-line.md"
API: Final = CHECKOUT / "docs" / "api.md"
PAGES: Final = (README, *sorted((CHECKOUT / "docs").glob("*.md")))

PRINTED_URL: Final = "http://127.0.0.1:8000"
"""The API as the pages print it. In tests only its port is another one."""

_BLOCK: Final = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```$", re.M | re.S)
_PYTHON: Final = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
_CODE: Final = re.compile(r"`([^`\n]+)`")
_CONTINUED: Final = re.compile(r" *\\\n *")
_COMMENT: Final = re.compile(r"(?:^|\s+)# .*$")


def shell_commands(page: Path) -> list[str]:
    """Commands of the page's shell blocks in order: continued lines as one, without comments."""
    blocks = "".join(_BLOCK.findall(page.read_text(encoding="utf-8")))
    lines = (_COMMENT.sub("", line).strip() for line in _CONTINUED.sub(" ", blocks).splitlines())
    return [line for line in lines if line]


def python_examples(page: Path) -> list[str]:
    """The page's blocks of Python, in order."""
    return _PYTHON.findall(page.read_text(encoding="utf-8"))


def inline_code(page: Path) -> list[str]:
    """What stands between single backticks, in order; a cell's escaped bars as bars."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return [code.replace("\\|", "|") for code in _CODE.findall(text)]
