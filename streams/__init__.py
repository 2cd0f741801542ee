"""The fold stage: events of a domain are folded into its aggregate tables, one Kafka transaction a chunk."""
