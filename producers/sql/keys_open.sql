SELECT id, key FROM subject_keys WHERE id = ANY(%(ids)s) AND key IS NOT NULL
