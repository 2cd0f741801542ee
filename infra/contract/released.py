"""A domain's schemas as a document, and the last released one, kept in the repository."""

from pathlib import Path

import msgspec
from msgspec import Struct

from infra.config import ROOT
from schemas import Domain, Fatal, Schema, json_schema, tag_of

FOLDER = ROOT / "schemas" / "released"


class Document(Struct, frozen=True, kw_only=True):
    """JSON Schemas of a domain: commands and events by their tags, aggregates by their names.

    `past_events` are shapes that were released once, are stored somewhere, and are not today's any more.
    """

    domain: str
    generation: int
    projection: int
    commands: dict[str, Schema]
    events: dict[str, Schema]
    aggregates: dict[str, Schema]
    past_events: dict[str, Schema] = {}


def document(domain: Domain, before: Document | None = None) -> Document:
    """Today's schemas of a domain; past events are those of `before` that have upcasters."""
    events = {tag_of(event): json_schema(event) for event in domain.events}
    known = {**before.past_events, **before.events} if before else {}
    upcast = {upcaster.old for upcaster in domain.upcasters}
    return Document(
        domain=domain.name,
        generation=domain.generation,
        projection=domain.projection,
        commands={tag_of(command): json_schema(command) for command in domain.commands},
        events=events,
        aggregates={aggregate.name: json_schema(aggregate.value) for aggregate in domain.aggregates},
        past_events={tag: schema for tag, schema in known.items() if tag in upcast},
    )


def released(folder: Path = FOLDER) -> dict[str, Document]:
    """The last released schemas by domain. Raises Fatal for a file that is none."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        try:
            found[file.stem] = msgspec.json.decode(file.read_bytes(), type=Document)
        except msgspec.DecodeError as error:
            raise Fatal(f"{file} does not hold released schemas ({error}); take it from the last release") from error
    return found


def write(made: Document, folder: Path = FOLDER) -> Path:
    """Keep a document as the released one; answers its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{made.domain}.json"
    file.write_bytes(pretty(made))
    return file


def pretty(made: object) -> bytes:
    """JSON for people and version control."""
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"
