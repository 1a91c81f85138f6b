"""Copies a folder of a bucket to disk: `fetch_files.py BUCKET PREFIX FOLDER`. Needs the package `minio`.

The store and its credentials are in SARAN_S3__… and AWS_….
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import urllib3
from minio import Minio
from minio.credentials.providers import EnvAWSProvider

_log = logging.getLogger("files")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    bucket, prefix, folder = sys.argv[1], sys.argv[2].strip("/"), Path(sys.argv[3])
    scheme, address = os.environ.get("SARAN_S3__ENDPOINT", "https://s3.amazonaws.com").split("://")
    timeout = urllib3.Timeout(connect=5, read=60)
    client = Minio(
        endpoint=address,
        credentials=EnvAWSProvider(),
        secure=scheme == "https",
        region=os.environ["SARAN_S3__REGION"],
        http_client=urllib3.PoolManager(timeout=timeout, ca_certs=os.environ.get("SARAN_S3__CA_FILE")),
    )
    start = f"{prefix}/" if prefix else ""
    copied = 0
    for found in client.list_objects(bucket, prefix=start, recursive=True):
        name = str(found.object_name)
        if found.is_dir or name.startswith("posters/"):
            continue
        _log.info("fetching %s, %s bytes", name, found.size)
        client.fget_object(bucket, name, str(folder / name.removeprefix(start)))
        copied += 1
    if not copied:
        _log.error("nothing below %s/%s: upload the files first (saran upload)", bucket, start)
    return 0 if copied else 1


if __name__ == "__main__":
    sys.exit(main())
