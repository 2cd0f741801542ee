"""Inflates a gzip body as it arrives, in bounded memory."""

import zlib
from collections.abc import Iterator

from schemas import Malformed

_STEP = 1 << 18


class Inflater:
    """Gzip in, plain bytes out, never more than 256 KiB at once however well they were packed."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)
        self._empty = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes of the next packed ones. Raises Malformed."""
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
        """Say that nothing more comes. Raises Malformed when the end is missing."""
        if not self._empty and not self._stream.eof:
            raise Malformed("the gzip body ends too early", rule="malformed-gzip")
