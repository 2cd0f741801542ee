"""The real ClickHouse engine (chDB) behind a small server that speaks ClickHouse's native protocol.

`python -m infra.clickhouse` runs it. Clients are `clickhouse-driver` as it is; the same URLs can point to a true
ClickHouse server instead. Protocol source: ClickHouse `src/Core/ProtocolDefines.h`, `src/Server/TCPHandler.cpp`.
"""
