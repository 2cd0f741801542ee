"""A shop, its payments and its deliveries, and the process that leads an order through them; for tests.

The modules are planted into a copy of the tree, where they are `schemas.shop` and so on; see `tests.saga.planted`.
"""
