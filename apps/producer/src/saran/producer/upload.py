"""`saran upload`: a data set's own files and posters into the object store, each once and verified.

Those of `movies` lie at the root of its bucket, as the movies system has them; other data sets lie below their name.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.credentials.providers import AWSConfigProvider, ChainedProvider, EnvAWSProvider, IamAwsProvider
from minio.error import S3Error

from saran.core.errors import SaranError
from saran.core.names import Bucket
from saran.core.settings import Settings

POSTERS: Final = "posters"
_MOVIES: Final = "movies"
_TABLES: Final = ("*.csv", "*.csv.gz")
_IMAGES: Final = frozenset((".jpg", ".jpeg", ".png", ".webp"))
_PART_BYTES: Final = 16 << 20
"""Larger files go in parts of this size, which their tags depend on."""

_AT_ONCE: Final = 8
_TIMEOUT: Final = urllib3.Timeout(connect=5, read=60)
_RETRIES: Final = urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))
_STATEMENT: Final = "SaranPublicPosters"


@dataclass(frozen=True)
class Uploaded:
    """What was done; `kept` were in the bucket already, with the same content."""

    bucket: str
    sent: int
    kept: int
    sent_bytes: int
    public: str | None
    """Prefix that anybody can read."""


@dataclass(frozen=True)
class _File:
    path: Path
    key: str


def upload(
    dataset: str, folder: Path, settings: Settings, *, found: Callable[[int], None], done: Callable[[int], None]
) -> Uploaded:
    """Send the CSV files in `folder`, and the images below its `posters/`, that the bucket lacks.

    `found` is called with the size of all, in bytes, `done` with that of each file. A file is verified by its entity
    tag, the MD5 of what the store received: on a bucket encrypted by KMS tags are something else, and it is refused.
    Raises SaranError when there is nothing to send, no store is set, or the store refuses.
    """
    prefix = "" if dataset == _MOVIES else f"{dataset}/"
    files = [_File(path, prefix + path.relative_to(folder).as_posix()) for path in _wanted(folder)]
    if not files:
        raise SaranError(
            f"no .csv, .csv.gz or {POSTERS}/ with images in {folder}", fix="name the data set's folder with --path"
        )
    found(sum(file.path.stat().st_size for file in files))
    client = _client(settings)
    bucket = settings.s3.bucket_prefix + Bucket.MOVIES
    try:
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)

        def send(file: _File) -> int:
            size = _send(client, bucket, file)
            done(file.path.stat().st_size)
            return size

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            sizes = list(pool.map(send, files))
        posters = f"{prefix}{POSTERS}/"
        public = posters if any(file.key.startswith(posters) for file in files) else None
        if public is not None:
            _make_public(client, bucket, public)
    except S3Error as error:
        raise SaranError(
            f"the store refuses {error.bucket_name}/{error.object_name or ''}: {error.code}, {error.message}",
            fix="AWS_ACCESS_KEY_ID must be of a user who may write the bucket and set its policy",
        ) from error
    except urllib3.exceptions.HTTPError as error:
        raise SaranError(
            f"the store at {settings.s3.endpoint} does not answer: {error}", fix="check SARAN_S3__ENDPOINT"
        ) from error
    new = [size for size in sizes if size >= 0]
    return Uploaded(bucket, len(new), len(sizes) - len(new), sum(new), public)


def entity_tag(path: Path) -> str:
    """The tag that S3 gives a file put in parts of 16 MiB: its MD5, or that of its parts' where there are several."""
    digests = []
    with path.open("rb") as stream:
        while part := stream.read(_PART_BYTES):
            digests.append(hashlib.md5(part, usedforsecurity=False))
    if len(digests) == 1:
        return digests[0].hexdigest()
    whole = hashlib.md5(b"".join(digest.digest() for digest in digests), usedforsecurity=False).hexdigest()
    return f"{whole}-{len(digests)}" if digests else whole


def _wanted(folder: Path) -> Iterator[Path]:
    for pattern in _TABLES:
        yield from sorted(folder.glob(pattern))
    yield from sorted(path for path in (folder / POSTERS).rglob("*") if path.suffix.lower() in _IMAGES)


def _client(settings: Settings) -> Minio:
    s3 = settings.s3
    if not s3.endpoint:
        raise SaranError(
            "no object store is set", fix="set SARAN_S3__ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    credentials = ChainedProvider([EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider()])
    try:
        credentials.retrieve()
    except ValueError as error:
        raise SaranError(
            "no credentials for the object store", fix="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error
    address = urlsplit(s3.endpoint)
    trust: dict[str, Any] = {} if s3.ca_file is None else {"ca_certs": str(s3.ca_file)}
    return Minio(
        endpoint=address.netloc,
        secure=address.scheme == "https",
        region=s3.region,
        credentials=credentials,
        http_client=urllib3.PoolManager(timeout=_TIMEOUT, retries=_RETRIES, maxsize=_AT_ONCE, **trust),
    )


def _send(client: Minio, bucket: str, file: _File) -> int:
    """Bytes sent; -1 when the store has the file."""
    tag = entity_tag(file.path)
    try:
        if client.stat_object(bucket, file.key).etag == tag:
            return -1
    except S3Error as error:
        if error.code != "NoSuchKey":
            raise
    kind = mimetypes.guess_type(file.path.name)[0] or "application/octet-stream"
    # One thread a file is enough: many files go at once.
    written = client.fput_object(
        bucket, file.key, str(file.path), content_type=kind, part_size=_PART_BYTES, num_parallel_uploads=1
    )
    if written.etag != tag:
        client.remove_object(bucket, file.key)
        raise SaranError(
            f"{bucket}/{file.key} arrived with another content than {file.path} has, and was removed",
            fix="upload again; if the file is being written, wait until it is complete",
        )
    return file.path.stat().st_size


def _make_public(client: Minio, bucket: str, prefix: str) -> None:
    """Let anybody read what is below `prefix`, and nothing else; other statements of the policy stay."""
    policy: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
    try:
        policy = json.loads(client.get_bucket_policy(bucket))
    except S3Error as error:
        if error.code != "NoSuchBucketPolicy":
            raise
    statement = {
        "Sid": _STATEMENT,
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/{prefix}*"],
    }
    others = [one for one in policy["Statement"] if one.get("Resource") != statement["Resource"]]
    client.set_bucket_policy(bucket, json.dumps({**policy, "Statement": [*others, statement]}))
