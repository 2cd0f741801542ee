"""Where an archive lies: a directory or an object store, in which whole files are put and never changed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from schemas import Conflict, Fatal, Invalid, Unavailable

_UNFINISHED = "_unfinished"
_PIECE = 8 << 20


class Location:
    """A place for files, by URL: a path, `file://`, `s3://` or `gs://`, with options as pyarrow takes them.

    Paths are relative to it, with slashes. Methods raise Unavailable when the store does not answer or refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.files, root = fs.FileSystem.from_uri(url if "://" in url else str(Path(url).expanduser().absolute()))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise Invalid(
                f"{url!r} is no place for an archive ({_first_line(error)}): give a path, or a URL that begins with "
                "file://, s3:// or gs://",
                field="archive",
            ) from error
        self._root = root.rstrip("/")
        self._local = isinstance(self.files, fs.LocalFileSystem)

    def full(self, path: str) -> str:
        """The path within the file system."""
        return f"{self._root}/{path}"

    def names(self, folder: str) -> list[str]:
        """Paths of all files below a folder, sorted."""
        with self._answering(folder):
            found = self.files.get_file_info(fs.FileSelector(self.full(folder), recursive=True, allow_not_found=True))
        return sorted(each.path[len(self._root) + 1 :] for each in found if each.type == fs.FileType.File)

    def read(self, path: str) -> bytes:
        """The content of a file."""
        with self._answering(path), self.files.open_input_stream(self.full(path)) as stream:
            return bytes(stream.read())

    def open(self, path: str) -> Any:
        """A file to read from at any place, as pyarrow wants it."""
        with self._answering(path):
            return self.files.open_input_file(self.full(path))

    def pieces(self, path: str) -> Iterator[bytes]:
        """The content of a file, piece by piece."""
        with self._answering(path), self.files.open_input_stream(self.full(path)) as stream:
            while piece := stream.read(_PIECE):
                yield bytes(piece)

    @contextmanager
    def workspace(self, name: str) -> Iterator[Path]:
        """An empty local directory for files that are to be put. What is left of that name is removed."""
        if not self._local:
            with tempfile.TemporaryDirectory(prefix="headrace-") as made:
                yield Path(made)
            return
        path = Path(self.full(_UNFINISHED)) / name
        with self._answering(str(path)):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)
                with suppress(OSError):
                    path.parent.rmdir()

    def put(self, made: Path, path: str, *, once: bool = False) -> None:
        """Put a file of the workspace in its place: whole and durable, or not at all.

        With `once`, raises Conflict when there is one already. An object store is only asked before.
        """
        with self._answering(path):
            if self._local:
                self._move(made, Path(self.full(path)), once)
                return
            if once and self.files.get_file_info(self.full(path)).type != fs.FileType.NotFound:
                raise _there_already(path)
            with made.open("rb") as source, self.files.open_output_stream(self.full(path)) as target:
                shutil.copyfileobj(source, target, _PIECE)

    def remove(self, path: str) -> None:
        """Remove a file."""
        with self._answering(path):
            self.files.delete_file(self.full(path))

    def _move(self, made: Path, target: Path, once: bool) -> None:
        with made.open("rb") as content:
            os.fsync(content.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        if once:
            try:
                target.hardlink_to(made)
            except FileExistsError as error:
                raise _there_already(str(target)) from error
            made.unlink()
        else:
            made.replace(target)
        for folder in (target.parent, target.parent.parent):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    @contextmanager
    def _answering(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise Fatal(f"{path} is not in the archive at {self.url}", rule="archive-incomplete") from error
        except (OSError, pa.ArrowException) as error:
            raise Unavailable(
                f"the archive at {self.url} does not take or give {path}: {_first_line(error)}",
                rule="archive-unavailable",
            ) from error


def _there_already(path: str) -> Conflict:
    return Conflict(f"{path} is there already: another process archives the same domain", rule="archived-twice")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
