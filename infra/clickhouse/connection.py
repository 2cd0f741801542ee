"""One client's connection: its log-in, its queries one after the other, and their answers."""

import contextlib
import logging
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from infra.clickhouse import access, blocks, packets
from infra.clickhouse.access import User, Users
from infra.clickhouse.compression import FrameReader, frame
from infra.clickhouse.engine import Engine, Session, first_word, quoted, tag
from infra.clickhouse.errors import NOT_IMPLEMENTED, UNEXPECTED_PACKET, Disconnected, ServerError
from infra.clickhouse.inserts import ONE_BLOCK, Insert, one_block, waiting_for_rows
from infra.clickhouse.packets import Query
from infra.clickhouse.source import Source, from_socket
from infra.clickhouse.watch import Cancelled, Watch

_log = logging.getLogger(__name__)


class Connection:
    """Serves one client until it goes away; nothing of it is left afterwards."""

    def __init__(self, client: socket.socket, engine: Engine, users: Users, watch: Watch) -> None:
        self._client, self._engine, self._users, self._watch = client, engine, users, watch
        self._source = from_socket(client)
        self._database = "default"
        self._session: Session | None = None

    def serve(self) -> None:
        """Answer until the client goes. What an error leaves unread ends the connection after its answer."""
        try:
            user = self._log_in()
            while True:
                self._source.cut()
                self._answer(user, self._source.varint())
        except (Disconnected, OSError):
            pass
        except Exception as error:
            _log.warning("connection ended: %s", error)
            with contextlib.suppress(OSError):
                self._client.sendall(packets.exception(error))
        finally:
            if self._session is not None:
                self._session.close()
            self._client.close()

    def _log_in(self) -> User:
        if self._source.varint() != packets.CLIENT_HELLO:
            raise ServerError(UNEXPECTED_PACKET, "the first packet must be a log-in of the native protocol")
        hello = packets.read_hello(self._source)
        if hello.revision < packets.REVISION:
            raise ServerError(UNEXPECTED_PACKET, f"this server speaks protocol revision {packets.REVISION} and later")
        user = self._users.log_in(hello.user, hello.password)
        self._client.sendall(packets.hello("UTC"))
        packets.read_addendum(self._source)
        self._database = hello.database or "default"
        return user

    def _answer(self, user: User, packet: int) -> None:
        if packet == packets.CLIENT_PING:
            self._client.sendall(packets.PONG)
        elif packet == packets.CLIENT_QUERY:
            self._query(user, packets.read_query(self._source))
        elif packet != packets.CLIENT_CANCEL:  # a cancel that comes after the end has no meaning any more
            raise ServerError(UNEXPECTED_PACKET, f"unexpected packet {packet} from the client")

    def _query(self, user: User, query: Query) -> None:
        frames = FrameReader(self._source)
        received = Source(frames.next) if query.compressed else self._source
        answer = _Answer(self._client, frames if query.compressed else None)
        if self._read_block(received)[1]:
            raise ServerError(NOT_IMPLEMENTED, "external tables are not supported here")
        try:
            with self._prepared(user, query) as session:
                insert = waiting_for_rows(query.text)
                if insert is None:
                    self._select(session, query, answer)
                else:
                    self._insert(session, insert, received, answer)
        except (Disconnected, OSError):
            raise
        except Cancelled:
            pass
        except Exception as error:  # whatever the engine says goes to the client
            answer.send(packets.exception(error))
            return
        answer.end()

    @contextlib.contextmanager
    def _prepared(self, user: User, query: Query) -> Iterator[Session]:
        """A session with the query's settings, watched for a cancel."""
        mark = tag()
        with self._session_of(user, query, mark) as session, self._watch.over(self._client, mark):
            yield session

    @contextlib.contextmanager
    def _session_of(self, user: User, query: Query, mark: str) -> Iterator[Session]:
        if not user.reads_only:
            if self._session is None:
                self._session = self._open()
            with self._session.settings({**query.settings, "log_comment": mark}):
                yield self._session
            return
        word = first_word(query.text)
        access.check_statement(word, query.text)
        session = self._open()
        try:
            if access.suspect(word, query.text):
                session.text(f"SELECT formatQuery({quoted(query.text)})")  # raises for several statements in one
                access.check_tree(session.text(f"EXPLAIN AST {query.text}", query.parameters))
            session.set({**access.reader_settings(query.settings), "log_comment": mark})
            session.set({"readonly": "1"})
            yield session
        finally:
            session.close()

    def _open(self) -> Session:
        session = Session(self._engine)
        try:
            session.text(f"USE `{self._database.replace('`', '')}`")
        except Exception:
            session.close()
            raise
        return session

    def _select(self, session: Session, query: Query, answer: "_Answer") -> None:
        rows = size = sent = count = 0
        for part in session.run(query.text, query.parameters):
            for block in blocks.to_wire(part.bytes()):
                if not count:  # clients take the columns' types from a block without rows
                    answer.block(blocks.header(block.columns))
                if block.rows:
                    answer.block(block.body)
                sent += block.rows
                count += 1
            rows, size = rows + part.rows_read(), size + part.bytes_read()
            answer.send(packets.progress(part.rows_read(), part.bytes_read()))
        if not count and (described := session.describe(query.text, query.parameters)):
            answer.block(blocks.header(described))
        answer.send(packets.profile(sent, count, size))

    def _insert(self, session: Session, insert: Insert, received: Source, answer: "_Answer") -> None:
        columns = insert.columns(session)
        answer.block(blocks.header(columns))
        with tempfile.TemporaryDirectory(dir=self._engine.spool) as spool:
            file = Path(spool) / "rows.native"
            count, rows, size = self._spool(file, received, answer)
            with session.settings(ONE_BLOCK):
                if count > 1:
                    file = one_block(session, file, columns)
                if rows:
                    session.text(insert.statement(file))
        answer.send(packets.progress(written_rows=rows, written_size=size))

    def _spool(self, file: Path, received: Source, answer: "_Answer") -> tuple[int, int, int]:
        """Write the rows that come to a file; answers how many blocks, rows and bytes they were."""
        count = rows = size = 0
        with file.open("wb") as spool:
            while True:
                columns, block_rows, block = self._read_block(received)
                answer.send(packets.NO_PROFILE_EVENTS)
                if not columns:
                    return count, rows, size
                spool.write(block)
                count, rows, size = count + 1, rows + block_rows, size + len(block)

    def _read_block(self, received: Source) -> tuple[int, int, bytes]:
        packet = self._source.varint()
        if packet == packets.CLIENT_CANCEL:
            raise Cancelled
        if packet != packets.CLIENT_DATA:
            raise Disconnected(f"packet {packet} where data was due")
        self._source.text()  # table name
        self._source.cut()
        return blocks.to_engine(received)


class _Answer:
    """Sends the answer to one query, compressed as the client's own frames are when it asked for that."""

    def __init__(self, client: socket.socket, frames: FrameReader | None) -> None:
        self._client, self._frames = client, frames

    def send(self, packet: bytes) -> None:
        self._client.sendall(packet)

    def block(self, block: bytes) -> None:
        body = block if self._frames is None else frame(block, self._frames.method)
        self._client.sendall(packets.data_head() + body)

    def end(self) -> None:
        self._client.sendall(packets.END)
