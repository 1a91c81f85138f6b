"""Writes JSON schemas for `kubeconform` from what a cluster, or the operators' own files, say of their resources.

    python -m charts.schemas --cluster                                    of the cluster that kubectl reaches
    python -m charts.schemas --openapi swagger.json --crds FOLDER …       of Kubernetes' OpenAPI file and CRD manifests

They are strict: a field that the API does not know is an error. Tests of the charts find them in the cache.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from saran.core.settings import load_settings

_REF: Final = "#/definitions/"
_INT_OR_STRING: Final = {"type": ["string", "integer"]}
_LOOSE: Final = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _INT_OR_STRING,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
}
"""Types whose OpenAPI says less than the API takes."""


def default_folder() -> Path:
    """Where schemas are looked for."""
    return load_settings().cache / "chart-schemas"


def file_name(group: str, version: str, kind: str) -> str:
    """As kubeconform builds it from `{{.ResourceKind}}{{.KindSuffix}}`."""
    prefix = f"{group.split('.', maxsplit=1)[0]}-" if group else ""
    return f"{kind.lower()}-{prefix}{version}.json"


def of_openapi(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """File name and schema of each kind in a Swagger 2 document."""
    definitions = openapi["definitions"]
    for name, schema in definitions.items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            needed: dict[str, Any] = {}
            _collect(definitions, name, needed)
            root = needed[name]
            yield (
                file_name(kind["group"], kind["version"], kind["kind"]),
                {**root, "definitions": {other: found for other, found in needed.items() if other != name}},
            )


def of_crd(crd: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """File name and schema of each served version of a CustomResourceDefinition."""
    spec = crd["spec"]
    for version in spec["versions"]:
        schema = _strict(version["schema"]["openAPIV3Schema"])
        # Checked by Kubernetes itself, not by the definition, which says `object` of it.
        schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
        schema["properties"]["metadata"] = {"type": "object"}
        yield file_name(spec["group"], version["name"], spec["names"]["kind"]), schema


def _collect(definitions: dict[str, Any], name: str, needed: dict[str, Any]) -> None:
    """Put a definition, and those that it refers to, into `needed`."""
    if name in needed:
        return
    needed[name] = _LOOSE.get(name) or _strict(definitions[name])
    for reference in _references(needed[name]):
        _collect(definitions, reference, needed)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.removeprefix(_REF)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _strict(schema: Any) -> Any:
    """The schema without room for unknown fields, and without what is no JSON schema."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return dict(_INT_OR_STRING)
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    kept = {
        key: {name: _strict(one) for name, one in value.items()} if key == "properties" else _strict(value)
        for key, value in schema.items()
        if not key.startswith("x-kubernetes") and key not in {"description", "format", "example", "default"}
    }
    if "properties" in kept and not schema.get("x-kubernetes-preserve-unknown-fields"):
        kept.setdefault("additionalProperties", False)
    if schema.get("nullable"):
        kept["type"] = [kept["type"], "null"]
    kept.pop("nullable", None)
    return kept


def _kubectl(*arguments: str) -> Any:
    done = subprocess.run(["kubectl", *arguments], check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cluster", action="store_true", help="ask the cluster of kubectl's current context")
    parser.add_argument("--openapi", type=Path, help="Kubernetes' swagger.json")
    parser.add_argument("--crds", type=Path, nargs="*", default=[], help="folders of CustomResourceDefinitions")
    parser.add_argument("--out", type=Path, default=default_folder())
    given = parser.parse_args()
    openapi = _kubectl("get", "--raw", "/openapi/v2") if given.cluster else None
    if given.openapi:
        openapi = json.loads(given.openapi.read_text())
    crds = _kubectl("get", "crd", "-o", "json")["items"] if given.cluster else []
    for folder in given.crds:
        for path in sorted(folder.rglob("*.yaml")):
            crds += [found for found in yaml.safe_load_all(path.read_text()) if found]
    schemas = dict(of_openapi(openapi)) if openapi else {}
    for crd in crds:
        if crd["kind"] == "CustomResourceDefinition":
            schemas |= dict(of_crd(crd))
    given.out.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas.items():
        (given.out / name).write_text(json.dumps(schema))
    sys.stdout.write(f"{len(schemas)} schemas in {given.out}\n")


if __name__ == "__main__":
    main()
