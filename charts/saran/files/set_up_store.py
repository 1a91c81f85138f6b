"""Makes the buckets, policies and users that a file describes; safe to run again: `set_up_store.py STORE.json`.

The file holds {"endpoint", "region", "ca_file", "buckets", "public", "users", "logs"}: `public` are patterns
`bucket/prefix/*` that anyone may read, `users` maps a name to {"bucket": "read" | "write", "bucket/pattern": "put"},
`logs` is a {"bucket", "folder", "days"} whose folder is made, and whose logs the store removes after so many days, or
absent. A user's secret key is in the folder of its name below /etc/saran/users. Needs the package `minio`, and the root
user in MINIO_ROOT_USER and MINIO_ROOT_PASSWORD.
"""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio, MinioAdmin
from minio.commonconfig import ENABLED, Filter
from minio.credentials.providers import StaticProvider
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

USERS = Path("/etc/saran/users")
PATIENCE_SECONDS = 600
PAUSE_SECONDS = 2
_log = logging.getLogger("store")

READ = ["s3:GetObject"]
WRITE = [*READ, "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]


def policy(rights: dict[str, str]) -> dict[str, Any]:
    """An S3 policy that allows to list each bucket and read or write what is in it, or to put what a pattern names."""
    statements: list[dict[str, Any]] = []
    for bucket, right in sorted(rights.items()):
        arn = f"arn:aws:s3:::{bucket}"
        if right == "put":
            statements.append({"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": [arn]})
            continue
        listing = ["s3:ListBucket", "s3:GetBucketLocation"]
        statements.append({"Effect": "Allow", "Action": listing, "Resource": [arn]})
        actions = WRITE if right == "write" else READ
        statements.append({"Effect": "Allow", "Action": actions, "Resource": [f"{arn}/*"]})
    return {"Version": "2012-10-17", "Statement": statements}


def public_policy(pattern: str) -> dict[str, Any]:
    """A bucket's policy that lets anyone read what matches."""
    allowed = {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": READ, "Resource": [f"arn:aws:s3:::{pattern}"]}
    return {"Version": "2012-10-17", "Statement": [allowed]}


def set_up_logs(client: Minio, bucket: str, folder: str, days: int) -> None:
    """A folder, which in a store is an empty object; Spark's logs in it, `eventlog_…`, end after some days."""
    client.put_object(bucket, folder, io.BytesIO(), 0)
    chosen, end = Filter(prefix=f"{folder}eventlog"), Expiration(days=days)
    client.set_bucket_lifecycle(bucket, LifecycleConfig([Rule(ENABLED, chosen, "old-logs", expiration=end)]))


def wait_for(client: Minio) -> None:
    """Return when the store answers. Raises the last error after PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            client.list_buckets()
        except Exception as error:
            if time.monotonic() > deadline:
                raise
            _log.info("waiting for the store: %s", error)
            time.sleep(PAUSE_SECONDS)
        else:
            return


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    wanted = json.loads(Path(sys.argv[1]).read_text())
    scheme, address = wanted["endpoint"].split("://")
    secure = scheme == "https"
    credentials = StaticProvider(os.environ["MINIO_ROOT_USER"], os.environ["MINIO_ROOT_PASSWORD"])
    authority = wanted.get("ca_file")
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=False, ca_certs=authority)
    where = {"endpoint": address, "credentials": credentials, "secure": secure, "region": wanted["region"]}
    client, admin = Minio(**where, http_client=pool), MinioAdmin(**where, http_client=pool)
    wait_for(client)
    for bucket in wanted["buckets"]:
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
            _log.info("bucket %s made", bucket)
    for pattern in wanted["public"]:
        client.set_bucket_policy(pattern.split("/", 1)[0], json.dumps(public_policy(pattern)))
    if logs := wanted.get("logs"):
        set_up_logs(client, **logs)
        _log.info("%s/%s keeps files for %d days", logs["bucket"], logs["folder"], logs["days"])
    for user, rights in wanted["users"].items():
        secret = (USERS / user / "AWS_SECRET_ACCESS_KEY").read_text()
        admin.policy_add(f"saran-{user}", policy=policy(rights))
        admin.user_add(user, secret)
        admin.policy_set(f"saran-{user}", user=user)
        _log.info("user %s may %s", user, rights)


if __name__ == "__main__":
    main()
