-- One setting of the server; null when this user may not see it.
SELECT current_setting(%(name)s, true)
