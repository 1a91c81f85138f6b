"""The programs that the charts carry."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from charts.render import documents, helm_template, one
from charts.tests.carried import carried

from saran.core.api_keys import Holder, hash_of, read_keys


def _wanted() -> dict[str, dict[str, str]]:
    """The Secrets that the default values ask for."""
    config = one("ConfigMap", "shop-secrets", documents(helm_template()))
    return {secret["name"]: secret["data"] for secret in json.loads(config["data"]["secrets.json"])}


def test_secrets_are_drawn_anew_and_fit_each_other() -> None:
    secrets = carried("create_secrets")
    first, second = ({key: base64.b64decode(text) for key, text in made.items()} for made in _twice(secrets))
    password = first["password"].decode()
    assert len(password) == 32
    assert password != second["password"].decode()
    assert first["url"].decode() == f"postgresql://saran:{password}@shop-postgresql:5432/saran"


def _twice(secrets: ModuleType) -> tuple[dict[str, str], dict[str, str]]:
    database = _wanted()["shop-database"]
    return secrets.values(database), secrets.values(database)


def test_the_stores_root_user_and_the_key_of_pseudonyms() -> None:
    secrets = carried("create_secrets")
    root = {key: base64.b64decode(text).decode() for key, text in secrets.values(_wanted()["shop-store-root"]).items()}
    assert root["config.env"] == (
        f'export MINIO_ROOT_USER="{root["username"]}"\nexport MINIO_ROOT_PASSWORD="{root["password"]}"\n'
    )
    key = secrets.values(_wanted()["shop-pseudonym"])["pseudonym.key"]
    assert len(base64.b64decode(key)) == 32


def test_the_apis_keys_are_read_by_the_api() -> None:
    made = carried("create_secrets").values(_wanted()["shop-api-keys"])
    keys = {name: base64.b64decode(text).decode() for name, text in made.items()}
    holders = read_keys(keys.pop("keys"), "keys")
    assert {name: holders[hash_of(key.encode())] for name, key in keys.items()} == {
        "client": Holder("client", frozenset({"read", "events"})),
        "dashboard": Holder("dashboard", frozenset({"read", "events"})),
        "metrics": Holder("metrics", frozenset({"read"})),
        "operator": Holder("operator", frozenset({"admin"})),
    }


class _ApiServer:
    """Answers as the API server does; keeps what it was sent."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.sent: list[tuple[str, str, dict[str, Any]]] = []

    def request(self, method: str, path: str, body: str, headers: dict[str, str]) -> None:
        assert headers["Authorization"] == "Bearer token"
        self.sent.append((method, path, json.loads(body)))

    def getresponse(self) -> Any:
        answer = io.BytesIO(b"{}")
        answer.status = self.status  # type: ignore[attr-defined]
        return answer


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "namespace").write_text("shop")
    (tmp_path / "token").write_text("token")
    return tmp_path


def test_a_secret_that_exists_is_left_alone(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = carried("create_secrets")
    monkeypatch.setattr(secrets, "ACCOUNT", account)
    server = _ApiServer(201)
    assert secrets.create(server, "a", {"x": "{random}"}) == "created"
    ((method, path, body),) = server.sent
    assert (method, path, body["metadata"]) == ("POST", "/api/v1/namespaces/shop/secrets", {"name": "a"})
    assert secrets.create(_ApiServer(409), "a", {"x": "{random}"}) == "exists"
    with pytest.raises(RuntimeError, match="refused to create the Secret a: 403"):
        secrets.create(_ApiServer(403), "a", {})


def test_a_user_of_the_store_gets_what_is_listed() -> None:
    pytest.importorskip("minio", reason="the package minio is not installed")
    store = carried("set_up_store")
    listing, reading = store.policy({"models": "read"})["Statement"]
    assert listing["Resource"] == ["arn:aws:s3:::models"]
    assert (reading["Action"], reading["Resource"]) == (["s3:GetObject"], ["arn:aws:s3:::models/*"])
    writing = store.policy({"lakehouse": "write"})["Statement"][1]
    assert {"s3:PutObject", "s3:DeleteObject"} <= set(writing["Action"])
    (public,) = store.public_policy("movies/posters/*")["Statement"]
    assert public["Action"] == ["s3:GetObject"]
