"""Versions of the visitor models: what must not be served is refused with its reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from apps.api.tests.visitor_versions import publish_predictor, publish_segmentation

from saran.core.versions import ModelError
from saran.core.visitor_models import GRAPH, load_predictor, load_segmentation


def _folder(path: object) -> Path:
    assert isinstance(path, Path)
    return path


def test_a_version_comes_back_and_answers(tmp_path: Path) -> None:
    model = load_predictor(publish_predictor(tmp_path, "1"))
    assert model.manifest.version == "1"
    assert model.run(np.array([[1, 3, 2], [9, 7, 0]], np.float32)).tolist() == [0.3, 0.7]


def test_a_broken_version_is_refused_with_its_reason(tmp_path: Path) -> None:
    folder = _folder(publish_predictor(tmp_path, "1"))
    graph = (folder / GRAPH).read_bytes()
    (folder / GRAPH).write_bytes(graph[:-1] + b"\0")
    with pytest.raises(ModelError, match=r"model\.onnx differs from its checksum"):
        load_predictor(folder)
    (folder / GRAPH).unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load_predictor(folder)
    with pytest.raises(ModelError, match="cannot be read"):
        load_predictor(_folder(publish_predictor(tmp_path, "2", inputs=5)))


def test_a_manifest_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_predictor(publish_segmentation(tmp_path, "1"))
    folder = _folder(publish_segmentation(tmp_path, "2"))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["segments"][0]["cluster_id"] = manifest["segments"][1]["cluster_id"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="two segments have one cluster_id"):
        load_segmentation(folder)
