"""An offset in a transaction of a worker that no marker ever ends, as Kafka 4.1 to 4.4 may leave it (KAFKA-20734)."""

import asyncio

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.protocol.transaction import InitProducerIdRequest, TxnOffsetCommitRequest
from confluent_kafka.admin._resource import ResourceType

from schemas import Domain
from tests.integration.test_worker_recovery import configure


def leave_offset_open(kafka: str, domain: Domain, partition: int) -> None:
    """Commit an offset in a transaction that its coordinator knows nothing of, which the broker is told not to mind."""
    configure(kafka, "1", ResourceType.BROKER, transaction_partition_verification_enable="false")
    asyncio.run(_commit(kafka, domain, partition))


async def _commit(kafka: str, domain: Domain, partition: int) -> None:
    client = AIOKafkaClient(bootstrap_servers=kafka)
    await client.bootstrap()
    try:
        name = domain.worker_transactional_id(partition)
        node = await client.coordinator_lookup(CoordinationType.TRANSACTION, name)
        made = await client.send(node, InitProducerIdRequest(name, 10_000))
        assert made.error_code == 0
        offsets = [(domain.events_topic, [(partition, 1, "")])]
        node = await client.coordinator_lookup(CoordinationType.GROUP, domain.worker_app)
        answer = await client.send(
            node, TxnOffsetCommitRequest(name, domain.worker_app, made.producer_id, made.producer_epoch, offsets)
        )
        assert answer.errors == [(domain.events_topic, [(partition, 0)])]
    finally:
        await client.close()
