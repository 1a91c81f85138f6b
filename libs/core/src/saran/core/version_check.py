"""Whether a version may be served: checked before it is promoted, by what the API checks before it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from saran.core.model_folder import load_model
from saran.core.names import Model
from saran.core.recommender import Recommender
from saran.core.s3 import Location
from saran.core.version_list import Facts
from saran.core.versions import check_files
from saran.core.visitor_models import load_predictor, load_segmentation


def check_version(folder: Location, facts: Facts) -> None:
    """Raises ModelError with the reason when the version in `folder` is broken, half written or of the wrong shape.

    Of a model that has no check of its own, the files must be as they were written.
    """
    check_files(folder, facts, list(facts.sha256))
    if check := _CHECKS.get(facts.name):
        check(folder)


def _recommender(folder: Location) -> None:
    Recommender(load_model(folder))


_CHECKS: Final[Mapping[str, Callable[[Location], object]]] = {
    Model.RECOMMENDER: _recommender,
    Model.TRANSACTION_PREDICTOR: load_predictor,
    Model.USER_SEGMENTATION: load_segmentation,
}
