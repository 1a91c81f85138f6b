"""The visitor models as folders: an ONNX graph that gives what Spark gave, and a manifest that says what it is.

    models/transaction_predictor/<version>/manifest.json      see `PredictorManifest`
                                           model.onnx         features (n, 3) float32 → probability (n,) float64
                                           sessions.onnx      likewise (n, 12): the predictor from session features
                                           examples.parquet   features, label and part: what it was trained on
    models/user_segmentation/<version>/manifest.json          see `SegmentManifest`
                                       model.onnx             features (n, 7) float32 → cluster (n,) int64
                                       examples.parquet       features: what it was trained on

Examples name no visitor. Features are float32 before training too, so that a threshold or a centre says the same
here and in Spark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from saran.core.model_folder import Comparison, Evaluation
from saran.core.s3 import Location, open_output
from saran.core.versions import ModelError, VersionFacts, check_files, new_folder, read_manifest, refuse, seal

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

INPUT: Final = "features"
PROBABILITY: Final = "probability"
CLUSTER: Final = "cluster"
GRAPH: Final = "model.onnx"
EXAMPLES: Final = "examples.parquet"
SESSIONS_GRAPH: Final = "sessions.onnx"

PURCHASE_INPUTS: Final = ("num_views", "num_addtocart", "distinct_items_interacted")
SESSION_INPUTS: Final = (
    *PURCHASE_INPUTS,
    *("num_purchases", "num_sessions", "days_since_first", "minutes_since_last", "views_of_last_item"),
    *("session_events", "session_addtocart", "session_items", "session_minutes"),
)
"""Those of the predictor from session features, of which `PURCHASE_INPUTS` are the first."""

SEGMENT_INPUTS: Final = (
    *("total_events", "total_views", "total_addtocart", "total_transactions"),
    *("view_ratio", "addtocart_ratio", "transaction_ratio"),
)


class _Stated(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bin(_Stated):
    """Test visitors whose probabilities are near each other: how many, what was said, and what was so."""

    visitors: int
    predicted: float = Field(description="Mean probability")
    observed: float = Field(description="Share that bought")


class Confusion(_Stated):
    """Test visitors by what was said at the threshold and what they did."""

    bought_foretold: int
    bought_missed: int
    not_bought_foretold: int
    not_bought_missed: int = Field(description="Rightly not foretold")


class SessionPredictor(_Stated):
    """The predictor from session features, which foretells the same purchases of the same visitors."""

    inputs: tuple[str, ...]
    algorithm: str
    threshold: float = Field(ge=0, le=1, description="From this probability on a visitor will transact")
    validation: dict[str, float] = Field(description="PR-AUC on the validation part, of `counts` and of `sessions`")
    calibration: list[Bin]
    confusion: Confusion

    @property
    def better(self) -> bool:
        """Whether it, not the predictor from counts, makes gold.purchase_propensity."""
        return self.validation["sessions"] > self.validation["counts"]


class PredictorManifest(VersionFacts):
    """Everything that made a version of the purchase predictor."""

    inputs: tuple[str, ...]
    horizon_days: float = Field(gt=0, description="A purchase later than this is none")
    threshold: float = Field(ge=0, le=1, description="From this probability on a visitor will transact")
    examples: dict[str, int] = Field(description="part → visitors")
    buyers: dict[str, int] = Field(description="part → visitors who bought")
    evaluation: Evaluation
    comparison: Comparison | None = Field(default=None, description="Beside the champion of its day")
    calibration: list[Bin] = Field(
        description="Tenths of the test visitors, likeliest first; their lift stands in them"
    )
    confusion: Confusion
    sessions: SessionPredictor | None = Field(default=None, description="None where it was not asked for")

    @model_validator(mode="after")
    def _has_inputs(self) -> Self:
        if self.inputs != PURCHASE_INPUTS:
            raise ValueError(f"inputs are {', '.join(self.inputs)}, not {', '.join(PURCHASE_INPUTS)}")
        return self

    @property
    def graphs(self) -> tuple[str, ...]:
        """Files of graphs."""
        return (GRAPH,) if self.sessions is None else (GRAPH, SESSIONS_GRAPH)


class Segment(_Stated):
    """One cluster: its id, which stays from version to version, its name, and its centre in plain figures."""

    cluster_id: int = Field(ge=0)
    name: str
    visitors: int
    centre: dict[str, float] = Field(description="input → mean; a count's is the mean of its logarithm, undone")


class SegmentManifest(VersionFacts):
    """Everything that made a version of the segmentation."""

    inputs: tuple[str, ...]
    segments: list[Segment] = Field(min_length=1)
    silhouette: dict[int, float] = Field(description="Number of clusters → silhouette, of those that were tried")
    matched_with: str | None = Field(description="The version that the ids were taken over from")
    evaluation: Evaluation | None = Field(default=None, description="None in versions of before it was kept")
    comparison: Comparison | None = Field(default=None, description="Beside the champion of its day")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.inputs != SEGMENT_INPUTS:
            raise ValueError(f"inputs are {', '.join(self.inputs)}, not {', '.join(SEGMENT_INPUTS)}")
        if len({segment.cluster_id for segment in self.segments}) != len(self.segments):
            raise ValueError("two segments have one cluster_id")
        return self

    @property
    def graphs(self) -> tuple[str, ...]:
        """Files of graphs."""
        return (GRAPH,)


Manifest = TypeVar("Manifest", PredictorManifest, SegmentManifest)


@dataclass(frozen=True)
class GraphModel(Generic[Manifest]):
    """A loaded version; threads can share it."""

    manifest: Manifest
    _session: InferenceSession

    def run(self, features: NDArray[np.float32]) -> NDArray[Any]:
        """The graph's answer for each row of `features`, shape (n, inputs)."""
        answer: NDArray[Any] = self._session.run(None, {INPUT: features})[0]
        return answer


