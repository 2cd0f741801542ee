"""A domain with personal data: the members of a club."""
