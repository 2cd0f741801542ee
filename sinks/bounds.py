"""The announced bounds of a batch, as metadata of a consumer group's offset commit (rule 3)."""

import msgspec

from schemas import Fatal

_LIMIT = 4096


class Bounds(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the committed offset of a partition means.

    `topic` is the topic's unique id, `epoch` a random name of this way of loading. With `to`, the batch of offsets
    from the committed one up to `to` (exclusive), having `rows` records with `digest`, is pending: announced,
    perhaps inserted. Without, all below the committed offset is loaded.
    """

    topic: str
    epoch: str
    start: int
    to: int | None = None
    rows: int = 0
    digest: str = ""
    version: int = 1

    def encode(self) -> str:
        """The metadata. Brokers take 4 KB; this is far below."""
        text = msgspec.json.encode(self).decode()
        assert len(text) < _LIMIT
        return text

    def token(self, partition: int) -> str:
        """The deduplication token of the pending batch."""
        return f"{self.topic}:{partition}:{self.epoch}:{self.start}-{self.to}"


_decoder = msgspec.json.Decoder(Bounds)


def decode(metadata: str | None, topic: str | None, where: str) -> Bounds:
    """The bounds in a commit's metadata. Raises Fatal when they are missing, foreign or, where `topic` is its id, of
    another topic (rule 4)."""
    try:
        bounds = _decoder.decode(metadata or "")
    except msgspec.MsgspecError as error:
        raise Fatal(
            f"{where}: the committed offset carries no bounds of this sink ({metadata!r}); someone else committed to "
            "its group. Loading on could lose or double rows: open a new epoch into new tables"
        ) from error
    if topic not in (None, bounds.topic) or bounds.version != 1:
        raise Fatal(
            f"{where}: the bounds are of topic id {bounds.topic}, the topic now has {topic}: it was made anew. Old "
            "tokens would swallow new rows: open a new epoch into new tables"
        )
    return bounds
