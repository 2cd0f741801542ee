"""One pass of a process manager over a run of records of one of its topics."""

from collections.abc import Collection, Container, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, structs

from schemas import RESERVED_PREFIX, WATERMARK_KEY, Control, Malformed, encode
from streams.changes import Changes, Record
from streams.deadlines import Deadlines
from streams.failures import dead_letter
from streams.process import Refusal, Step
from streams.process_commands import Cause, after, reply_decoder
from streams.process_rows import PROGRESS_KEY, ProcessRow, Progress, Reached, encoded
from streams.wiring import EventSource, Wired

_RESERVED = RESERVED_PREFIX.encode()
_MOST_DEADLINES = 2_000  # in one transaction
_control_decoder = msgspec.json.Decoder(Control)


class ProcessRun:
    """Takes the records one by one; `changes` and `progress` have what came of it.

    `silent` are topics that had no record when the partition was opened: until they have a watermark they hold no
    deadline back.
    """

    def __init__(
        self,
        wired: Wired,
        decoder: msgspec.json.Decoder[ProcessRow[Any]],
        topic: str,
        stored: Mapping[bytes, bytes],
        held: Container[bytes],
        progress: Progress,
        deadlines: Deadlines,
        silent: Collection[str],
    ) -> None:
        self.changes = Changes(rows=({},))
        self._wired, self._process, self._decoder, self._topic = wired, wired.process, decoder, topic
        self._stored, self._held, self._deadlines, self._silent = stored, held, deadlines, silent
        reached = structs.replace(progress.topics.get(topic, Reached()))
        self.progress = structs.replace(progress, topics={**progress.topics, topic: reached})
        self._reached = reached
        self._rows: dict[bytes, ProcessRow[Any]] = {}
        self._watermark = self._least()
        self._left = _MOST_DEADLINES
        self._unfired = {key.encode() for key in progress.unfired}

    def take(self, record: Record) -> None:
        """Apply the next record, then what deadlines it brought about. Never raises for what either does."""
        reached = self._reached
        if record.offset < reached.offset:
            self.changes.repeated += 1
            return
        before = reached.watermark
        source = self._wired.events.get(self._topic)
        if source is None:
            self._reply(record)
        else:
            self._event(source, record)
        if reached.watermark != before:
            self._watermark = self._least()
        self._expire(record.offset)
        # Only now: a deadline that the last record of a replay brings about had passed before.
        reached.offset = record.offset + 1

    def finish(self) -> None:
        """Go on with the deadlines that are due, and note how far it came."""
        self._expire(self._reached.offset)
        self.changes.behind = self._watermark is not None and self._deadlines.are_due(self._watermark)
        self.changes.rows[0][PROGRESS_KEY] = encode(self.progress)
        reached = self._reached
        if reached.time is not None:
            watermark = UNSET if reached.watermark is None else reached.watermark
            self.changes.mark = Control(position=reached.position, time=reached.time, watermark=watermark)

    def _event(self, source: EventSource, record: Record) -> None:
        key, value = record.key, record.value
        if key is None or key.startswith(_RESERVED) or self._is_held(key):
            self._aside(record)
            return
        try:
            envelope = source.decode(value or b"")
            if source.key(envelope).encode() != key:
                raise Malformed(f"the record's key {key!r} is not the event's key {source.key(envelope)!r}")
            if envelope.position <= self._reached.position:
                self.changes.repeated += 1
                return
            if type(envelope.data) in source.events:
                row = self._row(key)
                cause = Cause(
                    id=f"{envelope.source} {envelope.id}",
                    causation=envelope.id,
                    correlation=envelope.correlationid,
                    traceparent=envelope.traceparent if isinstance(envelope.traceparent, str) else "",
                )
                self._accept(
                    key, row, self._process.handle(row.state, envelope.data, envelope), cause, self._fires(record)
                )
                self.changes.events += 1
        except Exception as error:  # whatever a step raises holds the key
            self._hold(key, record.value, record.offset, error)
        with suppress(Exception):  # an envelope has all fields of a control record
            self._reach(_control_decoder.decode(value or b""))

    def _reply(self, record: Record) -> None:
        key, value = record.key, record.value or b""
        if key is None or self._wired.names.id_prefix.encode() not in value:
            return
        try:
            reply = reply_decoder.decode(value)
        except msgspec.MsgspecError:
            return  # no reply of the intake
        if not reply.id.startswith(self._wired.names.id_prefix):
            return
        if self._is_held(key):
            self.changes.passed_over += 1
            return
        try:
            row, fires = self._row(key), self._fires(record)
            if reply.id in row.sent:
                self._answer(key, row, reply.id, reply.refusal(row.sent[reply.id]), fires)
            elif not fires:
                self._put(key, structs.replace(row, answers={**row.answers, reply.id: reply.refusal()}))
            else:
                self.changes.repeated += 1
        except Exception as error:  # whatever a step raises holds the key
            self._hold(key, record.value, record.offset, error)

    def _answer(self, key: bytes, row: ProcessRow[Any], id_: str, refusal: Refusal | None, fires: bool) -> None:
        row = structs.replace(
            row,
            sent={each: command for each, command in row.sent.items() if each != id_},
            answers={each: answer for each, answer in row.answers.items() if each != id_},
        )
        if refusal is None:
            self._put(key, row)
            return
        if self._process.refused is None:
            raise LookupError(f"{refusal.command} was refused, and there is no step for that: {refusal.detail}")
        cause = Cause(
            id=f"refused {id_}", causation=id_, correlation=row.correlation or id_, traceparent=row.traceparent
        )
        self._accept(key, row, self._process.refused(row.state, refusal), cause, fires)

    def _expire(self, offset: int) -> None:
        # In a replay all at once: what is left over would count as new.
        while self._watermark is not None and (self._left > 0 or self._replaying()):
            due = self._deadlines.pop(self._watermark)
            if due is None:
                return
            instant, key, name = due
            if self._is_held(key):
                continue
            self._left -= 1
            try:
                row = self._row(key)
                if row.deadlines.get(name) == instant:
                    self._expired(key, row, name, instant)
            except Exception as error:  # whatever a step raises holds the key
                self._hold(key, None, offset, error)

    def _expired(self, key: bytes, row: ProcessRow[Any], name: str, instant: datetime) -> None:
        if self._process.due is None:
            raise LookupError(f"the deadline {name} has passed, and there is no step for that")
        row = structs.replace(row, deadlines={each: at for each, at in row.deadlines.items() if each != name})
        id_ = f"due {key.decode()} {name} {instant.isoformat()}"
        cause = Cause(id=id_, causation=name, correlation=row.correlation, traceparent=row.traceparent)
        step = self._process.due(row.state, name, instant)
        if any(at is not None and at <= instant for at in step.deadlines.values()):
            raise ValueError(f"the step at the deadline {name} sets one that is not after {instant}")
        self._accept(key, row, step, cause, key in self._unfired or not self._replaying())

    def _accept(self, key: bytes, row: ProcessRow[Any], step: Step, cause: Cause, fires: bool) -> None:
        made, outgoing = after(self._wired, key, row, step, cause)
        self._put(key, made)
        for name, instant in made.deadlines.items():
            if row.deadlines.get(name) != instant:
                self._deadlines.add((instant, key, name))
        if fires:
            self.changes.sent += outgoing
        for id_ in [id_ for id_ in made.answers if id_ in made.sent]:
            answer = made.answers[id_]
            sent = made.sent[id_]
            refusal = None if answer is None else replace(answer, command=sent.command, stream=sent.stream)
            self._answer(key, self._row(key), id_, refusal, fires)

    def _row(self, key: bytes) -> ProcessRow[Any]:
        row = self._rows.get(key)
        if row is None:
            stored = self._stored.get(key)
            row = self._rows[key] = ProcessRow() if stored is None else self._decoder.decode(stored)
        return row

    def _put(self, key: bytes, row: ProcessRow[Any]) -> None:
        self.changes.rows[0][key] = encoded(row)
        self._rows[key] = row

    def _is_held(self, key: bytes) -> bool:
        return key in self._held or key in self.changes.held

    def _hold(self, key: bytes, value: bytes | None, offset: int, error: Exception) -> None:
        letter = dead_letter(key, value, offset, error)
        self.changes.held[key] = letter
        self.changes.dead_letters.append(letter)

    def _aside(self, record: Record) -> None:
        """A record that is no event to handle: a control record, one of a held key, or one without a key."""
        key = record.key
        if key is None:
            letter = dead_letter(None, record.value, record.offset, Malformed("a record without a key"))
            self.changes.dead_letters.append(letter)
            return
        if not key.startswith(_RESERVED):
            self.changes.passed_over += 1
        elif key != WATERMARK_KEY:
            return
        with suppress(Exception):  # an envelope has all fields of a control record
            self._reach(_control_decoder.decode(record.value or b""))

    def _reach(self, control: Control) -> None:
        reached = self._reached
        if control.position > reached.position or reached.time is None:
            reached.position, reached.time = control.position, control.time
            if isinstance(control.watermark, datetime):
                reached.watermark = control.watermark

    def _fires(self, record: Record) -> bool:
        """Whether the record was not applied before, by a process whose state was lost or by an earlier version."""
        return record.offset >= self.progress.fired.get(self._topic, 0) or record.key in self._unfired

    def _replaying(self) -> bool:
        topics = self.progress.topics
        return any(topics.get(topic, Reached()).offset < offset for topic, offset in self.progress.fired.items())

    def _least(self) -> datetime | None:
        """The event time that all inputs have passed."""
        least: datetime | None = None
        for topic in self._wired.events:
            watermark = self.progress.topics.get(topic, Reached()).watermark
            if watermark is None and topic not in self._silent:
                return None
            if watermark is not None and (least is None or watermark < least):
                least = watermark
        return least
