"""The shop with its process manager on real servers: orders of every fate, and what must have become of them."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from producers import PostgresEventStore
from producers.upkeep.retention import run_retention
from producers.upkeep.ticks import STREAM
from schemas import PROCESS_PREFIX, Command
from tests.integration.commanded import Client, headers_of
from tests.pipeline import Pipeline, until
from tests.saga.deliveries import Deliver, Ship
from tests.saga.payments import ReceivePayment, RequestPayment
from tests.saga.planted import domains, wired
from tests.saga.shop import PlaceOrder

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_PAID = ("OrderPlaced", "PaymentRequested", "PaymentReceived")
FATES = {
    "paid": (*_PAID, "Shipped", "Delivered", "OrderCompleted"),
    "dear": ("OrderPlaced", "OrderCancelled"),  # its payment is refused
    "late": (*_PAID, "OrderCancelled", "PaymentRefunded"),  # paid after the deadline
    "nowhere": (*_PAID, "OrderCancelled", "PaymentRefunded"),  # its delivery is refused
}


class Shop:
    """Leads batches of orders through relay, intake and process manager, which `nudge` may kill and start again."""

    def __init__(self, pipeline: Pipeline, kafka: str, postgres: str) -> None:
        self.pipeline, self.domains = pipeline, domains(pipeline.namespace)
        self._clients = {name: Client(kafka, domain) for name, domain in self.domains.items()}
        self._stores = [PostgresEventStore(postgres, domain) for domain in self.domains.values()]
        self._kafka, self._postgres = kafka, postgres
        self.nudge: Callable[[], None] = lambda: None
        self._batches = self._size = 0

    def forget_ids_of_clients(self) -> None:
        """What retention does in a year; the ids of process managers are left."""
        stop = threading.Event()
        short = [replace(domain, command_retention=timedelta(microseconds=1)) for domain in self.domains.values()]
        keeper = threading.Thread(target=run_retention, args=(short, self._postgres, stop))
        keeper.start()
        # Only the ids at the end of a domain are never old enough.
        until(lambda: len([id_ for id_ in self._remembered() if id_.startswith("PlaceOrder")]) <= 1, 30)
        stop.set()
        keeper.join()
        assert any(id_.startswith(PROCESS_PREFIX) for id_ in self._remembered())

    def _remembered(self) -> list[str]:
        connection = psycopg2.connect(self._postgres)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT command FROM commands")
            found = [command for (command,) in cursor]
        connection.close()
        return found

    def repeat_all_commands_of_the_process(self) -> None:
        """Put every record that the process ever fired onto the commands topics once more."""
        before = self.events()
        for name, client in self._clients.items():
            topic = self.domains[name].commands_topic
            fired = [r for r in client.read(topic) if headers_of(r).get("command-id", "").startswith(PROCESS_PREFIX)]
            answered = len(client.replies())
            assert fired
            for record in fired:
                client.send(record.value(), record.partition() or 0, list(headers_of(record).items()), record.key())
            client.flush()
            client.replied(answered + len(fired))
        assert self.events() == before

    def assert_each_command_was_fired_once(self) -> None:
        """No command of the process stands twice on its topic, for those who read what is committed."""
        for name, client in self._clients.items():
            records = client.read(self.domains[name].commands_topic)
            fired = [headers_of(record).get("command-id", "") for record in records]
            own = Counter(id_ for id_ in fired if id_.startswith(PROCESS_PREFIX))
            assert own
            assert set(own.values()) == {1}

    def lose_state(self) -> None:
        """The topic of the state is empty."""
        names = wired(self.pipeline.namespace).names
        admin = AdminClient({"bootstrap.servers": self._kafka})
        for done in admin.delete_topics([names.state_topic], operation_timeout=30).values():
            done.result()
        until(lambda: names.state_topic not in admin.list_topics(timeout=5).topics, 30)
        self.pipeline.prepare()

    def lose_offsets(self) -> None:
        """Kafka knows nothing more of the process's group."""
        app = wired(self.pipeline.namespace).names.app
        admin = AdminClient({"bootstrap.servers": self._kafka})

        def deleted() -> bool:
            try:
                admin.delete_consumer_groups([app])[app].result()
            except KafkaException:  # the last member has not timed out yet
                return False
            return True

        until(deleted, 40, what="the group is empty")

    def close(self) -> None:
        for store in self._stores:
            store.close()

    def events(self) -> dict[str, Counter[str]]:
        """The types of the events of each order, counted, of all domains."""
        found: dict[str, Counter[str]] = {}
        for store in self._stores:
            for event in store.read(0, 100_000):
                if event.stream != STREAM and not event.stream.startswith("clock"):
                    found.setdefault(event.stream, Counter())[event.type] += 1
        return found

    def batch(self, size: int = 3) -> None:
        """Lead `size` orders of every fate from their first event to their last."""
        at, self._size, batch = BEGIN + timedelta(days=self._batches), size, self._batches
        self._batches += 1
        orders = {fate: [f"{fate}-{batch}-{n}" for n in range(size)] for fate in FATES}
        everybody = [order for each in orders.values() for order in each]
        self._send("shop", [self._place(order, 2_000 if order in orders["dear"] else 10, at) for order in everybody])
        asked = orders["paid"] + orders["late"] + orders["nowhere"]
        self._await("PaymentRequested", asked)
        self._receive(orders["paid"] + orders["nowhere"], at)
        self._await("Shipped", orders["paid"])
        self._send("deliveries", [Deliver(order_id=order, at=at) for order in orders["paid"]])
        self._await("OrderCompleted", orders["paid"])
        self._await("OrderCancelled", orders["dear"] + orders["nowhere"])
        self.pass_time(at + timedelta(hours=2))
        self._await("OrderCancelled", orders["late"])
        self._receive(orders["late"], at + timedelta(hours=2))
        self._await("PaymentRefunded", orders["late"] + orders["nowhere"])

    def pass_time(self, at: datetime) -> None:
        """Let the event time of all domains go on."""
        order = f"clock-{at:%Y%m%d%H}"
        self._send("payments", [RequestPayment(order_id=order, amount=1, at=at)])
        self._send("deliveries", [Ship(order_id=order, at=at)])
        self._send("shop", [self._place(order, 2_000, at)])

    def assert_each_effect_once(self) -> None:
        """Every order of all batches has the events of its fate, each once."""
        assert self.events() == {
            f"{fate}-{batch}-{n}": Counter(kinds)
            for fate, kinds in FATES.items()
            for batch in range(self._batches)
            for n in range(self._size)
        }

    def _place(self, order: str, amount: int, at: datetime) -> PlaceOrder:
        return PlaceOrder(order_id=order, customer_id=f"c-{hash(order) % 7}", amount=amount, at=at)

    def _receive(self, orders: list[str], at: datetime) -> None:
        self._send("payments", [ReceivePayment(order_id=order, at=at) for order in orders])

    def _send(self, domain: str, commands: list[Command]) -> None:
        self._clients[domain].send_all([(f"{type(c).__name__}-{c.order_id}", c) for c in commands])  # type: ignore[attr-defined]  # all have it

    def _await(self, kind: str, orders: list[str]) -> None:
        def done() -> bool:
            self.nudge()
            events = self.events()
            return all(events.get(order, Counter())[kind] for order in orders)

        until(done, 60, what=f"{kind} of {orders}: {self.pipeline.log('process')[-3000:]}")
