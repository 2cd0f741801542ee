"""The audit: whether every hop of a domain's way holds what Postgres holds, and nothing else.

Each hop answers digests of ranges of positions, or of groups of keys; only the ranges that differ are looked into, and
there each missing, doubled or altered event or row is named. Writes go on meanwhile: hops are compared up to a position
that they have all reached.
"""
