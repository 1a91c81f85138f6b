"""Data sets: what their specs say, and readers that turn their own files into events and items.

spec = load_spec("retailrocket", settings)       # a name in settings.datasets, or a path
dataset = open_dataset(spec, settings)           # finds its files; DATA folder, else bundled
for block in dataset.read_events(start_row=0):   # EventBlock: events, event_rows, rejected, …
    ...
for block in dataset.read_items():               # ItemBlock: items, rejected, …
    ...
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from saran.core.datasets.actions import actions_of, highest_rating
from saran.core.datasets.errors import SpecError
from saran.core.datasets.load import DatasetRow, list_specs, load_spec
from saran.core.datasets.spec import Capabilities, DatasetSpec, Origin

if TYPE_CHECKING:
    from saran.core.datasets.blocks import (
        EVENT_COLUMNS,
        ITEM_COLUMNS,
        REJECTED_SCHEMA,
        SYNTHETIC_MARKER,
        EventBlock,
        ItemBlock,
    )
    from saran.core.datasets.dataset import Dataset, open_dataset
    from saran.core.datasets.source_form import source_columns, to_source_columns

_READERS: Final = {
    "blocks": ("EVENT_COLUMNS", "ITEM_COLUMNS", "REJECTED_SCHEMA", "SYNTHETIC_MARKER", "EventBlock", "ItemBlock"),
    "dataset": ("Dataset", "open_dataset"),
    "source_form": ("source_columns", "to_source_columns"),
}
_MODULES: Final = {name: module for module, names in _READERS.items() for name in names}

__all__ = [
    "EVENT_COLUMNS",
    "ITEM_COLUMNS",
    "REJECTED_SCHEMA",
    "SYNTHETIC_MARKER",
    "Capabilities",
    "Dataset",
    "DatasetRow",
    "DatasetSpec",
    "EventBlock",
    "ItemBlock",
    "Origin",
    "SpecError",
    "actions_of",
    "highest_rating",
    "list_specs",
    "load_spec",
    "open_dataset",
    "source_columns",
    "to_source_columns",
]


def __getattr__(name: str) -> Any:
    """What reads files is imported when it is first asked for: it needs polars, which parts that read specs do not."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
