"""Says what was done to history at the first place where it is not right.

Everything that an event rests on is stored more than once: its hash covers its data and the hash before it; the digest
after its append covers the hashes, their order, the first position and the time; the next event's hash, the row of the
stream and the remembered answer of the command each say where it belongs. What still agrees tells what was altered.
Who alters all of them alike rewrites history consistently: only a signed checkpoint finds that.
"""

from producers.proof.findings import Finding, Kind
from producers.proof.reader import Point, Reader, Row
from producers.proof.suspects import Append, broken, restored
from schemas import Domain, Unavailable

_WINDOW = 4_000
_SUSPECTS = 1_000


class Diagnosis:
    """The finding after `good`, the end of the last append that is right, in a history up to `head`."""

    def __init__(self, domain: Domain, reader: Reader, good: Point, head: int) -> None:
        self._domain = domain
        self._reader = reader
        self._good = good
        self._head = head

    def finding(self) -> Finding:
        """What was done to the events after `good`."""
        size = _WINDOW
        while True:
            rows = self._reader.rows(self._good.position, size)
            if self._good.position >= self._head and not rows:
                raise Unavailable(f"what was wrong in {self._domain.key} was right when looked at again; run it again")
            end = next((n for n, row in enumerate(rows, 1) if row.digest is not None), 0)
            gap = next((n for n, row in enumerate(rows, self._good.position + 1) if row.position != n), None)
            if gap is None and len(rows) < size:
                gap = self._good.position + len(rows) + 1
            if gap is not None and gap > self._head:
                gap = None
            if gap is not None and (not end or gap <= rows[end - 1].position):
                return self._missing(gap)
            if end:
                found = self._in_append(Append(self._good, rows[:end]), rows[end:])
                if found:
                    return found
                last = rows[end - 1]
                self._good = Point(last.position, last.digest or b"", last.time)
            elif self._good.position + size >= self._head:
                row = rows[-1]
                return self._altered(row, "altered-metadata", "digest", "the last event of an append lost its digest")
            else:
                size *= 4

    def of_head(self, head: Point | None, last: Point | None) -> Finding:
        """The head row does not fit the last event, and all events are right."""
        if last is not None and (head is None or last.position > head.position):
            if head is None or head.position == 0:
                return self._plain("altered-head", f"there are events up to {last.position}, but no head row says so")
            row = self._reader.row(head.position + 1)
            detail = "there is an event beyond the head: it was inserted, or the head row was set back"
            return self._at(row, "inserted-row", detail) if row else self._plain("altered-head", detail)
        at = last.position if last else 0
        if head is not None and head.position > at:
            return self._cut(at + 1)
        return self._plain("altered-head", f"the head row does not say what the last event, at {at}, says", at)

    def of_stream(self, stream: str) -> Finding:
        """A stream's row does not fit its last event, and all events are right."""
        found = self._reader.ask("proof_stream", stream=stream)
        last, last_position = self._reader.ask("proof_stream_last", stream=stream) or (None, None)
        if found is None:
            detail = f"stream {stream} has events up to version {last}, but its row was removed"
            return Finding("altered-stream-row", detail, self._domain.key, last_position, stream, last)
        version, position, _ = found
        head, _ = self._reader.head()
        if head is not None and position > head.position:
            return self._cut(head.position + 1)
        if last is None:
            detail = f"no event of stream {stream} is left, of which its row says version {version}"
            return Finding("removed-stream", detail, self._domain.key, position, stream, version)
        detail = (
            f"the row of stream {stream} says version {version} at position {position}; its last event is version "
            f"{last} at {last_position}"
            + ("" if (version, position) != (last, last_position) else ", of other content")
        )
        return Finding("altered-stream-row", detail, self._domain.key, last_position, stream, last)

    def of_count(self, events: int) -> Finding:
        """The rows of streams have another number of events than there are, and each of them is right."""
        hole = self._reader.ask("proof_holes", upto=self._head)
        detail = f"the streams have {events} events in all, history has {self._head}"
        if hole is None:
            return self._plain("altered-stream-row", detail)
        stream, last, _, version = hole
        if version is None:
            detail = f"stream {stream} has events up to version {last} but no row: its row was removed"
        return Finding("altered-stream-row", detail, self._domain.key, stream=stream, version=last)

    def _missing(self, position: int) -> Finding:
        """There is no event at a position below the head."""
        if not self._reader.ask("proof_later", position=position):
            return self._cut(position)
        successor, command = self._reader.ask("proof_missing", position=position) or (None, None)
        gone = "the row is gone"
        id_ = command[0] if command else None
        if successor:
            stream, version = successor[0], int(successor[1])
            return Finding("deleted-row", f"{gone}; event {version + 1} of its stream is there", self._domain.key,
                           position, stream, version, id_)  # fmt: skip
        lost = self._reader.ask("proof_lost")
        if lost:
            stream, version, some = lost
            if some:
                detail = f"{gone}, as the row of stream {stream} shows, whose last event it was or one of its last"
                return Finding("deleted-row", detail, self._domain.key, position, stream, version, id_)
            detail = f"all events of stream {stream} are gone; its row says it had {version}"
            return Finding("removed-stream", detail, self._domain.key, position, stream, id=id_)
        if command and int(command[1]) > 1:
            detail = f"{gone}, and its stream's row was set back; its command was answered with it"
            return Finding("deleted-row", detail, self._domain.key, position, version=int(command[1]), id=id_)
        detail = f"{gone} and neither a later event nor the row of a stream refers to it: a whole stream was removed"
        return Finding("removed-stream", detail, self._domain.key, position, id=id_)

    def _in_append(self, append: Append, later: list[Row]) -> Finding | None:
        """What is wrong in an append without gaps; None when all is right."""
        if append.is_right():
            row = next((row for row in append.rows if not append.row_is_right(row)), None)
            return self._content(row) if row else None
        return (
            self._reordered(append)
            or self._inserted(append, later)
            or self._renumbered(append, later)
            or self._rewritten(append, later)
        )

    def _reordered(self, append: Append) -> Finding | None:
        for row in append.rows:
            if row.home in (None, row.position):
                continue
            other = self._reader.row(row.home or 0)
            if other is not None and other.home == row.position:
                detail = (
                    f"this row and the one at position {other.position}, event {other.version} of stream "
                    f"{other.stream}, have changed places"
                )
                return self._at(row, "reordered-rows", detail)
        homes = [row.home for row in append.rows]
        moved = next((row for row in append.rows if row.home != row.position), None)
        if moved and None not in homes and sorted(h for h in homes if h) == [row.position for row in append.rows]:
            return self._at(moved, "reordered-rows", f"this row's command says that its place is position {moved.home}")
        return None

    def _inserted(self, append: Append, later: list[Row]) -> Finding | None:
        suspects = [row for row in append.rows if row.home != row.position]
        for row in suspects[:_SUSPECTS]:
            if append.without(row).is_right():
                return self._at(row, "inserted-row", "without this row the digest of its append is right")
        end = next((n for n, row in enumerate(later, 1) if row.digest is not None), 0)
        if end and Append(self._good, later[:end], append.rows[0].position).is_right():
            return self._at(append.rows[0], "inserted-row", "without this append the digest of the next one is right")
        return None

    def _renumbered(self, append: Append, later: list[Row]) -> Finding | None:
        """A row was deleted and those after it moved up, so that positions are dense again."""
        shifts = [(row.home or row.position) - row.position for row in (append.rows + later) if row.home is not None]
        if not shifts or shifts[-1] <= 0:
            return None
        first = next(row for row in append.rows + later if row.home is not None and row.home > row.position)
        hole = self._reader.ask("proof_holes", upto=self._head)
        lost = self._reader.ask("proof_lost_stream")
        detail = f"a row was deleted at or before here and the {shifts[-1]} missing position(s) were closed up"
        if hole and hole[3] is not None:
            return Finding("deleted-row", detail, self._domain.key, first.position, hole[0])
        detail = f"a whole stream was removed at or before here and the positions were closed up by {shifts[-1]}"
        return Finding("removed-stream", detail, self._domain.key, first.position, lost[0] if lost else None)

    def _rewritten(self, append: Append, later: list[Row]) -> Finding:
        for row in append.rows:
            if row.hash != row.right:
                if append.with_hash(row, row.right).is_right():
                    return self._altered(row, "altered-metadata", "hash", "the digest covers the hash that is right")
                return self._content(row)
        parts = append.parts()
        if parts and parts[1].is_right():
            return self._altered(parts[0].rows[-1], "altered-metadata", "digest", "its append has no digest any more")
        odd = append.odd_time()
        if odd:
            return self._altered(odd, "altered-metadata", "time", "the events of one append have one time")
        for row in append.rows:
            found = self._reader.ask("proof_successor", position=row.position, stream=row.stream)
            position, tip = found or (None, None)
            follower = self._reader.row(position) if position else None
            if (follower and follower.hash != follower.right) or (tip is not None and bytes(tip) != row.hash):
                detail = "the row was rewritten, its hash too; what follows in its stream does not continue it"
                return self._at(row, "altered-data", detail)
        end = next((n for n, row in enumerate(later, 1) if row.digest is not None), 0)
        last = append.rows[-1]
        if end and Append(Point(last.position, append.right(), last.time), later[:end]).is_right():
            return self._altered(last, "altered-metadata", "digest", "the next append continues another digest")
        near = self._reader.row(self._good.position)
        marked = append.odd_watermark(near.watermark if near else None, self._domain.allowed_lateness)
        if marked:
            return self._altered(marked, "altered-metadata", "watermark", "with that of its neighbours all is right")
        return self._altered(last, "altered-metadata", "time or watermark", "the hashes of its append are right")

    def _content(self, row: Row) -> Finding:
        """The row's hash is not that of its content, or the row does not continue its stream."""
        if row.hash == row.right:
            if row.mistyped:
                return self._altered(row, "altered-metadata", "type", "its data has another type")
            return self._altered(row, "altered-metadata", broken(row), "it does not continue its stream")
        field = restored(self._domain, self._reader, row)
        if field:
            return self._altered(row, "altered-metadata", field, "with the value that its stream has the hash is right")
        return self._at(row, "altered-data", "its hash is not that of its data, or of its correlation")

    def _cut(self, position: int) -> Finding:
        detail = f"all events from position {position} on are gone: the tail was cut"
        return Finding("tail-cut", detail, self._domain.key, position)

    def _altered(self, row: Row, kind: Kind, field: str, why: str) -> Finding:
        return self._at(row, kind, f"the column {field} was altered: {why}")

    def _at(self, row: Row, kind: Kind, detail: str) -> Finding:
        return Finding(kind, detail, self._domain.key, row.position, row.stream, row.version, row.id)

    def _plain(self, kind: Kind, detail: str, position: int | None = None) -> Finding:
        return Finding(kind, detail, self._domain.key, position)
