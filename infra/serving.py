"""Which domains a stack serves, and the settings under which it serves further ones as well."""

from collections.abc import Iterable
from dataclasses import replace

from infra import stack
from infra.config import Settings, variable
from infra.pipeline import domains, worker_name
from schemas import Fatal


def served(settings: Settings) -> set[str]:
    """The names of the domains whose workers the running stack has; none when it does not run."""
    if not stack.running(settings.home):
        return set()
    running = stack.programs(settings.home)
    return {name for name, domain in domains(settings).items() if worker_name(domain) in running}


def with_domains(settings: Settings, needed: Iterable[str]) -> Settings:
    """The settings to bring a stack up with, so that it serves the `needed` domains and those that it serves already.

    Raises Fatal for a domain that the settings leave out.
    """
    chosen = domains(settings)
    if left_out := sorted(set(needed) - set(chosen)):
        raise Fatal(f"{variable('domains')} leaves out {left_out[0]}, which is needed here; add it, or set none")
    wanted = {*needed, *served(settings)}
    if wanted == set(chosen):
        return settings
    return replace(settings, domains=",".join(name for name in chosen if name in wanted))
