"""The job that trains the classification of items: silver.items in, gold.item_labels and ml_results out.

What an item is (its age class, or its first category) is learned from the words of its title and description and from
what else the catalogue says, of items that have one of their own; those that the data set's spec derived teach nothing
but its rules. Items without one get the likeliest, where it is likely enough. Lists, filters and pages then show it as
derived, from the next training of a recommender on.

In the driver's memory: the catalogue, its terms, and a vector for each of at most `sample` items.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.linalg import SparseVector
from pyspark.sql import SparkSession

from saran.core.errors import SaranError
from saran.core.model_folder import Comparison, Evaluation
from saran.core.names import Model, Table
from saran.core.rows import Rows
from saran.core.s3 import Location, open_output
from saran.core.settings import Settings
from saran.core.versions import VersionFacts, check_files, new_folder, read_manifest, seal
from saran.spark import class_figures as judge
from saran.spark.classifier_parameters import ClassifierParameters
from saran.spark.content_features import content_rows
from saran.spark.gold import replace_rows, write_metrics
from saran.spark.item_labels import AGE, own_age, own_genre
from saran.spark.list_parameters import ContentParameters
from saran.spark.ml_results import CLASSIFICATION, write_results
from saran.spark.promotion import Rival, compared, find_rival, promote
from saran.spark.stages import Stages
from saran.spark.tables import open_table, read_events, read_items
from saran.spark.trained import Trained
from saran.spark.training_data import event_facts
from saran.spark.visitor_training import Plan, version_facts

LOGISTIC: Final = "logistic"
CONSTANT: Final = "constant"
LABELS: Final = "labels.parquet"
_TEST_SHARE: Final = 0.2
_LEAST_OF_A_CLASS: Final = 5
_TITLES: Final = {AGE: "age class", "genre": "category"}


class ClassFigures(BaseModel):
    """How well one class is told from the others, on the test items."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    precision: float
    recall: float
    f1: float
    support: int = Field(description="Test items of this class")


class ClassifierManifest(VersionFacts):
    """Everything that made a version of the classification."""

    target: str
    labelled: int = Field(description="Items with a label of their own")
    labels_given: int = Field(description="Items that got one")
    classes: list[ClassFigures]
    evaluation: Evaluation
    comparison: Comparison | None = None


class _Data(NamedTuple):
    """Items that have a label: terms, codes into `names`, and which are the test."""

    rows: Rows
    terms: int
    known: NDArray[np.int64]
    codes: NDArray[np.int64]
    names: list[str]
    test: NDArray[np.bool_]


