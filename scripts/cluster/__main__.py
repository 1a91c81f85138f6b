"""`python -m scripts.cluster preflight|up|down|purge --version TAG`, which the Makefile calls."""

from __future__ import annotations

import argparse
import os
import sys

from scripts.cluster.kind import Plan, down, preflight, up
from scripts.cluster.purge import purge
from scripts.cluster.tools import Failed, Kubectl, fail


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.cluster", description=__doc__)
    parser.add_argument("what", choices=["preflight", "up", "down", "purge"])
    parser.add_argument("--version", default="0.1.0", help="tag of the images")
    given = parser.parse_args()
    plan = Plan(given.version)
    try:
        if given.what == "purge":
            return purge(Kubectl(os.environ.get("KUBE_CONTEXT") or ""))
        return {"preflight": preflight, "up": up, "down": down}[given.what](plan)
    except Failed as error:
        return fail(error)


if __name__ == "__main__":
    sys.exit(main())
