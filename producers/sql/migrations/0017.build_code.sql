-- What a build's rows are folded with: a build that was begun with other code is not gone on with. Empty: not known.
ALTER TABLE builds ADD COLUMN code text NOT NULL DEFAULT '';
