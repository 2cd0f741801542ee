"""Compressed frames: a checksum, the method, both sizes, the data.

Format: ClickHouse `src/Compression/CompressedReadBuffer.cpp`; checksum is CityHash128 of all that follows it.
"""

import struct

import zstd
from clickhouse_cityhash.cityhash import CityHash128
from lz4 import block as lz4

from infra.clickhouse.errors import UNEXPECTED_PACKET, ServerError
from infra.clickhouse.source import Source

NONE, LZ4, ZSTD = 0x02, 0x82, 0x90
_HEADER = struct.Struct("<BII")
_LIMIT = 1 << 30


class FrameReader:
    """Decompressed bytes of a client's frames; `method` is the one that it used last."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.method = LZ4

    def next(self) -> bytes:
        """The content of the next frame. Raises ServerError for one that is damaged."""
        checksum = self._source.take(16)
        header = self._source.take(_HEADER.size)
        method, size, plain_size = _HEADER.unpack(header)
        if not _HEADER.size <= size <= _LIMIT or plain_size > _LIMIT:
            raise ServerError(UNEXPECTED_PACKET, f"a compressed frame of {size} bytes is not acceptable")
        body = self._source.take(size - _HEADER.size)
        self._source.cut()
        if _checksum(header + body) != checksum:
            raise ServerError(UNEXPECTED_PACKET, "the checksum of a compressed frame does not match")
        self.method = method
        if method == LZ4:
            return bytes(lz4.decompress(body, uncompressed_size=plain_size))
        if method == ZSTD:
            return bytes(zstd.uncompress(body))
        if method == NONE:
            return bytes(body)
        raise ServerError(UNEXPECTED_PACKET, f"compression method {method:#x} is not supported; use lz4 or zstd")


def frame(plain: bytes, method: int) -> bytes:
    """One frame with `plain` in it."""
    body: bytes
    body = plain
    if method == LZ4:
        body = bytes(lz4.compress(plain, store_size=False))
    elif method == ZSTD:
        body = bytes(zstd.compress(plain))
    rest = _HEADER.pack(method, _HEADER.size + len(body), len(plain)) + body
    return _checksum(rest) + rest


def _checksum(data: bytes) -> bytes:
    number = int(CityHash128(data))
    return struct.pack("<QQ", number >> 64, number & 0xFFFFFFFFFFFFFFFF)
