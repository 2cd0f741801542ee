"""Proof of history: the check of a domain's hash chains in Postgres, and signed checkpoints of its head."""
