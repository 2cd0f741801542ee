SELECT coalesce(max(version), 0) FROM naive_events WHERE stream = %(stream)s
