"""Renderings that the tests of the charts share."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from charts.render import VARIANTS, documents, helm_template


@pytest.fixture(autouse=True, scope="session")
def helm() -> None:
    """Every test here renders, and so do fixtures of modules: hence the scope."""
    if shutil.which("helm") is None:
        pytest.skip("no helm in PATH: install Helm 3.18 or later")


@pytest.fixture
def minimal() -> list[dict[str, Any]]:
    """The default values' resources."""
    return documents(helm_template())


@pytest.fixture(params=sorted(VARIANTS))
def variant(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """Resources of each example and of the production profile."""
    return documents(helm_template(values=(VARIANTS[request.param],)))
