"""One package a domain: its tables, its rollups, its named queries."""
