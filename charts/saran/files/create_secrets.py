"""Creates the Secrets that a file describes and leaves those that exist as they are: `create_secrets.py SECRETS.json`.

The file is a list of {"name", "data"}. A value may hold {random} (a new text of 32 letters and digits), {key} (32
random bytes), or the name of a value that holds none, as it is or as {name:sha256}. Needs nothing but Python, and the
right to create Secrets.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import logging
import os
import secrets
import ssl
import string
import sys
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LETTERS = string.ascii_letters + string.digits
SECONDS = 10
CREATED, CONFLICT = 201, 409
_log = logging.getLogger("secrets")


class Known(str):
    """A value that another may hold."""

    def __format__(self, how: str) -> str:
        return hashlib.sha256(self.encode()).hexdigest() if how == "sha256" else super().__format__(how)


def values(data: dict[str, str]) -> dict[str, str]:
    """Each value in base64, with what it asks for filled in."""
    made: dict[str, bytes] = {}
    for name, template in sorted(data.items(), key=lambda item: _refers(item[1])):
        if template == "{key}":
            made[name] = secrets.token_bytes(32)
            continue
        known = {other: Known(value.decode()) for other, value in made.items()} if _refers(template) else {}
        drawn = "".join(secrets.choice(LETTERS) for _ in range(32))
        made[name] = template.format_map({**known, "random": drawn}).encode()
    return {name: base64.b64encode(value).decode() for name, value in made.items()}


def _refers(template: str) -> bool:
    """Whether it holds the name of another value."""
    return any(field not in {None, "random", "key"} for _, field, _, _ in string.Formatter().parse(template))


def create(connection: http.client.HTTPConnection, name: str, data: dict[str, str]) -> str:
    """What was done, in a word. Raises RuntimeError for any refusal but "there is one"."""
    namespace, token = ((ACCOUNT / file).read_text() for file in ("namespace", "token"))
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": values(data)}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", f"/api/v1/namespaces/{namespace}/secrets", json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status not in {CREATED, CONFLICT}:
        raise RuntimeError(f"the API server refused to create the Secret {name}: {answer.status} {text}")
    return "created" if answer.status == CREATED else "exists"


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    connection = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
    for secret in json.loads(Path(sys.argv[1]).read_text()):
        _log.info("%s %s", secret["name"], create(connection, secret["name"], secret["data"]))


if __name__ == "__main__":
    main()
