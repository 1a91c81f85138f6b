"""Spark's forests and centres as ONNX graphs, in double, so that both give the same answers.

Trees are the operator TreeEnsemble of ai.onnx.ml 5, whose thresholds are double; the operators before it round
them to float32, which sends a feature on a threshold the other way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from saran.core.visitor_models import CLUSTER, INPUT, PROBABILITY
from saran.spark.calibration import CLIP, Calibration
from saran.spark.forests import Forest, Node

_OPERATORS: Final = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5)]
_IR: Final = 10
_SUM: Final = 1
_PLAIN: Final = 0
_LESS_OR_EQUAL: Final = 0


def predictor_graph(forest: Forest, calibration: Calibration, inputs: int) -> bytes:
    """Features (n, inputs) float32 → the calibrated probability (n,) float64."""
    made = _Graph()
    wide = made.add("Cast", [INPUT], to=TensorProto.DOUBLE)
    summed = made.add("TreeEnsemble", [wide], domain="ai.onnx.ml", **_trees(forest))
    if forest.votes:
        least, most = made.constant(np.array(CLIP)), made.constant(np.array(1 - CLIP))
        share = made.add("Min", [made.add("Max", [summed, least]), most])
        odds = made.add("Div", [share, made.add("Sub", [made.constant(np.array(1.0)), share])])
        logit = made.add("Log", [odds])
    else:
        logit = made.add("Mul", [summed, made.constant(np.array(2.0))])
    scaled = made.add("Mul", [logit, made.constant(np.array(calibration.slope))])
    moved = made.add("Add", [scaled, made.constant(np.array(calibration.intercept))])
    # Sigmoid in double from its definition: onnxruntime's own is of a polynomial.
    over = made.add("Exp", [made.add("Neg", [moved])])
    one = made.constant(np.array(1.0))
    flat = made.add("Reciprocal", [made.add("Add", [over, one])])
    made.add("Reshape", [flat, made.constant(np.array([-1]))], output=PROBABILITY)
    return made.model(inputs, PROBABILITY, TensorProto.DOUBLE)


def segment_graph(
    logged: NDArray[np.bool_],
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
    centres: NDArray[np.float64],
    ids: NDArray[np.int64],
) -> bytes:
    """Features (n, inputs) float32 → the id of the nearest of the scaled `centres` (k, inputs), (n,) int64.

    `logged` (inputs,) says which features are counts, of which the logarithm of one more is taken; then x becomes
    (x - mean) × scale.
    """
    made = _Graph()
    wide = made.add("Cast", [INPUT], to=TensorProto.DOUBLE)
    grown = made.add("Log", [made.add("Add", [wide, made.constant(logged.astype(np.float64))])])
    values = made.add("Where", [made.constant(logged), grown, wide])
    scaled = made.add("Mul", [made.add("Sub", [values, made.constant(mean)]), made.constant(scale)])
    apart = made.add(
        "Sub", [made.add("Unsqueeze", [scaled, made.constant(np.array([1]))]), made.constant(centres[np.newaxis])]
    )
    distances = made.add("ReduceSum", [made.add("Mul", [apart, apart]), made.constant(np.array([2]))], keepdims=0)
    nearest = made.add("ArgMin", [distances], axis=1, keepdims=0)
    made.add("Gather", [made.constant(ids), nearest], output=CLUSTER)
    return made.model(len(mean), CLUSTER, TensorProto.INT64)


@dataclass
class _Graph:
    """Nodes and constants in the order in which they are made; each call gives the name of its output."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operator: str, inputs: Sequence[str], *, output: str | None = None, **attributes: Any) -> str:
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def model(self, inputs: int, output: str, kind: int) -> bytes:
        graph = helper.make_graph(
            self.nodes,
            output,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, inputs])],
            [helper.make_tensor_value_info(output, kind, [None])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=_OPERATORS, ir_version=_IR, producer_name="saran")
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def _trees(forest: Forest) -> dict[str, Any]:
    """The attributes of TreeEnsemble: inner nodes and leaves are numbered over all trees, each on its own."""
    inner: list[Node] = []
    leaves: list[float] = []
    roots: list[int] = []
    children: list[list[tuple[int, bool]]] = []

    def place(node: Node) -> tuple[int, bool]:
        if node.left is None or node.right is None:
            leaves.append(node.value)
            return len(leaves) - 1, True
        number = len(inner)
        inner.append(node)
        children.append([])
        children[number] = [place(node.left), place(node.right)]
        return number, False

    for tree in forest.trees:
        # The operator's roots are inner nodes: a tree of one leaf becomes a question with one answer.
        root = tree if tree.left is not None else Node(tree.value, 0, 0.0, tree, tree)
        roots.append(place(root)[0])
    return {
        "n_targets": 1,
        "aggregate_function": _SUM,
        "post_transform": _PLAIN,
        "tree_roots": roots,
        "nodes_modes": numpy_helper.from_array(np.full(len(inner), _LESS_OR_EQUAL, dtype=np.uint8), "modes"),
        "nodes_featureids": [node.feature for node in inner],
        "nodes_splits": numpy_helper.from_array(np.array([node.threshold for node in inner]), "splits"),
        "nodes_truenodeids": [pair[0][0] for pair in children],
        "nodes_trueleafs": [int(pair[0][1]) for pair in children],
        "nodes_falsenodeids": [pair[1][0] for pair in children],
        "nodes_falseleafs": [int(pair[1][1]) for pair in children],
        "leaf_targetids": [0] * len(leaves),
        "leaf_weights": numpy_helper.from_array(np.array(leaves), "weights"),
    }
