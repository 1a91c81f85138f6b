"""Files in an S3 store, by the methods of `pathlib.Path` that Saran uses: what is written for folders works on buckets.

Credentials are the standard ones of AWS (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what a pod is given); they
are never part of settings, so a path can be sent to Spark's workers. Those of a second store have names of their own.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import fs

SCHEME: Final = "s3://"
_CONNECT_SECONDS: Final = 5.0
_REQUEST_SECONDS: Final = 30.0


class S3(BaseModel):
    """How the store is reached. Any server that speaks S3 with conditional writes will do."""

    model_config = ConfigDict(frozen=True)

    endpoint: str = Field(default="", pattern=r"^(https?://[^/]+)?$", description="http(s)://host[:port]; AWS if empty")
    region: str = "us-east-1"
    path_style: bool = Field(default=True, description="endpoint/bucket/key, not bucket.endpoint/key")
    bucket_prefix: str = Field(default="", description="Before each bucket's name, where a store is shared")
    ca_file: Path | None = Field(default=None, description="PEM bundle that signs the store's certificate")
    variables: str = Field(
        default="", description="Before the names of AWS's variables where this store has other credentials, if set"
    )


@dataclass(frozen=True)
class S3Path:
    """An object, or the prefix of many. `key` begins with the bucket. Equal paths are equal and can be pickled.

    Methods raise OSError (FileNotFoundError where there is no such object) as those of pathlib.Path do.
    """

    s3: S3
    key: str

    def __str__(self) -> str:
        return SCHEME + self.key

    def __truediv__(self, name: str) -> S3Path:
        return S3Path(self.s3, f"{self.key}/{name}")

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def parent(self) -> S3Path:
        """The prefix that holds it."""
        return S3Path(self.s3, self.key.rsplit("/", 1)[0])

    def exists(self) -> bool:
        """Whether there is such an object, or any below the prefix."""
        return str(self._files.get_file_info(self.key).type.name) != "NotFound"

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: a prefix is there as soon as it has an object. For who looks for a folder, see `mark_folder`."""

    def mark_folder(self) -> None:
        """Put the empty object by which Hadoop's client knows a folder that has nothing in it yet."""
        self._files.create_dir(self.key, recursive=False)

    def iterdir(self) -> Iterator[S3Path]:
        """What lies directly below the prefix, by name; nothing when there is no such prefix."""
        from pyarrow import fs  # noqa: PLC0415 - as in _file_system

        found = self._files.get_file_info(fs.FileSelector(self.key, allow_not_found=True))
        yield from (S3Path(self.s3, key) for key in sorted(str(info.path) for info in found))

    def listing(self) -> list[fs.FileInfo]:
        """What the store tells of all objects below the prefix, at any depth."""
        from pyarrow import fs  # noqa: PLC0415 - as in _file_system

        return list(self._files.get_file_info(fs.FileSelector(self.key, allow_not_found=True, recursive=True)))

    def unlink(self) -> None:
        """Remove the object."""
        self._files.delete_file(self.key)

    def read_bytes(self) -> bytes:
        """The whole object."""
        with self._files.open_input_stream(self.key) as file:
            return bytes(file.readall())

    def read_text(self) -> str:
        """The whole object, which is UTF-8."""
        return self.read_bytes().decode()

    def write_bytes(self, content: bytes) -> None:
        """Put the object in one request: a reader sees the old or the new one, whole."""
        with self._files.open_output_stream(self.key) as file:
            file.write(content)

    def write_text(self, content: str) -> None:
        """Put the object in one request, as UTF-8."""
        self.write_bytes(content.encode())

    @property
    def _files(self) -> fs.S3FileSystem:
        return _file_system(self.s3)


Location: TypeAlias = Path | S3Path
"""A folder or a file, on disk or in the store."""


def open_input(place: Location) -> pa.NativeFile:
    """A file to read from any place in it. Raises FileNotFoundError."""
    import pyarrow as pa  # noqa: PLC0415 - as in _file_system

    if isinstance(place, S3Path):
        return _file_system(place.s3).open_input_file(place.key)
    return pa.memory_map(str(place))


def open_output(place: Location) -> pa.NativeFile:
    """A new file to write in order. In the store it is there once it is closed."""
    import pyarrow as pa  # noqa: PLC0415 - as in _file_system

    if isinstance(place, S3Path):
        return _file_system(place.s3).open_output_stream(place.key)
    return pa.OSFile(str(place), "wb")


def replace_text(place: Location, text: str) -> None:
    """Write a small file in one step that a reader cannot see half of."""
    if isinstance(place, S3Path):
        place.write_text(text)
        return
    partial = place.with_name(f".{place.name}.partial")
    partial.write_text(text)
    partial.replace(place)


def remove_folder(place: Location) -> None:
    """Remove all below `place`, if there is anything."""
    if isinstance(place, S3Path):
        with contextlib.suppress(FileNotFoundError):
            _file_system(place.s3).delete_dir(place.key)
    else:
        shutil.rmtree(place, ignore_errors=True)


def delta_options(place: Location) -> dict[str, str] | None:
    """Storage options of delta-rs for a table at `place`.

    A commit is put only where no object is (If-None-Match), so of two writers of one version the second is refused.
    """
    if not isinstance(place, S3Path):
        return None
    s3 = place.s3
    options = {
        "aws_region": s3.region,
        "aws_virtual_hosted_style_request": str(not s3.path_style).lower(),
        "aws_conditional_put": "etag",
        "connect_timeout": f"{_CONNECT_SECONDS:g}s",
        "timeout": f"{_REQUEST_SECONDS:g}s",
    }
    if s3.ca_file is not None:
        # The library has no option for authorities: it reads this variable at each table that is opened.
        os.environ["SSL_CERT_FILE"] = str(s3.ca_file)
    if s3.endpoint:
        options |= {"aws_endpoint": s3.endpoint, "allow_http": str(s3.endpoint.startswith("http:")).lower()}
    return options


@functools.cache
def _file_system(s3: S3) -> fs.S3FileSystem:
    # Imported here: most commands read settings and no file of the store, and this takes a tenth of a second.
    from pyarrow import fs  # noqa: PLC0415

    address = urlsplit(s3.endpoint)
    names = (f"{s3.variables}AWS_ACCESS_KEY_ID", f"{s3.variables}AWS_SECRET_ACCESS_KEY")
    own = tuple(os.environ.get(name) for name in names) if s3.variables else (None, None)
    return fs.S3FileSystem(
        access_key=own[0],
        secret_key=own[1],
        region=s3.region,
        scheme=address.scheme or "https",
        endpoint_override=address.netloc or None,
        force_virtual_addressing=not s3.path_style,
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        tls_ca_file_path=None if s3.ca_file is None else str(s3.ca_file),
        # A file is there when it is closed, also a small one: without this a write goes by a multipart upload.
        allow_delayed_open=True,
    )
