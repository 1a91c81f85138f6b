"""A dataset spec: how a system's own files map to events and items. Data only; `load_spec` reads one from YAML."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from saran.core.confidence import Weights
from saran.core.entities import Action

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Lower-case letters, digits and hyphens: it becomes part of paths, sources and resource names."""

Column = Annotated[str, Field(min_length=1)]
"""Name of a column in a file, as the file spells it."""

Language = Literal["en", "id"]
"""English or Bahasa Indonesia (ISO 639-1)."""

ItemField = Literal[
    "item_id", "title", "description", "categories", "image_url", "url", "price", "list_price", "rating",
    "rating_count", "age_rating", "release_date", "is_available",
]  # fmt: skip
"""Fields of an item that a spec can map; attributes have a section of their own."""


class Origin(StrEnum):
    """Where something comes from; pages and answers show it."""

    GIVEN = "given"
    DERIVED = "derived"
    SIMULATED = "simulated"
    NONE = "none"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Capabilities(_Model):
    """What the data has, and whether it is given, derived by a rule of the spec, simulated, or absent."""

    interactions: Origin = Origin.GIVEN
    users: Origin = Origin.NONE
    sessions: Origin = Origin.NONE
    ratings: Origin = Origin.NONE
    titles: Origin = Origin.NONE
    categories: Origin = Origin.NONE
    prices: Origin = Origin.NONE
    images: Origin = Origin.NONE
    ages: Origin = Origin.NONE


class CsvFormat(_Model):
    """How the files are written."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)


class EventColumns(_Model):
    """Which column of the events file holds which field of an event."""

    user_id: Column
    item_id: Column
    event_time: Column
    action: Column | None = None
    value: Column | None = None
    session_id: Column | None = None
    transaction_id: Column | None = None


class ValueRange(_Model):
    """What a value may be; a row outside is rejected."""

    min: float | None = None
    max: float | None = None
    required: bool = Field(default=False, description="Whether a row without a value is rejected too")


class FileEvents(_Model):
    """Events are rows of a file."""

    kind: Literal["file"]
    file: str = Field(min_length=1, description="CSV, or the same name with .gz, in the data folder")
    header: list[Column] | None = Field(default=None, description="Column names, where the file has no header line")
    columns: EventColumns
    time: Literal["s", "ms", "us", "text"] = Field(
        description="Unit of event_time since 1970 (UTC), or text: RFC 3339 or YYYY-MM-DD HH:MM:SS, UTC where no zone"
    )
    actions: dict[str, Action] = Field(default_factory=dict, description="The source's words for actions")
    action: Action | None = Field(default=None, description="The action of every row, where no column says it")
    value_range: ValueRange = ValueRange()
    context: dict[str, Column] = Field(default_factory=dict, description="Context key → column")
    source_columns: list[Column] = Field(
        min_length=1, description="The file's own columns in their order: what `saran batches` writes"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.columns.action is None) == (self.action is None):
            raise ValueError("give either columns.action (with actions) or action, not both or neither")
        if self.columns.action is not None and not self.actions:
            raise ValueError("columns.action needs actions: a table from the source's words to actions")
        unknown = [c for c in self.mapped_columns() if c not in self.source_columns]
        if unknown:
            raise ValueError(f"source_columns lacks {', '.join(unknown)}, which columns or context name")
        return self

    def mapped_columns(self) -> list[str]:
        """Columns of the file that the mapping needs, each once."""
        named = [c for c in self.columns.model_dump().values() if c is not None]
        return list(dict.fromkeys([*named, *self.context.values()]))


class JoinedEvents(_Model):
    """Events are those of another data set, joined to this catalogue on normalised title and year.

    Where the other data set is not found, or no title matches, interactions are simulated.
    """

    kind: Literal["join"]
    spec: Name = Field(description="The other data set's spec, in the folder of this one")
    folders: list[str] = Field(
        default_factory=list, description="Where its files may lie inside the data folder; else its bundled copy"
    )


class SimulatedEvents(_Model):
    """The data has no interactions; `saran simulate` and `saran load` make them, marked `<name>-simulated`."""

    kind: Literal["simulated"]


Events = Annotated[FileEvents | JoinedEvents | SimulatedEvents, Field(discriminator="kind")]


def _column_alone(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class ValueMap(_Model):
    """How one field of an item comes from columns. A plain column name is short for {column: name}.

    The steps run in this order: drop, pattern, words, exists_in, template; split and true_words come last.
    """

    column: Column | None = None
    columns: list[Column] | None = Field(default=None, description="Several columns, for categories only")
    drop: list[str] = Field(default_factory=list, description="Values that mean nothing is known")
    pattern: str | None = Field(default=None, description="Regular expression; its first group is the value")
    split: str | None = Field(default=None, description="Separator (regular expression) of a list, for categories only")
    true_words: list[str] | None = Field(
        default=None, description="For is_available: values that mean yes, in any case; others mean no"
    )
    words: dict[str, str] | None = Field(
        default=None, description="Lower-case text → the value; texts that are not there have no value"
    )
    template: str | None = Field(default=None, description="Text with {} where the value goes")
    exists_in: str | None = Field(
        default=None, description="Folder that must hold a file of this name, else there is no value"
    )

    @field_validator("pattern", "split")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"is not a regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.column is None) == (self.columns is None):
            raise ValueError("give either column or columns")
        if self.words is not None and any(word != word.lower() for word in self.words):
            raise ValueError("words must be lower case: values are compared in any case")
        if self.pattern is not None and re.compile(self.pattern).groups < 1:
            raise ValueError("pattern needs a group: parentheses around the part that is the value")
        if self.template is not None and self.template.count("{}") != 1:
            raise ValueError("template needs {} exactly once")
        return self

    def needs(self) -> list[str]:
        """Columns it reads."""
        return [self.column] if self.column is not None else list(self.columns or [])


MappedValue = Annotated[ValueMap, BeforeValidator(_column_alone)]


class Lookup(_Model):
    """Columns of a second file, added to the catalogue's rows where `key` equals the catalogue's column `on`."""

    file: str = Field(min_length=1)
    key: Column = Field(description="Column of this file")
    on: Column = Field(description="Column of the catalogue")
    columns: list[Column] = Field(min_length=1, description="Columns of this file to add; the first row of a key wins")
    collect: bool = Field(default=False, description="Join the distinct values of all rows of a key with |, sorted")
    optional: bool = Field(default=True, description="Whether the file may be missing; its columns are then empty")


class PropertyFormat(_Model):
    """Long format: a row says that an item's property had a value from a time on. The newest value counts."""

    item_id: Column
    property: Column
    value: Column
    time: Column = Field(description="Whole numbers; larger is newer")
    keep: list[str] = Field(min_length=1, description="Properties to read; each becomes a column of its name")


