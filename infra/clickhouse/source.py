"""Bytes from a client or a result, read by position, with what was passed kept until it is cut off."""

import socket
from collections.abc import Callable

from infra.clickhouse.errors import Disconnected

_CHUNK = 1 << 18


class Source:
    """A growing buffer with a reading position. `more` gives the next bytes, none at the end."""

    __slots__ = ("_more", "data", "position")

    def __init__(self, more: Callable[[], bytes], data: bytes = b"") -> None:
        self._more = more
        self.data = bytearray(data)
        self.position = 0

    def need(self, count: int) -> None:
        """Have at least `count` bytes after the position. Raises Disconnected when they do not come."""
        while len(self.data) - self.position < count:
            fresh = self._more()
            if not fresh:
                raise Disconnected("the client went away in the middle of a packet")
            self.data += fresh

    def skip(self, count: int) -> None:
        self.need(count)
        self.position += count

    def take(self, count: int) -> bytes:
        self.skip(count)
        return bytes(self.data[self.position - count : self.position])

    def number(self, width: int) -> int:
        """A little-endian unsigned integer of `width` bytes."""
        return int.from_bytes(self.take(width), "little")

    def varint(self) -> int:
        result = shift = 0
        while True:
            self.need(1)
            byte = self.data[self.position]
            self.position += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result
            shift += 7

    def binary(self) -> bytes:
        """Bytes with their length before them."""
        return self.take(self.varint())

    def text(self) -> str:
        return self.binary().decode()

    def skip_strings(self, count: int) -> None:
        """Pass `count` strings, each with its length before it."""
        while count:
            data, end, position = self.data, len(self.data), self.position
            try:
                while count:
                    length = data[position]
                    if length < 0x80:
                        after = position + 1 + length
                    else:
                        length, after = _long(data, position)
                        after += length
                    if after > end:
                        break
                    position = after
                    count -= 1
            except IndexError:
                pass
            self.position = position
            if count:
                self.need(end - position + 1)

    def cut(self) -> None:
        """Forget what lies before the position."""
        del self.data[: self.position]
        self.position = 0


def _long(data: bytearray, position: int) -> tuple[int, int]:
    length = shift = 0
    while True:
        byte = data[position]
        position += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length, position
        shift += 7


def from_socket(client: socket.socket) -> Source:
    """What a client sends."""
    return Source(lambda: client.recv(_CHUNK))


def varint(number: int) -> bytes:
    """An unsigned integer, seven bits a byte, lowest first."""
    result = bytearray()
    while number >= 0x80:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    result.append(number)
    return bytes(result)


def binary(value: bytes) -> bytes:
    """Bytes with their length before them."""
    return varint(len(value)) + value


def text(value: str) -> bytes:
    """A string with its length before it."""
    return binary(value.encode())
