"""Accounts of a bank: what a command leads to, and the names that are used once."""

from producers.decider import NOTHING, Decider, Facts, Needs
from producers.domains.banking.account import State, evolve
from producers.domains.banking.rules import decide
from producers.store import Guard
from schemas import Command
from schemas.banking import CaptureHold, PlaceHold, Transfer


def needs(command: Command) -> Needs:
    """What moves money to another account needs that one, too."""
    return Needs(streams=(command.to_account,)) if isinstance(command, Transfer | CaptureHold) else NOTHING


def guards(_state: State | None, command: Command, _facts: Facts) -> tuple[Guard, ...]:
    """Transfers and holds have names that are used once."""
    match command:
        case Transfer(transfer_id=name):
            detail = f"there has been a transfer {name}"
            return (Guard("claim", f"transfer:{name}", rule="transfer-already-made", detail=detail),)
        case PlaceHold(account_id=account, hold_id=name):
            detail = f"there has been a hold {name} on {account}"
            return (Guard("claim", f"hold:{account}/{name}", rule="hold-already-placed", detail=detail),)
    return ()


DECIDER = Decider(decide, evolve, needs, guards, state=State)
