"""One client's connection: its log-in, its queries one after the other, and their answers."""

import contextlib
import logging
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from infra.clickhouse import access, blocks, packets
from infra.clickhouse.access import User, Users
from infra.clickhouse.columns import column
from infra.clickhouse.compression import FrameReader, frame
from infra.clickhouse.engine import Engine, Session, first_word, tag
from infra.clickhouse.errors import NOT_IMPLEMENTED, UNEXPECTED_PACKET, Disconnected, ServerError, Unread
from infra.clickhouse.inserts import ONE_BLOCK, Insert, one_block, waiting_for_rows
from infra.clickhouse.packets import Query
from infra.clickhouse.source import Source, from_socket
from infra.clickhouse.watch import Cancelled, Watch

_log = logging.getLogger(__name__)
_LOG_IN_SECONDS = 10.0
_REFUSE_SECONDS = 10.0


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
                self._refuse(error)
        finally:
            if self._session is not None:
                self._session.close()
            self._client.close()

    def _refuse(self, error: Exception) -> None:
        """Tell the client, and take what it still sends: it reads the answer only when it has sent all."""
        self._client.settimeout(_REFUSE_SECONDS)
        self._client.sendall(packets.exception(error))
        self._client.shutdown(socket.SHUT_WR)
        ends = time.monotonic() + _REFUSE_SECONDS
        while time.monotonic() < ends and self._client.recv(1 << 18):
            pass

    def _log_in(self) -> User:
        self._client.settimeout(_LOG_IN_SECONDS)
        if self._source.varint() != packets.CLIENT_HELLO:
            raise ServerError(UNEXPECTED_PACKET, "the first packet must be a log-in of the native protocol")
        hello = packets.read_hello(self._source)
        if hello.revision < packets.REVISION:
            raise ServerError(UNEXPECTED_PACKET, f"this server speaks protocol revision {packets.REVISION} and later")
        user = self._users.log_in(hello.user, hello.password)
        self._client.sendall(packets.hello(self._engine.timezone))
        packets.read_addendum(self._source)
        self._client.settimeout(None)
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
        mark = tag()
        try:
            with self._session_of(user, query, mark) as session:
                if insert := waiting_for_rows(query.text):
                    self._insert(session, insert, received, answer)
                else:
                    with self._watch.over(self._client, mark):
                        self._select(session, query, answer)
        except (Disconnected, OSError, Unread):
            raise
        except Cancelled:
            pass
        except Exception as error:  # whatever the engine says goes to the client
            answer.send(packets.exception(error))
            return
        answer.end()

    @contextlib.contextmanager
    def _session_of(self, user: User, query: Query, mark: str) -> Iterator[Session]:
        if not user.reads_only:
            if self._session is None:
                self._session = self._open()
            with self._session.settings({**query.settings, "log_comment": mark}):
                yield self._session
            return
        session = self._open()
        try:
            access.check_statement(first_word(query.text), session.reads_only(query.text))
            if access.suspect(query.text):
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
        for _, spelling in columns:
            column(spelling)  # raises for a type that cannot be taken, before the client sends rows
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
        try:
            return blocks.to_engine(received)
        except (Disconnected, OSError):
            raise
        except ServerError as error:
            raise Unread(error.code, error.detail) from error
        except Exception as error:  # a name that is no text, a frame that cannot be unpacked
            raise Unread(UNEXPECTED_PACKET, f"the client's block cannot be read: {error}") from error


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
