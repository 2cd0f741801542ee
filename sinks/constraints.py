"""Consistency constraints: `.sql` files of a domain, each a query that answers the violations of one rule.

The header is a run of `--` lines: the rule in a sentence, then a description. The statement runs in the database of the
projection version; `${name}` is that of another domain. `{upto:UInt64}` is the position up to which all tables that the
domain has are complete, and `{upto_name:UInt64}` that of another domain: what has changed since is to be left out, as
the tables do not change at one moment. The first column names what violates the rule.
"""

from collections.abc import Mapping
from importlib.resources import files
from string import Template

from msgspec import Struct

from schemas import Domain, Fatal


class Constraint(Struct, frozen=True):
    """One rule, and the query that answers its violations."""

    name: str
    rule: str
    description: str
    statement: str

    @property
    def others(self) -> tuple[str, ...]:
        """The other domains whose tables it reads."""
        return tuple(sorted(set(Template(self.statement).get_identifiers())))

    def query(self, databases: Mapping[str, str]) -> str:
        """The statement with the databases of other domains filled in. Raises Fatal for a domain that there is not."""
        unknown = [name for name in self.others if name not in databases]
        if unknown:
            raise Fatal(f"the constraint {self.name} speaks of a domain {unknown[0]!r}, which is not declared")
        return Template(self.statement).substitute(databases)


def constraints_of(domain: Domain) -> tuple[Constraint, ...]:
    """The constraints that a domain declares for this projection version, by their names.

    Raises ValueError for a file that does not begin with its rule.
    """
    folder = files(f"sinks.domains.{domain.module}").joinpath("constraints")
    if not folder.is_dir():
        return ()
    found = {f.name.removesuffix(".sql"): f.read_text() for f in folder.iterdir() if f.name.endswith(".sql")}
    return tuple(parse(name, text) for name, text in sorted(found.items()))


def parse(name: str, text: str) -> Constraint:
    """A constraint from its file. Raises ValueError when the file does not begin with its rule."""
    lines = text.splitlines()
    header = [line.removeprefix("--").strip() for line in lines if line.startswith("--")]
    statement = "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
    if not lines or not lines[0].startswith("--") or not statement:
        raise ValueError(f"{name}.sql must begin with a line `-- ` that says the rule, and have a query")
    return Constraint(name, header[0], " ".join(header[1:]).strip(), statement)
