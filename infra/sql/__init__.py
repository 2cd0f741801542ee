"""The SQL command line: a client of the API's ad-hoc SQL."""
