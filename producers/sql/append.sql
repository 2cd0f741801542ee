-- A batch of writes; see the function.
SELECT head, outcomes
FROM append(
    %(domain)s, %(lateness)s, %(stream_names)s, %(stream_versions)s, %(stream_hashes)s, %(stream_keys)s,
    %(stream_lasts)s, %(stream_finals)s, %(command_ids)s, %(command_fingerprints)s, %(command_events)s,
    %(command_ends)s, %(command_versions)s, %(command_correlations)s, %(command_traceparents)s, %(part_commands)s,
    %(part_streams)s, %(part_events)s, %(guard_commands)s, %(guard_kinds)s, %(guard_keys)s, %(guard_amounts)s,
    %(guard_floors)s, %(counter_keys)s::text[], %(counter_amounts)s, %(counter_least)s, %(event_streams)s,
    %(event_commands)s, %(event_numbers)s, %(event_types)s, %(event_versions)s, %(event_befores)s, %(event_times)s,
    %(event_latest)s, %(event_starts)s, %(event_lengths)s, %(event_hashes)s, %(event_data)s
)
