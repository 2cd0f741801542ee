"""The paths of a domain's commands, derived from its classes."""

import re

from schemas import Command, Domain


def stream_field(domain: Domain, command: type[Command]) -> str | None:
    """The field that holds the stream id of such a command; None when the id is made in another way."""
    try:
        # A command whose fields hold their own names: its stream id is the name of the field that it is taken from.
        field = domain.stream_of(command(**{name: name for name in command.__struct_fields__}))
    except Exception:
        return None
    return field if field in command.__struct_fields__ else None


def command_paths(domain: Domain) -> dict[str, type[Command]]:
    """Path segment of each command but the first: its name in kebab case without the domain's noun.

    `PayOrder` of `orders` is `pay`. Raises ValueError when two commands would share a path.
    """
    noun = {domain.name, domain.name.removesuffix("s"), re.sub("ies$", "y", domain.name)}
    paths: dict[str, type[Command]] = {}
    for command in domain.commands[1:]:
        words = [word.lower() for word in re.findall(r"[A-Z][a-z0-9]*", command.__name__)]
        path = "-".join([word for word in words if word not in noun] or words)
        if path in paths or path in ("bulk", "rollback"):
            raise ValueError(f"{command.__name__} needs another name: its path {path!r} is taken")
        paths[path] = command
    return paths
