"""API keys: their file, which holds only hashes, and what each allows."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args
from urllib.parse import quote, unquote

from saran.core.errors import SaranError

KeyScope = Literal["read", "events", "admin"]
"""`read`: lists, items, histories, figures. `events`: send events. `admin`: both, and what changes the installation."""

SCOPES: Final[tuple[str, ...]] = get_args(KeyScope)
_LINE: Final = re.compile(
    r"(?P<name>[A-Za-z0-9._-]{1,64}) (?P<hash>[0-9a-f]{64}) (?P<scopes>[a-z]+(,[a-z]+)*)"
    r"( users=(?P<users>[A-Za-z0-9._~%-]+\*?(,[A-Za-z0-9._~%-]+\*?)*))?"
)
_MANY: Final = "*"


@dataclass(frozen=True)
class Holder:
    """Whom a key was given to, and what it allows: of all users where `users` is None."""

    name: str
    scopes: frozenset[str]
    users: frozenset[str] | None = None
    beginnings: tuple[str, ...] = ()
    """Users whose ids begin with one of these are the holder's too."""

    def may(self, scope: str) -> bool:
        """`admin` includes the others."""
        return scope in self.scopes or "admin" in self.scopes

    def owns(self, user_id: str) -> bool:
        """Whether what is of this user is the holder's to see and to change."""
        return self.users is None or user_id in self.users or user_id.startswith(self.beginnings)


def new_key() -> str:
    """A key of 256 random bits: too many to guess, which is why a plain hash of it is enough to store."""
    return f"saran_{secrets.token_urlsafe(32)}"


def hash_of(key: bytes) -> str:
    """SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(key).hexdigest()


def key_line(name: str, key: str, scopes: str, users: Sequence[str] = ()) -> str:
    """The line of a keys file for `key`, bound to `users` if there are any: an id, or the beginning of ids and `*`.

    Raises SaranError for a name, scopes or users that a line cannot hold.
    """
    bound = ",".join(quote(user.removesuffix(_MANY), safe="") + _MANY * user.endswith(_MANY) for user in users)
    line = f"{name} {hash_of(key.encode())} {scopes}" + (f" users={bound}" if users else "")
    read_keys(line, "the new key")
    return line


def add_key_line(file: Path, line: str) -> None:
    """Put a line at the end of a keys file, in one step; the file is made, readable by its owner, when there is none.

    Raises SaranError when that cannot be done, when what is there is no keys file, or when the name has a key already.
    """
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        name = line.split(maxsplit=1)[0]
        if any(holder.name == name for holder in read_keys(before, file).values()):
            raise SaranError(f"{file} has a key of {name} already", fix=f"take another name, such as {name}-2")
        partial = file.with_name(file.name + ".partial")
        partial.touch(mode=0o600)
        partial.write_text(f"{before.rstrip()}\n{line}\n".lstrip("\n"), encoding="utf-8")
        if before:
            partial.chmod(file.stat().st_mode & 0o777)
        partial.replace(file)
    except (OSError, UnicodeDecodeError) as error:
        raise SaranError(
            f"the key cannot be added to {file}: {error}", fix="name a file in a folder of yours"
        ) from error


def read_keys(text: str, source: object) -> dict[str, Holder]:
    """Holders by hash, of lines `name sha256 scope[,scope…] [users=id[,id…]]`; `#` begins a comment.

    Ids are percent-encoded; one that ends with `*` stands for all that begin so. Raises SaranError naming a line.
    """
    holders: dict[str, Holder] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        match = _LINE.fullmatch(words)
        wanted = frozenset(match["scopes"].split(",")) if match else frozenset()
        if match is None or not wanted <= frozenset(SCOPES):
            raise SaranError(
                f"{source}, line {number}: not `name sha256 scope[,scope…] [users=id[,id…]]` with scopes of "
                + ", ".join(SCOPES),
                fix="make the line with `saran api-key`",
            )
        given = match["users"].split(",") if match["users"] else None
        holders[match["hash"]] = Holder(match["name"], wanted, *_bound(given))
    return holders


def _bound(given: Sequence[str] | None) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    if given is None:
        return None, ()
    beginnings = tuple(unquote(one.removesuffix(_MANY)) for one in given if one.endswith(_MANY))
    return frozenset(unquote(one) for one in given if not one.endswith(_MANY)), beginnings
