-- Each in the place of the other, at once.
EXCHANGE TABLES ${live} AND ${fresh}
