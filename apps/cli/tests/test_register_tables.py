from __future__ import annotations

import json

import httpx
import pytest

from saran.cli.register_tables import TABLES, register
from saran.core.errors import SaranError
from saran.core.names import Table
from saran.core.s3 import S3
from saran.core.settings import Settings
from saran.sql.trino import StatementError, Trino

SHOP = Settings(mode="cluster", storage="s3://", s3=S3(bucket_prefix="shop-"))


class Server:
    """Answers statements as Trino does: first a place to ask, which may be busy, then rows by pages, or an error."""

    def __init__(self, known: list[list[str]], absent: set[str], refusal: str = "") -> None:
        self.statements: list[str] = []
        self._known, self._absent, self._refusal = known, absent, refusal
        self._busy = True

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            assert request.headers["X-Trino-Catalog"] == "delta"
            self.statements.append(request.content.decode())
            return self._page("/v1/statement/queued")
        if request.url.path.endswith("queued"):
            if self._busy:
                self._busy = False
                return httpx.Response(503)
            return self._page("/v1/statement/rows", self._known[:1] if self._asks_for_names else [])
        return self._page(None, self._known[1:]) if self._asks_for_names else self._done()

    def _done(self) -> httpx.Response:
        if self._refusal:
            return self._failed("PERMISSION_DENIED", self._refusal)
        if any(f"/{one.replace('.', '/')}'" in self.statements[-1] for one in self._absent):
            return self._failed(
                "DELTA_LAKE_INVALID_TABLE", "No transaction log found in location s3://shop-lakehouse/x"
            )
        return self._page(None)

    @property
    def _asks_for_names(self) -> bool:
        return self.statements[-1].startswith("SELECT")

    @staticmethod
    def _page(following: str | None, rows: list[list[str]] | None = None) -> httpx.Response:
        answer: dict[str, object] = {"id": "1", "data": rows or None}
        return httpx.Response(200, json=answer | ({"nextUri": f"http://trino{following}"} if following else {}))

    @staticmethod
    def _failed(name: str, message: str) -> httpx.Response:
        return httpx.Response(200, content=json.dumps({"id": "1", "error": {"errorName": name, "message": message}}))


def ask(server: Server) -> list[str]:
    with httpx.Client(base_url="http://trino", transport=httpx.MockTransport(server)) as client:
        return register(Trino(client), SHOP)


def test_each_table_that_is_new_is_registered_where_it_lies() -> None:
    known = [table.split(".") for table in TABLES if table not in {Table.SILVER_EVENTS, Table.GOLD_POPULARITY}]
    server = Server(known, absent={Table.GOLD_POPULARITY})
    assert ask(server) == [Table.SILVER_EVENTS]
    assert server.statements[1:] == [
        "CREATE SCHEMA IF NOT EXISTS delta.gold",
        "CALL delta.system.register_table(schema_name => 'gold', table_name => 'popularity', "
        "table_location => 's3://shop-lakehouse/gold/popularity')",
        "CREATE SCHEMA IF NOT EXISTS delta.silver",
        "CALL delta.system.register_table(schema_name => 'silver', table_name => 'events', "
        "table_location => 's3://shop-lakehouse/silver/events')",
    ]


def test_nothing_is_asked_for_where_all_is_known() -> None:
    server = Server([table.split(".") for table in TABLES], absent=set())
    assert ask(server) == []
    assert len(server.statements) == 1


def test_a_refusal_is_told_and_so_is_silence() -> None:
    with pytest.raises(StatementError, match="PERMISSION_DENIED: Access Denied"):
        ask(Server([], absent=set(), refusal="Access Denied"))

    def nobody(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with (
        httpx.Client(base_url="http://trino", transport=httpx.MockTransport(nobody)) as client,
        pytest.raises(SaranError, match="SARAN_TRINO_URL"),
    ):
        Trino(client).run("SELECT 1")
