-- A batch of writes; see the function.
SELECT head, outcomes
FROM append(
    %(domain)s, %(lateness)s, %(stream_names)s, %(stream_versions)s, %(stream_hashes)s, %(command_ids)s,
    %(command_fingerprints)s, %(command_streams)s, %(command_events)s, %(guards)s, %(event_streams)s,
    %(event_commands)s, %(event_numbers)s, %(event_causes)s, %(event_names)s, %(event_keys)s, %(event_types)s,
    %(event_times)s, %(event_starts)s, %(event_lengths)s, %(event_hashes)s, %(command_correlations)s,
    %(command_traceparents)s, %(event_data)s
)
