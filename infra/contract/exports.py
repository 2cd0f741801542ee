"""The documents to publish: JSON Schemas of each domain, one AsyncAPI and one OpenAPI document."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.config import Settings
from infra.contract.asyncapi import asyncapi
from infra.contract.released import document, pretty, released
from infra.pipeline import domains

# The application is only asked what it serves: none of these is connected to.
_NOWHERE: dict[str, Any] = {
    "kafka": "localhost:9092",
    "postgres": "postgresql://localhost/headrace",
    "clickhouse": "clickhouse://localhost/",
    "clickhouse_reader": "clickhouse://localhost/",
}


def exports(settings: Settings) -> dict[str, bytes]:
    """The documents by their file names."""
    from infra.api import application

    known, before = domains(settings), released()
    app = application(replace(settings, **_NOWHERE))
    made = {f"{name}.schema.json": document(domain, before.get(name)) for name, domain in known.items()}
    found: dict[str, object] = {
        **made,
        "asyncapi.json": asyncapi(known.values(), before),
        "openapi.json": app.openapi_schema.to_schema(),
    }
    return {name: pretty(each) for name, each in found.items()}


def write(documents: Mapping[str, bytes], folder: Path) -> None:
    """Write all documents."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in documents.items():
        (folder / name).write_bytes(data)


def outdated(documents: Mapping[str, bytes], folder: Path) -> list[str]:
    """Names of the documents that the folder does not hold as they are today."""
    files = {name: folder / name for name in documents}
    return [name for name, file in files.items() if not file.exists() or file.read_bytes() != documents[name]]
