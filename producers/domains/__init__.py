"""The rules of the domains: one module a domain, with the same name as in `schemas`, declaring `DECIDER`."""
