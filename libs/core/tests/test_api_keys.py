"""The file of API keys."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from saran.core.api_keys import Holder, add_key_line, key_line, new_key, read_keys
from saran.core.errors import SaranError


def test_a_line_holds_the_hash_and_not_the_key() -> None:
    line = key_line("shop", "secret", "read,events")
    assert line == f"shop {hashlib.sha256(b'secret').hexdigest()} read,events"
    assert read_keys(f"# who may\n\n{line}  # the shop\n", "keys") == {
        hashlib.sha256(b"secret").hexdigest(): Holder("shop", frozenset({"read", "events"}))
    }


def test_keys_are_long_and_never_the_same() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == len("saran_") + 43 for key in keys), "256 bits in base64"


@pytest.mark.parametrize(
    ("scopes", "read", "events", "admin"),
    [("read", True, False, False), ("events", False, True, False), ("admin", True, True, True)],
)
def test_what_a_scope_allows(scopes: str, read: bool, events: bool, admin: bool) -> None:
    (holder,) = read_keys(key_line("a", "k", scopes), "keys").values()
    assert [holder.may(scope) for scope in ("read", "events", "admin")] == [read, events, admin]


def test_a_key_is_bound_to_users_and_to_beginnings_of_ids() -> None:
    (free,) = read_keys(key_line("a", "k", "read"), "keys").values()
    assert free.owns("anybody")
    line = key_line("a", "k", "read", ["u 1", "münch,en#*", "shop-a/*"])
    assert line.endswith(" read users=u%201,m%C3%BCnch%2Cen%23*,shop-a%2F*")
    (bound,) = read_keys(line, "keys").values()
    for user, owned in {
        "u 1": True,
        "u 10": False,
        "u": False,
        "": False,
        "münch,en#2": True,
        "shop-a/7": True,
        "shop-a": False,
        "shop-b/7": False,
    }.items():
        assert bound.owns(user) == owned, user


@pytest.mark.parametrize(
    "line",
    [
        "shop",
        "shop 00 read",
        f"shop {'0' * 64} write",
        f"shop {'0' * 64} read events",
        f"sh op {'0' * 64} read",
        f"shop {'0' * 64} read users=",
    ],
)
def test_a_wrong_line_is_named(line: str) -> None:
    with pytest.raises(SaranError, match="keys, line 2"):
        read_keys(f"# first\n{line}\n", "keys")


def test_lines_are_added_to_a_file_of_the_owner(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    first, second = key_line("a", "1", "read"), key_line("b", "2", "events")
    add_key_line(file, first)
    add_key_line(file, second)
    assert file.read_text() == f"{first}\n{second}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(SaranError, match="has a key of a already"):
        add_key_line(file, key_line("a", "3", "read"))
    assert file.read_text() == f"{first}\n{second}\n"
