"""The versions of Faust and aiokafka that the transport was tested with: it reaches into the inside of both."""

from collections.abc import Mapping
from importlib.metadata import version

from schemas import Fatal

TESTED: Mapping[str, tuple[str, ...]] = {"faust-streaming": ("0.15.3",), "aiokafka": ("0.14.0",)}


def check(tested: Mapping[str, tuple[str, ...]] = TESTED) -> None:
    """Raise Fatal when an installed version is none of those that were tested."""
    for name, versions in tested.items():
        found = version(name)
        if found not in versions:
            raise Fatal(
                f"{name} {found} is installed, but workers were tested with {' and '.join(versions)} alone and rely on "
                f"what may change in others: install {name}=={versions[-1]}, or run tests/contract with {found} and "
                "add it to TESTED in streams/pinned.py"
            )
