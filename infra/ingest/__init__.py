"""Files of commands: read, sent through the bulk route, and taken up again where they were left."""