class Items(_Model):
    """The catalogue."""

    files: list[str] = Field(min_length=1, description="CSV files read one after the other, as one table")
    optional: bool = Field(
        default=False, description="Whether files may be missing; the catalogue is then the items that events name"
    )
    header: list[Column] | None = Field(default=None, description="Column names, where files have no header line")
    properties: PropertyFormat | None = Field(default=None, description="Set where files are in long format")
    from_events: bool = Field(default=False, description="Whether items that only events name are items too")
    lookups: list[Lookup] = Field(default_factory=list)
    columns: dict[ItemField, MappedValue]
    attributes: dict[str, MappedValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "item_id" not in self.columns:
            raise ValueError("columns needs item_id")
        for field, value in self.columns.items():
            if field != "categories" and (value.columns is not None or value.split is not None):
                raise ValueError(f"columns.{field}: columns and split are for categories only")
            if field != "is_available" and value.true_words is not None:
                raise ValueError(f"columns.{field}: true_words is for is_available only")
        for name, value in self.attributes.items():
            if value.columns is not None or value.split is not None or value.true_words is not None:
                raise ValueError(f"attributes.{name}: columns, split and true_words are for columns only")
        if self.optional and not self.from_events:
            raise ValueError("optional needs from_events: without files and events there is no catalogue")
        return self

    def values(self) -> list[ValueMap]:
        """Every mapped value, fields first."""
        return [*self.columns.values(), *self.attributes.values()]


class CertificateFile(_Model):
    """A file that holds certificates by title and year; used where it lies in the data folder."""

    file: str = Field(min_length=1)
    title: Column
    year: Column
    certificate: Column


class AgeRule(_Model):
    """Items of any of these categories get this certificate."""

    categories: list[str] = Field(min_length=1)
    certificate: str


class Ages(_Model):
    """How an item gets its age class: by a certificate from a file (given), else by the first rule that fits (derived).

    Which of the two it was stands in the item's attribute `age_rating_source`, the certificate in `certificate`.
    """

    files: list[CertificateFile] = Field(default_factory=list, description="In this order; the first that knows wins")
    classes: dict[str, str] = Field(description="Certificate → age class, such as R → 17+")
    rules: list[AgeRule] = Field(default_factory=list)
    default: str | None = Field(default=None, description="Certificate of items that no rule fits")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        named = [rule.certificate for rule in self.rules] + ([self.default] if self.default is not None else [])
        if unknown := sorted({certificate for certificate in named if certificate not in self.classes}):
            raise ValueError(f"classes lacks the certificate {', '.join(unknown)}, which rules or default name")
        return self


class DatasetSpec(_Model):
    """One data set."""

    name: Name
    title: str = Field(min_length=1, description="For people")
    terms: str = Field(min_length=1, description="Licence and what it asks for")
    obtain: str = Field(default="", description="Where a user gets the files")
    folder: str | None = Field(default=None, description="Folder of bundled files, beside the spec")
    bundled: bool = Field(default=False, description="Whether that folder holds the whole data set")
    synthetic: str | None = Field(default=None, description="Generator of a stand-in (`saran synthesise`)")
    csv: CsvFormat = CsvFormat()
    capabilities: Capabilities = Capabilities()
    languages: list[Language] = Field(
        default=["en"], min_length=1, description="Languages of the pages about its items, the first by default"
    )
    weights: Weights = Weights()
    events: Events
    items: Items
    ages: Ages | None = None

    _path: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.bundled and self.folder is None:
            raise ValueError("bundled needs folder")
        if self.items.from_events and not isinstance(self.events, FileEvents):
            raise ValueError("items.from_events needs events of kind file")
        return self

    @property
    def path(self) -> Path:
        """The file it was loaded from."""
        if self._path is None:
            raise ValueError(f"spec {self.name} was not loaded from a file")
        return self._path

    @property
    def bundled_folder(self) -> Path | None:
        """Folder of the files that come with the spec."""
        return None if self.folder is None else self.path.parent / self.folder

    def at(self, path: Path) -> Self:
        """Itself, knowing the file it was loaded from."""
        self._path = path
        return self
