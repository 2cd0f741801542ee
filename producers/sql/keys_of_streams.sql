SELECT stream, partition_key FROM streams WHERE domain = %(domain)s AND stream = ANY(%(streams)s)
