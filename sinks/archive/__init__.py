"""The archive: a domain's events as Parquet files, by day of recording, in a directory or an object store.

Files are written once and never changed. Readers such as Spark, DuckDB and ClickHouse see
`domain=orders/day=2026-01-31/positions-1-50000.parquet`; what counts for Headrace are the manifests beside them.
"""
