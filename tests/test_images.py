"""What an image runs can be loaded with the packages that are locked for it, and with no part but its own.

Here all packages of all images are installed: a module that another image lacks would go unseen until that is built.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
IMAGES: Final = ("api", "dashboard", "producer", "spark")
_PARTS: Final = re.compile(r"parts\.sh (?P<modules>\S+) (?P<folders>.+)")

_WITHOUT: Final = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in packages or name.startswith("saran.") and name.split(".")[1] not in parts:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

packages, parts = set(sys.argv[2].split(",")), set(sys.argv[3].split(","))
sys.meta_path.insert(0, Absent())
for module in sys.argv[1].split(","):
    __import__(module)
"""


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _locked(image: str) -> set[str]:
    text = (ROOT / "requirements" / f"{image}.txt").read_text()
    return {_canonical(name) for name in re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==", text, re.MULTILINE)}


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_needs_only_what_is_locked_for_it(image: str, tmp_path: Path) -> None:
    built = _PARTS.search((ROOT / "images" / image / "Dockerfile").read_text())
    assert built is not None
    parts = {Path(folder).name for folder in built["folders"].split()}
    locked = _locked(image)
    absent = {
        package
        for package, owners in packages_distributions().items()
        if not locked & {_canonical(owner) for owner in owners} and package != "saran"
    }
    assert ("pyspark" in absent) == (image != "spark")
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, built["modules"], ",".join(sorted(absent)), ",".join(sorted(parts))],
        env={"SARAN_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
