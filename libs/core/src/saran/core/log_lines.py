"""Lines of a log: for people on a laptop, JSON in a cluster. A line of JSON holds nothing of the data it is about."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, Final

from saran.core.entities import format_time
from saran.core.settings import Settings

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""Of the request that is being answered."""

FACTS: Final = "facts"
"""Key of `extra` whose dictionary becomes members of a line of JSON."""

_TEXT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


def log_to_stderr(settings: Settings) -> None:
    """Send what is logged from INFO on to standard error, in the form that the settings ask for."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class JsonLines(logging.Formatter):
    """One object a line: time, level, logger, message, request_id, and of an error its kind and where it was raised.

    An error's own text is left out: it may quote a row or a request, and so a user.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if given := request_id.get():
            line["request_id"] = given
        line.update(getattr(record, FACTS, {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _chain(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _chain(error: BaseException) -> list[dict[str, Any]]:
    """The error, then what it came from."""
    found: list[dict[str, Any]] = []
    now: BaseException | None = error
    while now is not None and len(found) < 10:
        found.append({"type": f"{type(now).__module__}.{type(now).__qualname__}", "raised": _frames(now.__traceback__)})
        now = now.__cause__ or (None if now.__suppress_context__ else now.__context__)
    return found


def _frames(trace: TracebackType | None) -> list[str]:
    """`file:line function` of each frame, the innermost last."""
    return [
        f"{Path(frame.f_code.co_filename).name}:{line} {frame.f_code.co_qualname}" for frame, line in walk_tb(trace)
    ]
