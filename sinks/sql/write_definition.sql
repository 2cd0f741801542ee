-- What a projection's tables are made of now.
INSERT INTO ${database}.definitions (name, fingerprint) VALUES
