"""The AsyncAPI 3 document: the topics of all domains, what their records are, and who writes them."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from infra.contract.released import Document
from producers.http import components as command_components
from producers.intake.records import Reply
from schemas import CONTENT_TYPE, Domain, Envelope, Row, Schema, components, json_schema, reference, tag_of

_KEYS = {
    "commands": "whatever; commands with one key stay in order",
    "replies": "the command's id",
    "event": "the partition key",
    "row": "the row's key",
}


def asyncapi(domains: Iterable[Domain], released: Mapping[str, Document]) -> dict[str, Any]:
    """The document of the domains; shapes of earlier releases are in it, since they are on the topics."""
    made = _Made()
    for domain in domains:
        made.commands(domain)
        made.events(domain, released.get(domain.name))
        made.aggregates(domain)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Headrace", "version": "1", "description": "Commands in, events and aggregates out."},
        "defaultContentType": "application/json",
        "channels": made.channels,
        "operations": made.operations,
        "components": {"messages": made.messages, "schemas": made.schemas},
    }


class _Made:
    def __init__(self) -> None:
        self.channels: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        self.messages: dict[str, Any] = {}
        self.schemas: dict[str, Schema] = {"CloudEvent": json_schema(Envelope[Any]), "Row": json_schema(Row[Any])}

    def commands(self, domain: Domain) -> None:
        self.schemas |= {**command_components(domain), **components([Reply])}
        line = self._message(f"{domain.name}.Command", reference(f"{domain.name}.CommandLine"), "commands")
        self._channel(domain, domain.commands_topic, "receive", [line], "Commands, each done once by its id.")
        reply = self._message("Reply", reference("Reply"), "replies")
        self._channel(domain, domain.replies_topic, "send", [reply], "What became of the commands.")

    def events(self, domain: Domain, before: Document | None) -> None:
        today = {tag_of(event): json_schema(event) for event in domain.events}
        shapes = {**today, **(before.past_events if before else {})}
        messages = [self._event(domain, tag, schema) for tag, schema in shapes.items()]
        what = "Events in the order of their positions, each once; records with the key `~watermark` are no events."
        self._channel(domain, domain.events_topic, "send", messages, what)
        for route in domain.routes:
            what = f"The same events, keyed by the route {route.name}."
            self._channel(domain, domain.route_topic(route), "send", messages, what)

    def aggregates(self, domain: Domain) -> None:
        for aggregate in domain.aggregates:
            self.schemas |= components([aggregate.value], f"{domain.name}.")
            data = reference(f"{domain.name}.{aggregate.value.__name__}")
            payload = {"allOf": [reference("Row"), {"properties": {"data": data}}]}
            message = self._message(f"{domain.name}.{aggregate.name}", payload, "row")
            what = f"Rows of {aggregate.name}, compacted; a record without a value removes its row."
            self._channel(domain, domain.aggregate_topic(aggregate), "send", [message], what)

    def _event(self, domain: Domain, tag: str, schema: Schema) -> str:
        self.schemas |= _moved(f"{domain.name}.{tag}", schema)
        fields = {"type": {"const": tag.partition(".")[0]}, "data": reference(f"{domain.name}.{tag}")}
        payload = {"allOf": [reference("CloudEvent"), {"properties": fields}]}
        name = self._message(f"{domain.name}.{tag}", payload, "event")
        self.messages[name]["contentType"] = CONTENT_TYPE[1].decode()
        return name

    def _message(self, name: str, payload: Schema, kind: str) -> str:
        key = {"key": {"type": "string", "description": f"Is {_KEYS[kind]}."}}
        self.messages[name] = {"name": name, "payload": payload, "bindings": {"kafka": key}}
        return name

    def _channel(self, domain: Domain, topic: str, action: str, messages: list[str], what: str) -> None:
        name = topic.removeprefix(f"{domain.namespace}.")
        self.channels[name] = {
            "address": topic,
            "description": what,
            "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
            "bindings": {"kafka": {"topic": topic, "partitions": domain.partitions}},
        }
        self.operations[f"{action}.{name}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{name}"},
            "tags": [{"name": domain.name}],
        }


def _moved(name: str, schema: Schema) -> dict[str, Schema]:
    """A schema with `$defs` of its own as components, each under a name that starts with `name`."""
    text = msgspec.json.encode(schema).replace(b'"#/$defs/', f'"#/components/schemas/{name}.'.encode())
    top: Schema = msgspec.json.decode(text)
    inner = {f"{name}.{each}": part for each, part in top.pop("$defs", {}).items()}
    return {name: top, **inner}
