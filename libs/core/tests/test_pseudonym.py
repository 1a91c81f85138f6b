"""Pseudonyms: one key an installation, kept, private, and needed to find a user again."""

from __future__ import annotations

from pathlib import Path

import pytest

from saran.core.errors import SaranError
from saran.core.pseudonym import installation_key, pseudonyms


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = installation_key(tmp_path)
    assert len(key) == 32
    assert installation_key(tmp_path) == key
    assert installation_key(tmp_path / "other") != key
    files = list((tmp_path / "secrets").iterdir())
    assert [path.name for path in files] == ["pseudonym.key"]
    assert files[0].stat().st_mode & 0o777 == 0o600


def test_a_broken_key_is_refused_and_kept(tmp_path: Path) -> None:
    installation_key(tmp_path)
    path = tmp_path / "secrets" / "pseudonym.key"
    path.write_bytes(b"short")
    with pytest.raises(SaranError, match="holds 5 bytes, not a key of 32: restore it from a backup"):
        installation_key(tmp_path)
    assert path.read_bytes() == b"short"


def test_pseudonyms_depend_on_user_and_key() -> None:
    one, other = bytes(32), bytes(31) + b"\x01"
    names = pseudonyms(["1", "2"], one)
    assert names == pseudonyms(["1", "2"], one)
    assert len({*names, *pseudonyms(["1", "2"], other)}) == 4
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in names)


def test_a_home_that_does_not_last_gets_no_key_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(SaranError, match="mount the installation's Secret"):
        installation_key(tmp_path, make=False)
    key = installation_key(tmp_path)
    assert installation_key(tmp_path, make=False) == key
