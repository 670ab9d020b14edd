"""Objects of Kubernetes and KubeRay checked as `kubectl --validate=strict` does: a field nobody knows is an error.

Kubernetes' own kinds are checked against its published schemas of version 1.37, which kubernetes-validate carries.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.support.kubernetes.kuberay import SPECS

Object = dict[str, Any]

_PUBLISHED = Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema/v1.37.0-local-strict"
_DEFINITIONS = "/api/_definitions.json"
_META = {"$ref": f"{_DEFINITIONS}#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}


def problems(thing: Object) -> list[str]:
    """Return where and how an object departs from its kind's schema; KeyError for a kind that none is known of."""
    return [
        f"{error.json_path}: {error.message}"
        for error in _validator(thing["apiVersion"], thing["kind"]).iter_errors(thing)
    ]


@cache
def _validator(version: str, kind: str) -> Draft202012Validator:
    return Draft202012Validator(
        _ray_schema(kind) if version == "ray.io/v1" else _schema(version, kind), registry=_registry()
    )


@cache
def _registry() -> Registry:
    known = json.loads((_PUBLISHED / "_definitions.json").read_text())
    return Registry().with_resource(_DEFINITIONS, Resource.from_contents(known, DRAFT202012))


def _schema(version: str, kind: str) -> Object:
    """The published schema of a kind: of batch/v1 and CronJob in cronjob-batch-v1.json, of v1 in secret-v1.json."""
    group, _, number = version.rpartition("/")
    name = "-".join(part for part in (kind.lower(), group.partition(".")[0], number) if part)
    schema: Object = json.loads((_PUBLISHED / f"{name}.json").read_text())
    return schema


def _ray_schema(kind: str) -> Object:
    return {
        "type": "object",
        "properties": {"apiVersion": True, "kind": True, "metadata": _META, "spec": SPECS[kind]},
        "required": ["metadata", "spec"],
        "additionalProperties": False,
    }
