"""Versions of the visitor models whose answers arithmetic demands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake
from onnx import TensorProto, helper, numpy_helper

from saran.core.model_folder import Evaluation, Metric
from saran.core.names import Model, Table
from saran.core.s3 import Location
from saran.core.settings import Settings
from saran.core.versions import set_champion
from saran.core.visitor_models import (
    CLUSTER,
    INPUT,
    PROBABILITY,
    PURCHASE_INPUTS,
    SEGMENT_INPUTS,
    Confusion,
    PredictorManifest,
    Segment,
    SegmentManifest,
    write_graph,
)

_EXAMPLES = pa.table({"nothing": [0]})


def publish_predictor(models: Location, version: str, *, inputs: int = 3, said: str = "num_addtocart") -> Location:
    """Serve a version that says a tenth of the input `said`, and foretells a purchase from 0.5 on."""
    pick = numpy_helper.from_array(np.array(PURCHASE_INPUTS.index(said)), "pick")
    ten = numpy_helper.from_array(np.array(10.0), "ten")
    nodes = [
        helper.make_node("Cast", [INPUT], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Gather", ["wide", "pick"], ["count"], axis=1),
        helper.make_node("Div", ["count", "ten"], [PROBABILITY]),
    ]
    manifest = PredictorManifest(
        **_facts(Model.TRANSACTION_PREDICTOR, version),
        inputs=PURCHASE_INPUTS,
        horizon_days=3,
        threshold=0.5,
        examples={"test": 4},
        buyers={"test": 1},
        evaluation=Evaluation(
            split="none", test_users=4, metrics={"forest": {"pr-auc": Metric(value=0.5, low=0.4, high=0.6)}}
        ),
        calibration=[],
        confusion=Confusion(bought_foretold=1, bought_missed=0, not_bought_foretold=1, not_bought_missed=2),
    )
    graph = _graph(nodes, [pick, ten], inputs, PROBABILITY, TensorProto.DOUBLE)
    return _publish(models, manifest, graph)


def publish_segmentation(
    models: Location, version: str, *, visitors: tuple[int, int] = (2, 2), matched_with: str | None = None
) -> Location:
    """Serve a version that puts visitors with a transaction into segment 4, others into segment 2."""
    pick = numpy_helper.from_array(np.array(3), "pick")
    none, ids = (
        numpy_helper.from_array(np.array(0.0, np.float32), "none"),
        numpy_helper.from_array(np.array([2, 4]), "ids"),
    )
    nodes = [
        helper.make_node("Gather", [INPUT, "pick"], ["bought"], axis=1),
        helper.make_node("Greater", ["bought", "none"], ["some"]),
        helper.make_node("Cast", ["some"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["ids", "place"], [CLUSTER]),
    ]
    manifest = SegmentManifest(
        **_facts(Model.USER_SEGMENTATION, version),
        inputs=SEGMENT_INPUTS,
        segments=[
            Segment(cluster_id=number, name=name, visitors=count, centre={})
            for number, name, count in zip((2, 4), ("window shopper", "loyal buyer"), visitors, strict=True)
        ],
        silhouette={2: 0.9},
        matched_with=matched_with,
    )
    return _publish(models, manifest, _graph(nodes, [pick, none, ids], 7, CLUSTER, TensorProto.INT64))


def write_user_segments(settings: Settings, version: str, rows: list[tuple[int, str, list[float]]]) -> None:
    """gold.user_segments as the training writes it: cluster, name and inputs of each user."""
    inputs = np.array([row[2] for row in rows], dtype=np.float32).reshape(-1, len(SEGMENT_INPUTS))
    table = pa.table(
        {
            "user_id": [f"u{number}" for number in range(len(rows))],
            **{name: inputs[:, place] for place, name in enumerate(SEGMENT_INPUTS)},
            "cluster_id": [row[0] for row in rows],
            "segment": [row[1] for row in rows],
            "model_version": [version] * len(rows),
            "as_of": pa.array([datetime(2026, 5, 2, tzinfo=UTC)] * len(rows), pa.timestamp("us", "UTC")),
        }
    )
    write_deltalake(str(settings.table_folder(Table.GOLD_USER_SEGMENTS)), table, mode="overwrite")


def _facts(name: str, version: str) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "dataset": "shop",
        "synthetic": True,
        "algorithm": "arithmetic",
        "parameters": {},
        "seed": 1,
        "tables": {},
    }


def _graph(nodes: Any, constants: Any, inputs: int, output: str, kind: int) -> bytes:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, inputs])],
        [helper.make_tensor_value_info(output, kind, [None])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def _publish(models: Location, manifest: Any, graph: bytes) -> Location:
    folder = write_graph(models, manifest, graph, _EXAMPLES)
    set_champion(models, manifest.name, manifest.version)
    return folder
