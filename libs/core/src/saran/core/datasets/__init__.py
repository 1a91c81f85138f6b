"""Data sets: what their specs say, and readers that turn their own files into events and items.

spec = load_spec("retailrocket", settings)       # a name in settings.datasets, or a path
dataset = open_dataset(spec, settings)           # finds its files; DATA folder, else bundled
for block in dataset.read_events(start_row=0):   # EventBlock: events, event_rows, rejected, …
    ...
for block in dataset.read_items():               # ItemBlock: items, rejected, …
    ...
"""

from saran.core.datasets.blocks import (
    EVENT_COLUMNS,
    ITEM_COLUMNS,
    REJECTED_SCHEMA,
    SYNTHETIC_MARKER,
    EventBlock,
    ItemBlock,
)
from saran.core.datasets.dataset import Dataset, open_dataset
from saran.core.datasets.errors import SpecError
from saran.core.datasets.load import DatasetRow, list_specs, load_spec
from saran.core.datasets.source_columns import source_columns, to_source_columns
from saran.core.datasets.spec import Capabilities, DatasetSpec, Origin

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
    "list_specs",
    "load_spec",
    "open_dataset",
    "source_columns",
    "to_source_columns",
]
