"""Parts of the relay that need no server."""

import pytest

from producers.relay.partitioner import partition_of


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        # Hashes as in the tests of Kafka's own client (org.apache.kafka.common.utils.UtilsTest#testMurmur2).
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_a_key_goes_to_the_partition_that_jvm_clients_choose(key: bytes, expected: int) -> None:
    for partitions in (1, 4, 7, 12):
        assert partition_of(key, partitions) == (expected & 0x7FFFFFFF) % partitions
