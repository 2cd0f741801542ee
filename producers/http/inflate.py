"""Inflates a packed body as it arrives, in bounded memory."""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from schemas import Malformed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_STEP = 1 << 18
# 8 MiB, which every decoder must support (RFC 8878, 3.1.1.1.2); larger windows would cost as much memory a request.
_WINDOW_LOG = 23


class Inflater(Protocol):
    """Packed bytes in, plain bytes out, never more than 256 KiB at once however well they were packed."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes of the next packed ones. Raises Malformed."""
        ...

    def finish(self) -> None:
        """Say that nothing more comes. Raises Malformed when the end is missing."""
        ...


class GzipInflater:
    """Gzip (RFC 1952), one member or more. See `Inflater`."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)
        self._empty = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._stream.eof:
                self._stream = zlib.decompressobj(31)
            try:
                plain = self._stream.decompress(data, _STEP)
            except zlib.error as error:
                raise Malformed(f"the body is not valid gzip: {error}", rule="malformed-gzip") from error
            self._empty = False
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if plain:
                yield plain

    def finish(self) -> None:
        if not self._empty and not self._stream.eof:
            raise Malformed("the gzip body ends too early", rule="malformed-gzip")


class ZstdInflater:
    """Zstandard (RFC 8878), one frame or more, windows up to 8 MiB. See `Inflater`."""

    def __init__(self) -> None:
        self._stream = self._fresh()
        self._empty = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data or not (self._stream.needs_input or self._stream.eof):
            if self._stream.eof:
                self._stream = self._fresh()
            try:
                plain = self._stream.decompress(data, _STEP)
            except zstd.ZstdError as error:
                raise Malformed(f"the body is not valid zstd: {error}", rule="malformed-zstd") from error
            self._empty = False
            # What it has not unpacked yet it keeps itself.
            data = self._stream.unused_data if self._stream.eof else b""
            if plain:
                yield plain

    def finish(self) -> None:
        if not self._empty and not self._stream.eof:
            raise Malformed("the zstd body ends too early", rule="malformed-zstd")

    @staticmethod
    def _fresh() -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})


INFLATERS: dict[str, Callable[[], Inflater]] = {"gzip": GzipInflater, "zstd": ZstdInflater}
"""By their name in `Content-Encoding`."""
