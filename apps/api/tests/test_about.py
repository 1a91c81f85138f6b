"""What is told of the data set when its spec cannot be read."""

from __future__ import annotations

from pathlib import Path

from saran.api.about import read_about
from saran.core.settings import Settings


def test_a_spec_that_is_not_there_is_said_and_stops_nothing(tmp_path: Path) -> None:
    about = read_about(Settings(home=tmp_path, datasets=tmp_path, dataset="shop"))
    assert (about.name, about.facts) == ("shop", None)
    assert about.warning is not None
    assert "there is no dataset 'shop'" in about.warning