def write_graph(models: Location, manifest: Manifest, graph: bytes, examples: pa.Table, *others: bytes) -> Location:
    """Write a version and return its folder; `graph` and `others` are in the order of the manifest's `graphs`.

    Raises ModelError when the version exists already.
    """
    folder = new_folder(models, manifest)
    for name, one in zip(manifest.graphs, (graph, *others), strict=True):
        with open_output(folder / name) as file:
            file.write(one)
    with open_output(folder / EXAMPLES) as file:
        pq.write_table(examples, file)
    seal(folder, manifest, (*manifest.graphs, EXAMPLES))
    return folder


def load_predictor(folder: Location) -> GraphModel[PredictorManifest]:
    """A version of the purchase predictor. Raises ModelError with the reason when it must not be served."""
    return _load(folder, PredictorManifest, lambda said, _: bool(((said >= 0) & (said <= 1)).all()))


def load_segmentation(folder: Location) -> GraphModel[SegmentManifest]:
    """A version of the segmentation. Raises ModelError with the reason when it must not be served."""
    return _load(
        folder,
        SegmentManifest,
        lambda said, manifest: set(said.tolist()) <= {segment.cluster_id for segment in manifest.segments},
    )


def _load(
    folder: Location, kind: type[Manifest], sound: Callable[[NDArray[Any], Manifest], bool]
) -> GraphModel[Manifest]:
    """Read a version and try it: whether the answers for two visitors are `sound`."""
    manifest: Manifest = read_manifest(folder, kind)
    check_files(folder, manifest, (*manifest.graphs, EXAMPLES))
    try:
        session = open_graph((folder / GRAPH).read_bytes())
        model = GraphModel(manifest, session)
        tried = model.run(np.zeros((2, len(manifest.inputs)), dtype=np.float32))
    # onnxruntime's own errors have no class in common but this one.
    except Exception as error:
        raise refuse(folder, error) from error
    if tried.shape != (2,):
        raise ModelError(
            f"model version {folder} is refused: it answers two visitors with shape {tried.shape}",
            fix="train again, or roll back",
        )
    if not sound(tried, manifest):
        raise ModelError(
            f"model version {folder} is refused: {tried.tolist()} is no answer of a {manifest.name}",
            fix="train again, or roll back",
        )
    return model


def open_graph(graph: bytes) -> InferenceSession:
    """A session on one thread: a visitor's answer takes microseconds, and threads would only wait for each other."""
    # It takes a part of a second to load, which a process without such a model does not need to spend.
    from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])
