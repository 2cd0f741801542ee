UPDATE builds SET state = %(state)s, changed = now()
WHERE domain = %(domain)s AND projection = %(projection)s AND build = %(build)s AND state = ANY(%(states)s)
  AND NOT (live AND %(state)s <> 'following')
