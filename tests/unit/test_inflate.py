"""Unpacking of bodies: bounded steps, and bounded memory for the window."""

import gzip

import pytest
from backports import zstd

from producers.http.inflate import INFLATERS
from schemas import Malformed

PACKED = {"gzip": gzip.compress(b"x" * 30_000_000), "zstd": zstd.compress(b"x" * 30_000_000)}


@pytest.mark.parametrize("coding", INFLATERS)
def test_a_bomb_is_unpacked_in_steps_of_256_kib(coding: str) -> None:
    packed = PACKED[coding]
    assert len(packed) < 50_000
    inflater = INFLATERS[coding]()
    steps = [len(plain) for plain in inflater.feed(packed)]
    inflater.finish()
    assert sum(steps) == 30_000_000
    assert max(steps) <= 1 << 18


@pytest.mark.parametrize("coding", INFLATERS)
def test_bytes_may_come_one_at_a_time(coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zstd.compress
    inflater = INFLATERS[coding]()
    packed = pack(b"first") + pack(b"second")
    plain = [piece for n in range(len(packed)) for piece in inflater.feed(packed[n : n + 1])]
    inflater.finish()
    assert b"".join(plain) == b"firstsecond"


def test_a_frame_that_needs_a_large_window_is_refused() -> None:
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    packed = packer.compress(bytes(20_000_000)) + packer.flush()
    with pytest.raises(Malformed) as caught:
        list(INFLATERS["zstd"]().feed(packed))
    assert caught.value.rule == "malformed-zstd"
