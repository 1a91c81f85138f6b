"""The programs that the chart carries in ConfigMaps, as modules."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from charts.render import CHART


def carried(name: str) -> ModuleType:
    """A fresh module of `files/NAME.py`."""
    spec = importlib.util.spec_from_file_location(name, CHART / "files" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
