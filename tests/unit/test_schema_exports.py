"""The exported documents: whole, of today, and true of what is really written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from infra.config import Settings
from infra.contract.asyncapi import asyncapi
from infra.contract.exports import exports, outdated, write
from infra.contract.released import document
from schemas import Schema, discover, encode
from schemas.orders import DOMAIN
from tests.evolved import FIRST, SECOND, TODAY, envelope, history
from tests.integration.order_source import Source
from tests.order_commands import place


@pytest.fixture(scope="module")
def documents() -> dict[str, bytes]:
    return exports(Settings())


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from _references(each)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)


def _dangling(made: Any) -> set[str]:
    """References of a document that lead to nothing in it."""

    def leads_somewhere(reference: str) -> bool:
        node: Any = made
        for part in reference.removeprefix("#/").split("/"):
            node = node.get(part) if isinstance(node, dict) else None
        return reference.startswith("#/") and node is not None

    return {reference for reference in _references(made) if not leads_somewhere(reference)}


def test_every_reference_leads_somewhere(documents: dict[str, bytes]) -> None:
    assert sorted(documents) == sorted(
        [*(f"{name}.schema.json" for name in discover()), "asyncapi.json", "openapi.json"]
    )
    for name in ("asyncapi.json", "openapi.json"):
        made = msgspec.json.decode(documents[name])
        assert set(_references(made)), name
        assert _dangling(made) == set(), name
    assert _dangling({"$ref": "#/lost", "lost?": 1}) == {"#/lost"}


def test_a_document_that_is_not_of_today_is_found(documents: dict[str, bytes], tmp_path: Path) -> None:
    assert outdated(documents, tmp_path) == list(documents)
    write(documents, tmp_path)
    assert outdated(documents, tmp_path) == []
    (tmp_path / "asyncapi.json").write_bytes(documents["asyncapi.json"].replace(b"OrderPaid", b"OrderPayed"))
    assert outdated(documents, tmp_path) == ["asyncapi.json"]


def _validator(made: Schema, message: str) -> jsonschema_rs.Validator:
    """Validates payloads of a message of an AsyncAPI document."""
    reference = {"$ref": f"#/components/messages/{message}/payload"}
    return jsonschema_rs.validator_for({**reference, "components": made["components"]})


def test_records_are_as_the_asyncapi_document_says(documents: dict[str, bytes]) -> None:
    made = msgspec.json.decode(documents["asyncapi.json"])
    for _, value in Source().events(20):
        record = msgspec.json.decode(value)
        validator = _validator(made, f"orders.{record['type']}")
        validator.validate(record)
        del record["data"]["type"]
        assert not validator.is_valid(record)
    line = {"command": msgspec.json.decode(encode(place())), "id": "c-1", "expected_version": 0}
    assert _validator(made, "orders.Command").is_valid(line)
    assert not _validator(made, "orders.Command").is_valid({**line, "expected_version": -1})
    messages = made["channels"][DOMAIN.events_topic]["messages"]
    assert {f"orders.{event.__name__}" for event in DOMAIN.events} == messages.keys()


def test_shapes_of_earlier_releases_are_on_the_topic() -> None:
    before = document(TODAY, document(SECOND, document(FIRST)))
    made = asyncapi([TODAY], {"accounts": before})
    assert _dangling(made) == set()
    names = ["accounts.Paid", "accounts.Paid.2", "accounts.Paid.3", "accounts.Ended", "accounts.Closed"]
    assert sorted(made["channels"]["accounts.events.1"]["messages"]) == sorted(names)
    for name, data in zip(names, history(), strict=True):
        kind = name.split(".")[1]
        _validator(made, name).validate(msgspec.json.decode(envelope(data, kind=kind)))
    assert not _validator(made, names[0]).is_valid(msgspec.json.decode(envelope(history()[2], kind="Paid")))
