"""Specs from YAML; a mistake is reported with its file, line and field."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from saran.core.datasets.errors import SpecError
from saran.core.datasets.spec import Capabilities, DatasetSpec
from saran.core.settings import Settings

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class DatasetRow:
    """One line of `saran datasets`."""

    name: str
    title: str
    bundled: bool
    synthetic: bool
    capabilities: Capabilities
    terms: str
    path: Path


class _Loader(yaml.SafeLoader):
    """YAML in which only true and false are Boolean (`on` and `no` are words) and every key is text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping with its keys as they are written."""
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def load_spec(name_or_path: str | Path, settings: Settings) -> DatasetSpec:
    """The spec of that name in settings.datasets, or at that path (it has a slash or ends in .yaml or .yml).

    Raises SpecError naming file, line and field of each mistake.
    """
    text = str(name_or_path)
    if "/" in text or text.endswith((".yaml", ".yml")):
        path = Path(text).expanduser().resolve()
        if not path.is_file():
            raise SpecError(f"there is no dataset spec {path}", fix="check the path")
        return read_spec(path)
    path = settings.datasets / f"{text}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in settings.datasets.glob("*.yaml"))
        near = difflib.get_close_matches(text, known, n=1)
        raise SpecError(
            f"there is no dataset {text!r} in {settings.datasets}" + (f", did you mean {near[0]!r}?" if near else ""),
            fix=f"take one of {', '.join(known) or '(none)'}, or give the path of a .yaml file",
        )
    return read_spec(path)


def list_specs(settings: Settings) -> list[DatasetRow]:
    """All specs of settings.datasets, by name."""
    specs = [read_spec(path) for path in sorted(settings.datasets.glob("*.yaml"))]
    return [
        DatasetRow(
            name=spec.name,
            title=spec.title,
            bundled=spec.bundled,
            synthetic=spec.synthetic is not None,
            capabilities=spec.capabilities,
            terms=spec.terms,
            path=spec.path,
        )
        for spec in specs
    ]


def read_spec(path: Path) -> DatasetSpec:
    """The spec in a file."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise SpecError(f"{path}, line {line}: {error.problem}", fix="correct the YAML") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} is not YAML in UTF-8 ({error})", fix="correct the file") from error
    if not isinstance(node, yaml.MappingNode):
        raise SpecError(f"{path}, line 1: a spec is a mapping", fix="begin with `name: …` (docs/datasets.md)")
    lines: dict[Place, int] = {}
    for place, line, key in _walk(node, ()):
        if key and place in lines:
            raise SpecError(f"{path}, line {line}: {_dotted(place)} is given twice", fix="take one away")
        lines[place] = line
    try:
        spec = DatasetSpec.model_validate(_Loader("").construct_document(node))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise SpecError(f"{path}, line {line}: {error.problem}", fix="correct the YAML") from error
    except ValidationError as error:
        raise SpecError("\n".join(_explain(path, lines, mistake) for mistake in error.errors())) from error
    return spec.at(path)


def _walk(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int, bool]]:
    """Place and line of everything below a node, and whether it is a key of a mapping."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*place, str(key.value))
            yield below, key.start_mark.line + 1, True
            yield from _walk(value, below)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), value.start_mark.line + 1, False
            yield from _walk(value, (*place, index))


def _explain(path: Path, lines: Mapping[Place, int], mistake: Any) -> str:
    """One mistake in words. Parts of pydantic's place that the file does not have are passed over."""
    place: Place = ()
    unknown: list[str | int] = []
    loc = mistake["loc"]
    # Behind `events` pydantic puts the kind, which may be the name of a field too.
    for part in (loc[:1] + loc[2:]) if loc[:1] == ("events",) else loc:
        if (*place, part) in lines:
            place, unknown = (*place, part), []
        elif (*place, str(part)) in lines:
            place, unknown = (*place, str(part)), []
        else:
            unknown.append(part)
    line, kind = lines.get(place, 1), mistake["type"]
    where = f"{path}, line {line}"
    if kind == "missing":
        return f"{where}: {_dotted((*place, unknown[-1]))} is missing"
    if kind == "extra_forbidden":
        allowed = _fields_at(place[:-1], loc)
        near = difflib.get_close_matches(str(place[-1]), allowed, n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        return f"{where}: {_dotted(place)} is no field{hint} (allowed: {', '.join(allowed)})"
    text = mistake["msg"].removeprefix("Value error, ")
    given = mistake["input"]
    shown = f" (it is {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{where}: {_dotted(place) or 'the spec'}: {text[0].lower()}{text[1:]}{shown}"


def _dotted(place: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in place)


def _fields_at(place: Place, loc: Place) -> list[str]:
    """Fields that a mapping at this place of a spec may have; `loc` is pydantic's place, with the tags of choices."""
    models: list[type[BaseModel]] = [DatasetSpec]
    for part in place:
        below: list[type[BaseModel]] = []
        for model in models:
            if isinstance(part, str) and part in model.model_fields:
                below += _models_in(model.model_fields[part].annotation)
        # An index of a list or a key of a table is not a field: what is inside has been found already.
        models = below or models
        if len(models) > 1:
            models = [model for model in models if set(_tags(model)) & set(loc)] or models
    return list(dict.fromkeys(field for model in models for field in model.model_fields))


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    return typing.get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in typing.get_args(annotation) for model in _models_in(inner)]
