"""The commands of the CLI. Each module offers its commands as `COMMANDS`; they are found, not listed."""
