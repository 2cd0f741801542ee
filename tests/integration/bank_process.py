"""A process that transfers money between few accounts, for the test that races two of them.

Arguments: database URL, namespace, name, how many transfers. Prints the rule of each refusal, or "accepted"; "ready"
before each round, which begins with a line on standard input.
"""

import asyncio
import sys
from random import Random

from producers import CommandHandler, PostgresEventStore, Request
from producers.domains.banking import DECIDER
from schemas import HeadraceError, discover
from tests.bank import transfer


async def main(url: str, namespace: str, name: str, amount: str) -> None:
    domain = discover(namespace)["banking"]
    handler, random = CommandHandler(domain, DECIDER, PostgresEventStore(url, domain)), Random(name)
    pairs = [random.sample("abcd", 2) for _ in range(int(amount))]
    requests = [
        Request(transfer(payer, payee, random.randint(1, 40), f"{name}-{n}"), f"{name}-{n}")
        for n, (payer, payee) in enumerate(pairs)
    ]
    while requests:  # a few at a time, and all processes begin a round together, so that they race in each
        print("ready", flush=True)
        sys.stdin.readline()
        sent, requests = requests[:5], requests[5:]
        for request, result in zip(sent, await handler.submit(sent), strict=True):
            if isinstance(result, HeadraceError) and result.rule == "contended-stream":
                requests.append(request)  # as its detail says: send it again
            else:
                print(result.rule if isinstance(result, HeadraceError) else "accepted", flush=True)
    await handler.close()


asyncio.run(main(*sys.argv[1:]))
