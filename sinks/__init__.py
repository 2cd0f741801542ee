"""The read side: topics are loaded into ClickHouse exactly once, and queried with a stated freshness."""
