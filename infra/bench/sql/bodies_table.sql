-- What the bare server stores the bodies in: no index, no rule.
CREATE TABLE IF NOT EXISTS bodies (body text NOT NULL)
