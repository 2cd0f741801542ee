"""The manifests: which files make up the archive of a domain, and what they hold."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import msgspec
from msgspec import Struct

from schemas import Domain, Fatal
from sinks.archive.location import Location

FORMAT = 1
_READERS = 16


class Segment(Struct, frozen=True, kw_only=True):
    """A file of the archive: the events from position `first` to `last`, all recorded on `day` (UTC), of whole appends.

    `before` and `digest` are the domain's rolling digest (hex) before and after them; `sha256` (hex) is that of the
    file's `bytes`. `generation` and `partitions` are those by which the column `partition` was filled.
    """

    format: int = FORMAT
    domain: str
    day: date
    first: int
    last: int
    before: str
    digest: str
    path: str
    bytes: int
    sha256: str
    generation: int
    partitions: int


def folder(domain: Domain) -> str:
    """The folder of a domain's files, as Hive and Spark name it."""
    return f"domain={domain.key}"


def data_path(domain: Domain, day: date, first: int, last: int) -> str:
    """The path of a segment's file."""
    return f"{folder(domain)}/day={day.isoformat()}/positions-{first}-{last}.parquet"


def manifest_folder(domain: Domain) -> str:
    """Of the manifests. Readers of Parquet pass over folders that begin with an underscore."""
    return f"{folder(domain)}/_manifest"


def manifest_path(domain: Domain, first: int) -> str:
    """The path of a segment's manifest. That of the next segment is known before it is written: it is put once."""
    return f"{manifest_folder(domain)}/{first:019}.json"


def load(location: Location, domain: Domain) -> list[Segment]:
    """The segments of a domain, in order. Raises Fatal when they leave a gap, overlap or do not continue each other."""
    paths = location.names(manifest_folder(domain))
    with ThreadPoolExecutor(_READERS) as pool:
        contents = list(pool.map(location.read, paths))
    segments = [_decoded(path, content) for path, content in zip(paths, contents, strict=True)]
    _check(domain, segments)
    return segments


def _decoded(path: str, content: bytes) -> Segment:
    try:
        segment = msgspec.json.decode(content, type=Segment)
    except msgspec.MsgspecError as error:
        raise Fatal(f"the archive's manifest {path} cannot be read: {error}", rule="archive-damaged") from error
    if segment.format != FORMAT:
        raise Fatal(f"the archive's manifest {path} has format {segment.format}, this version reads {FORMAT}")
    return segment


def _check(domain: Domain, segments: Sequence[Segment]) -> None:
    last, digest = 0, ""
    for segment in segments:
        if segment.domain != domain.key:
            raise Fatal(f"the archive of {domain.key} has a manifest of {segment.domain}", rule="archive-damaged")
        if segment.first > last + 1:
            detail = f"positions {last + 1} to {segment.first - 1} are in no file"
            raise Fatal(f"the archive of {domain.key} has a gap: {detail}", rule="archive-has-a-gap")
        if segment.first <= last or segment.last < segment.first:
            raise Fatal(
                f"the archive of {domain.key} has position {segment.first} twice: {segment.path} begins with it",
                rule="archived-twice",
            )
        if digest and segment.before != digest:
            raise Fatal(
                f"{segment.path} does not continue the history before it: their digests differ", rule="history-differs"
            )
        last, digest = segment.last, segment.digest
