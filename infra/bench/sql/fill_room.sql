-- Partitions for the events to come.
SELECT extend(%(domain)s, %(last)s)