class _Model(NamedTuple):
    """A fitted classifier: weights (classes, terms), intercepts (classes,)."""

    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]

    def probabilities(self, rows: Rows, wanted: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each class for the rows `wanted`, (n, classes)."""
        scores = np.tile(self.intercepts, (len(wanted), 1))
        lengths = np.diff(rows.starts)[wanted]
        owner = np.repeat(np.arange(len(wanted)), lengths)
        first = np.repeat(rows.starts[wanted] - (np.cumsum(lengths) - lengths), lengths)
        place = np.arange(len(owner)) + first
        columns, values = rows.columns[place], rows.strengths[place].astype(np.float64)
        for code, weights in enumerate(self.weights):
            scores[:, code] += np.bincount(owner, weights=weights[columns] * values, minlength=len(wanted))
        grown = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances: NDArray[np.float64] = grown / grown.sum(axis=1, keepdims=True)
        return chances


def train_classifier(
    spark: SparkSession, settings: Settings, plan: Plan[ClassifierParameters], stages: Stages
) -> Trained[ClassifierManifest]:
    """Run the job. Raises SaranError, naming the fix, when there is too little to learn from."""
    told = plan.parameters
    with stages("read silver"):
        events = plan.events(settings)
        seen = event_facts(read_events(spark, events, plan.window))
        again = plan.again.tables[Table.SILVER_ITEMS] if plan.again else None
        catalogue = open_table(settings, Table.SILVER_ITEMS, again)
        if catalogue is None:
            raise SaranError("there is no table silver.items yet", fix="load a data set first (`saran load`)")
        items = read_items(catalogue, [])
        own = own_age(items) if told.target == AGE else own_genre(items)
        data = _data(items, own, told, plan.seed)
    with stages("train"):
        model = _fit(spark, data, told, plan.seed)
    train, test = data.known[~data.test], data.known[data.test]
    truth, count = data.codes[data.test], len(data.names)
    said = model.probabilities(data.rows, test).argmax(axis=1)
    most = np.full(len(test), np.bincount(data.codes[~data.test], minlength=count).argmax())
    evaluation = Evaluation(
        split=f"items with a label of their own: {_TEST_SHARE:.0%}, drawn by seed {plan.seed}, test, the others train",
        test_users=len(test),
        metrics={
            LOGISTIC: judge.figures(truth, said, count, seed=plan.seed),
            CONSTANT: judge.figures(truth, most, count, seed=plan.seed),
        },
    )
    labels = _labels(items, own, data, model, told)
    tables = {Table.SILVER_EVENTS: events.version(), Table.SILVER_ITEMS: catalogue.version()}
    scores = judge.by_class(truth, said, count)
    manifest = ClassifierManifest(
        **version_facts(Model.ITEM_CLASSIFIER, plan, tables, seen),
        algorithm=f"multinomial logistic regression of Spark ML on TF-IDF, for the {_TITLES[told.target]}",
        target=told.target,
        labelled=len(train) + len(test),
        labels_given=labels.num_rows,
        classes=[
            ClassFigures(label=name, precision=precision, recall=recall, f1=f1, support=int(support))
            for name, (precision, recall, f1, support) in zip(data.names, scores.tolist(), strict=True)
        ],
        evaluation=evaluation,
    )
    rival = _rival(settings, manifest)
    if rival is not None:
        with stages("compare with the champion"):
            manifest = manifest.model_copy(
                update={"comparison": _comparison(spark, rival, data, said, items, plan.seed)}
            )
    with stages("write"):
        folder = new_folder(settings.models_path, manifest)
        with open_output(folder / LABELS) as file:
            pq.write_table(labels, file)
        seal(folder, manifest, [LABELS])
        decision = promote(settings, manifest, rival, plan.promote)
        if decision.promoted:
            replace_rows(settings, Table.GOLD_ITEM_LABELS, labels, manifest)
            write_results(settings, CLASSIFICATION, labels)
        write_metrics(settings, manifest, evaluation)
    return Trained(folder, manifest, decision, stages.seconds)


def _data(items: pa.Table, own: pa.ChunkedArray, told: ClassifierParameters, seed: int) -> _Data:
    encoded = own.combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    names = encoded.dictionary.to_pylist()
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    # The most frequent first, equals by name: a class of few items cannot be learned, nor measured.
    order = sorted(range(len(names)), key=lambda code: (-sizes[code], names[code]))
    kept = [code for code in order if sizes[code] >= _LEAST_OF_A_CLASS][: told.classes]
    if len(kept) < 2:
        raise SaranError(
            f"{int(sizes.sum())} of {items.num_rows} items have their own {_TITLES[told.target]}, of "
            f"{len(kept)} classes with {_LEAST_OF_A_CLASS} items or more, and two such classes are the fewest to learn",
            fix="load a catalogue that gives some, or set another target (age, genre)",
        )
    new = np.full(len(names) + 1, -1)
    new[kept] = np.arange(len(kept))
    known = np.flatnonzero(new[codes] >= 0)
    rng = np.random.default_rng(seed)
    known = np.sort(rng.permutation(known)[: told.sample])
    test = np.zeros(len(known), dtype=np.bool_)
    test[rng.permutation(len(known))[: max(1, round(len(known) * _TEST_SHARE))]] = True
    rows, terms = content_rows(items, _features(told))
    return _Data(rows, terms, known, new[codes[known]], [names[code] for code in kept], test)


def _features(told: ClassifierParameters) -> ContentParameters:
    """What is asked for must not be among what it is told by."""
    return ContentParameters(age=0.0, price=0.0, categories=1.0 if told.target == AGE else 0.0)


def _fit(spark: SparkSession, data: _Data, told: ClassifierParameters, seed: int) -> _Model:
    starts, columns, strengths = data.rows
    train = [
        (float(code), SparseVector(data.terms, columns[a:b].tolist(), strengths[a:b].astype(float).tolist()))
        for code, a, b in zip(
            data.codes[~data.test].tolist(),
            starts[data.known[~data.test]].tolist(),
            starts[data.known[~data.test] + 1].tolist(),
            strict=True,
        )
    ]
    # One partition: sums of several are added in any order, and the last bits of a weight would differ.
    frame = spark.createDataFrame(train, ["label", "features"]).coalesce(1)
    made = LogisticRegression(
        family="multinomial", regParam=told.regularization, maxIter=told.iterations, standardization=False
    ).fit(frame)
    weights, intercepts = np.zeros((len(data.names), data.terms)), np.full(len(data.names), -np.inf)
    fitted = made.coefficientMatrix.toArray()
    weights[: len(fitted)], intercepts[: len(fitted)] = fitted, made.interceptVector.toArray()
    return _Model(weights, intercepts)


def _labels(items: pa.Table, own: pa.ChunkedArray, data: _Data, model: _Model, told: ClassifierParameters) -> pa.Table:
    """Rows target, item_id, label, probability of the items without a label of their own that get one."""
    missing = np.flatnonzero(own.is_null().to_numpy())
    missing = missing[np.diff(data.rows.starts)[missing] > 0]
    chances = model.probabilities(data.rows, missing)
    best = chances.argmax(axis=1) if len(missing) else np.zeros(0, np.int64)
    likely = chances.max(axis=1, initial=0.0) >= told.least_probability
    return pa.table(
        {
            "target": pa.repeat(told.target, int(likely.sum())),
            "item_id": items.column("item_id").take(pa.array(missing[likely])),
            "label": pa.array([data.names[code] for code in best[likely].tolist()], pa.string()),
            "probability": chances.max(axis=1, initial=0.0)[likely],
        }
    )


def _load(folder: Location) -> ClassifierManifest:
    manifest = read_manifest(folder, ClassifierManifest)
    check_files(folder, manifest, [LABELS])
    return manifest


def _rival(settings: Settings, manifest: ClassifierManifest) -> Rival[ClassifierManifest] | None:
    rival = find_rival(settings.models_path, manifest, _load)
    if rival is None or rival.recipe is None or rival.recipe.target == manifest.target:
        return rival
    return Rival(rival.version, rival.recipe, apart=f"tells the {_TITLES[rival.recipe.target]}")


def _comparison(
    spark: SparkSession,
    rival: Rival[ClassifierManifest],
    data: _Data,
    said: NDArray[np.int64],
    items: pa.Table,
    seed: int,
) -> Comparison | None:
    if rival.recipe is None or rival.apart:
        return None
    if rival.same:
        return compared(rival, judge.MACRO_F1, None, seed=seed)
    told = ClassifierParameters.of(rival.recipe.parameters)
    rows, terms = content_rows(items, _features(told))
    theirs = data._replace(rows=rows, terms=terms)
    others = _fit(spark, theirs, told, rival.recipe.seed).probabilities(rows, data.known[data.test]).argmax(axis=1)
    truth = data.codes[data.test]
    return compared(rival, judge.MACRO_F1, judge.gain(truth, said, others, len(data.names), seed=seed), seed=seed)
