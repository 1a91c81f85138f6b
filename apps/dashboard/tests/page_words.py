"""What a page under Streamlit's test runner says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Html


def run(script: Callable[[], None], **address: str) -> AppTest:
    """The page that `script` draws, at an address with these parameters."""
    page = AppTest.from_function(script, default_timeout=60)
    for name, value in address.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def text_of(page: AppTest) -> str:
    """All text of the page but its cards and metrics, without Markdown's escapes."""
    parts = (page.title, page.subheader, page.markdown, page.caption, page.warning, page.info, page.error, page.success)
    return "\n".join(str(element.value) for group in parts for element in group).replace("\\", "")


def drawn_html(page: AppTest) -> str:
    """The HTML of the page's cards."""
    return "".join(element.value for element in page.get("html") if isinstance(element, Html))


def chart_rows(page: AppTest, which: int = 0) -> list[dict[str, Any]]:
    """The rows behind a chart of the page."""
    data = page.get("vega_lite_chart")[which].proto.data.data
    rows: list[dict[str, Any]] = pa.ipc.open_stream(data).read_all().to_pylist()
    return rows
