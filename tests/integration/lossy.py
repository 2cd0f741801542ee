"""A proxy before ClickHouse that loses the answer to an insert: the server applies it, the client never hears."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

INSERT = b"throwIf("
# A block without columns: the first after a query ends its external tables, the second an insert's rows.
EMPTY = b"\x02\xff\xff\xff\xff\x00\x00\x00"


class LossyProxy:
    """Passes everything on, except that after `lose_an_answer` what comes back once all rows of an insert are sent
    is dropped. `lost` is set as soon as these have gone through; `cut` then ends the connection.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._armed, self.lost = threading.Event(), threading.Event()
        self._deaf: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        user, _, _ = self._parts.netloc.rpartition("@")
        return self._parts._replace(netloc=f"{user}@127.0.0.1:{self._listener.getsockname()[1]}").geturl()

    def __enter__(self) -> "LossyProxy":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.close()
        self.cut()

    def lose_an_answer(self) -> None:
        self.lost.clear()
        self._armed.set()

    def cut(self) -> None:
        """End the connections whose answer was lost."""
        while self._deaf:
            with suppress(OSError):
                self._deaf.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((self._parts.hostname or "", self._parts.port or 0))
                deaf = threading.Event()
                threading.Thread(target=self._up, args=(near, far, deaf), daemon=True).start()
                threading.Thread(target=self._down, args=(far, near, deaf), daemon=True).start()

    def _up(self, near: socket.socket, far: socket.socket, deaf: threading.Event) -> None:
        sent = b""
        with suppress(OSError):
            while data := near.recv(65536):
                if sent or (self._armed.is_set() and INSERT in data):
                    sent += data
                if sent.count(EMPTY) == 2 and not deaf.is_set():
                    self._armed.clear()
                    self._deaf.append(near)
                    deaf.set()
                far.sendall(data)
                if deaf.is_set():
                    self.lost.set()
        _end(near, far)

    @staticmethod
    def _down(far: socket.socket, near: socket.socket, deaf: threading.Event) -> None:
        with suppress(OSError):
            while data := far.recv(65536):
                if not deaf.is_set():
                    near.sendall(data)
        _end(near, far)


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
