"""Pseudonyms of users in files that outlive a user's rows: a keyed hash, so that a list of ids is no way back.

The same key gives the same pseudonym, which is how an erasure finds a user's rows in a training snapshot.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from saran.core.errors import SaranError

_KEY_BYTES: Final = 32
_DIGEST_BYTES: Final = 16


def installation_key(home: Path, *, make: bool = True) -> bytes:
    """The installation's key, from `home/secrets/pseudonym.key` (mode 0600), which is made when it is missing.

    With `make` off, as on a cluster whose homes do not last, a missing key is an error. Raises SaranError for that, and
    when the file holds something else.
    """
    path = home / "secrets" / "pseudonym.key"
    if not make and not path.exists():
        raise SaranError(
            f"there is no key of pseudonyms at {path}", fix="mount the installation's Secret of pseudonyms there"
        )
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(fresh, path)  # unlike a rename, this never replaces the key of a job that was quicker
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise SaranError(
            f"{path} holds {len(key)} bytes, not a key of {_KEY_BYTES}",
            fix="restore it from a backup; a new key can no longer find users in older training snapshots",
        )
    return key


def pseudonyms(user_ids: Iterable[str], key: bytes) -> list[str]:
    """For each id 32 hexadecimal characters (BLAKE2b of 128 bits, keyed)."""
    return [hashlib.blake2b(user.encode(), digest_size=_DIGEST_BYTES, key=key).hexdigest() for user in user_ids]
