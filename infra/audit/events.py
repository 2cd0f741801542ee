"""Audits the events of a domain: Postgres, the events topic, the events table, the archive."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from msgspec import structs

from infra.audit.archived import Archived
from infra.audit.comparison import Compared, Reference, compare
from infra.audit.digests import LEAF, Digester, Item, Sum, Sums
from infra.audit.findings import Difference, Found, Hop, differences
from infra.audit.held import Held
from infra.audit.loaded import Loaded
from infra.audit.published import Published
from infra.audit.routes import audit_route, hop_of, lag
from infra.audit.stored import Stored
from schemas import Domain, Unavailable

Progress = Callable[[str, int, int], None]


class EventsAudit:
    """Audits the events of one domain after a position up to another.

    `archive` is the URL of the archive, empty for none.
    """

    def __init__(
        self,
        domain: Domain,
        kafka: str,
        stored: Stored,
        loaded: Loaded,
        after: int,
        upto: int,
        limit: int,
        archive: str = "",
    ) -> None:
        self._domain, self._kafka, self._stored, self._loaded = domain, kafka, stored, loaded
        self._archive, self._held = archive, Held(stored, None)
        self._after, self._upto, self._limit = after, upto, limit
        self._digester = Digester(domain)
        self.resume: dict[int, int] = {}
        self.reached = after

    def run(self, starts: Mapping[int, int], seconds: float, progress: Progress) -> tuple[list[Hop], list[Found]]:
        """The hops and what was found in each. Waits so many seconds for a hop that gets no further. `starts` are the
        offsets at which the events topic is read, where an earlier audit knows them.
        """
        domain, after, upto = self._domain, self._after, self._upto
        full = (after, upto)
        in_stored, in_topic, in_table = (self._found(n) for n in ("postgres", domain.events_topic, Loaded.name))
        archived, in_archive, archive_hop = self._read_archive(progress)
        began, self._held = time.monotonic(), Held(self._stored, archived)
        told = self._told("postgres", progress)
        reference = Reference(self._held, after, upto, self._held.sums(after, upto, told))
        lacking = reference.find_lacking(self._limit)
        hops = [hop_of(in_stored, upto, reference.sums, began, note=self._trimmed())]
        with ExitStack() as stack:
            began = time.monotonic()
            published = stack.enter_context(Published(self._kafka, domain, domain.events_topic, after, in_topic))
            note = published.read(upto, starts, seconds, self._told(domain.events_topic, progress))
            bounds = (published.after, min(published.upto, upto))
            note = f"{note}; the events before are held by {self._held.names}" if note else ""
            items = self._held.items
            kafka = compare(reference.sums, items, published, published.sums, bounds, full, in_topic)
            published.disordered(kafka.doubled)
            hops.append(hop_of(in_topic, bounds[1], published.sums, began, note=note, lag=lag(bounds[1], upto)))
            began = time.monotonic()
            reached = min(self._loaded.reached(upto, seconds), upto)
            sums = self._loaded.sums(after, reached, self._told(Loaded.name, progress))
            expected = self._expected(reference, published, bounds, archived, reached)
            table = compare(expected, self._items, self._loaded, sums, (after, reached), full, in_table)
            self._quarantined(in_table)
            hops.append(hop_of(in_table, reached, sums, began, lag=lag(reached, upto)))
            archive = self._compare_archive(reference, archived, full, in_archive)
            self._settle((in_stored, in_topic, in_table, in_archive), kafka, table, archive, published, archived)
            found = [in_stored, in_topic, in_table]
            for topic in published.routed:
                found.append(self._found(topic))
                told = self._told(topic, progress)
                hops.append(audit_route(self._kafka, domain, published, bounds, found[-1], seconds, told))
        self._name_lacking(in_stored, reference, lacking, {**archive.names, **kafka.names, **table.names})
        self._find_beyond(published, archived, in_topic, in_table, in_archive)
        if archive_hop is not None:
            found.append(in_archive)
            hops.append(archive_hop)
        self.resume, self.reached = published.resume, min(bounds[1], reached)
        return [_recount(hop, each) for hop, each in zip(hops, found, strict=True)], found

    def _read_archive(self, progress: Progress) -> tuple[Archived | None, Found, Hop | None]:
        """The archive, where its findings go, and its hop; nothing where none is configured."""
        found, began = self._found(Archived.name), time.monotonic()
        if not self._archive:
            return None, found, None
        try:
            told = self._told(Archived.name, progress)
            archived = Archived(self._domain, self._archive, self._after, self._upto, found, told)
        except Unavailable as error:
            return None, found, Hop(Archived.name, unchecked=error.detail)
        end = min(archived.end, self._upto)
        note = f"{self._upto - end:,} later events are held by PostgreSQL alone" if end < self._upto else ""
        return archived, found, hop_of(found, end, archived.sums, began, note=note)

    def _trimmed(self) -> str:
        held = self._held.trimmed
        return f"up to position {held:,} events are not there any more: the archive holds them" if held else ""

    def _compare_archive(
        self, reference: Reference, archived: Archived | None, full: tuple[int, int], found: Found
    ) -> Compared:
        """Compare the archive with what Postgres has."""
        made = Compared()
        if archived is None:
            return made
        for after, upto in archived.spans:
            bounds = (max(after, self._held.trimmed), upto)
            one = compare(reference.sums, self._held.items, archived, archived.sums, bounds, full, found)
            made.altered.update(one.altered)
            made.names.update(one.names)
        return made

    def _found(self, hop: str) -> Found:
        return Found(self._domain.key, hop, self._limit)

    def _told(self, hop: str, progress: Progress) -> Callable[[int], None]:
        return lambda at: progress(hop, at - self._after, self._upto - self._after)

    def _items(self, after: int, upto: int) -> list[Item]:
        """Stored events with the digests that they have in the table."""
        derived = self._derived(after, upto)
        return [replace(item, second=derived.get(item.position)) for item in self._held.items(after, upto)]

    def _expected(
        self, reference: Reference, topic: Published, bounds: tuple[int, int], archived: Archived | None, upto: int
    ) -> Sums:
        """What the table must hold: Postgres' content, and what today's code derives from the data."""
        made = Sums()
        for leaf, one in reference.sums.items():
            after, last = max(self._after, leaf * LEAF - 1), min(upto, leaf * LEAF + LEAF - 1)
            if last <= after:
                continue
            if bounds[0] <= after and last <= bounds[1] and _same(topic.sums.get(leaf), one):
                derived = topic.derived.get(leaf, Sum()).second
            elif archived and _same(archived.sums.get(leaf), one):
                derived = archived.derived[leaf].second
            else:
                derived = sum(value or 0 for value in self._derived(after, last).values())
            made[leaf].add(Sum(one.count, one.distinct, one.content, derived))
        return made

    def _derived(self, after: int, upto: int) -> dict[int, int | None]:
        return {row["position"]: self._digester.derived(row["data"]) for row in self._held.rows(after, upto)}

    def _quarantined(self, found: Found) -> None:
        for number, offset, key, _, error in self._loaded.quarantined(self._limit):
            where = f"the record at [{number}] offset {offset} could not be loaded and is in quarantine: {error}"
            found.add("quarantined", where, key=key, place=(number, offset))

    def _settle(
        self,
        found: tuple[Found, Found, Found, Found],
        kafka: Compared,
        table: Compared,
        archive: Compared,
        topic: Published,
        archived: Archived | None,
    ) -> None:
        """Say of altered events which hop differs: it is Postgres where a later hop does and the hash tells so."""
        in_stored, in_topic, in_table, in_archive = found
        loaded = self._loaded.rows(list(table.altered)[: self._limit]) if table.altered else {}
        for position in sorted({*kafka.altered, *table.altered, *archive.altered}):
            stored = next(self._held.rows(position - 1, position), {})
            as_loaded, row = self._as_loaded(stored), {k: _bytes(v) for k, v in loaded.get(position, {}).items()}
            published = topic.columns(position) if position in kafka.altered else {}
            in_file = position in archive.altered and archived
            filed = next(archived.rows(position - 1, position), {}) if in_file and archived else {}
            if not self._held.sound(position):
                unlike = differences(published or filed, stored) or differences(row, as_loaded)
                what = "its hash is not that of its data, and a later hop has another content"
                _altered(in_stored, what, position, stored, unlike)
                continue
            if published:
                unlike = differences(stored, published)
                place = kafka.altered[position].place
                _altered(in_topic, "the record differs from what Postgres holds", position, stored, unlike, place)
            if position in table.altered:
                unlike = differences(as_loaded, row)
                place = table.altered[position].place
                _altered(in_table, "the row differs from what Postgres holds", position, stored, unlike, place)
            if filed:
                unlike = differences(stored, filed)
                _altered(in_archive, "the archived event differs from what Postgres holds", position, stored, unlike)

    def _as_loaded(self, stored: dict[str, Any]) -> dict[str, Any]:
        """A stored event with the columns of its loaded row."""
        row = {name: value for name, value in stored.items() if name not in ("watermark", "traceparent")}
        loaded = self._digester.loaded(stored["data"])
        if loaded is not None:
            row["type"], row["event_time"], row["data"] = loaded
            row["stored"] = b"" if row["data"] == stored["data"] else stored["data"]
        return {name: _bytes(value) for name, value in row.items()}

    def _name_lacking(self, found: Found, reference: Reference, count: int, names: Mapping[int, Item]) -> None:
        for position in sorted(reference.lacking):
            item = names.get(position)
            where = "another hop has it" if item else "no other hop has it"
            name, stream = (item.id, item.stream) if item else (None, None)
            what = f"there is no event at this position; {where}"
            found.add("missing", what, position=position, id=name, stream=stream)
        if count > len(reference.lacking):
            found.count("missing", count - len(reference.lacking))

    def _find_beyond(
        self, topic: Published, archived: Archived | None, in_topic: Found, in_table: Found, in_archive: Found
    ) -> None:
        """Events beyond the domain's end: Postgres was set back, or somebody else wrote them."""
        beyond = self._loaded.beyond(self._stored.head(), self._limit)
        head = self._stored.head()
        what = f"the domain ends at position {head} in Postgres"
        for position, name, stream in beyond:
            if position > head:
                in_table.add("extra", what, position=position, id=name, stream=stream)
        last = topic.highest
        if last is not None and last.position > head:
            in_topic.add("extra", what, position=last.position, id=last.id, stream=last.stream)
        if archived is not None and archived.end > head:
            in_archive.add("extra", what, position=archived.end)


def _same(one: Sum | None, other: Sum) -> bool:
    return one is not None and (one.count, one.content, one.second) == (other.count, other.content, other.second)


def _altered(
    found: Found,
    detail: str,
    position: int,
    stored: dict[str, Any],
    unlike: tuple[Difference, ...],
    place: tuple[int, int] | None = None,
) -> None:
    names = {"id": stored.get("id"), "stream": stored.get("stream")}
    found.add("altered", detail, position=position, differences=unlike, place=place, **names)


def _recount(hop: Hop, found: Found) -> Hop:
    made = found.hop_of(
        upto=hop.upto, count=hop.count, distinct=hop.distinct, seconds=hop.seconds, note=hop.note, lag=hop.lag
    )
    return structs.replace(made, unchecked=hop.unchecked)


def _bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
