"""Orders of the topic `requests`."""

from __future__ import annotations

import logging

import pytest

from saran.core.erasures import FOREVER, read_erasure
from saran.core.maintenance import order_maintenance, read_maintenance


def test_an_order_is_read() -> None:
    order = read_erasure(b'{"request_id":"r","subject":"%s","requested_at":"2026-01-02T03:04:05Z"}' % (b"a" * 32))
    assert order is not None
    assert (order.subject, order.until_ms) == ("a" * 32, FOREVER)


@pytest.mark.parametrize("value", [None, b"no json", b'{"kind":"erase","request_id":"r","subject":"ann@example.org"}'])
def test_what_is_no_order_is_told_of_without_its_values(value: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert read_erasure(value) is None
    assert "passed over" in caplog.text
    assert "ann@" not in caplog.text


def test_an_order_to_look_after_tables_is_none_and_no_news(caplog: pytest.LogCaptureFixture) -> None:
    order = order_maintenance()
    value = order.model_dump_json().encode()
    with caplog.at_level(logging.WARNING):
        assert read_erasure(value) is None
    assert not caplog.text
    assert read_maintenance(value) == order
    assert read_maintenance(b'{"kind":"erase"}') is None
