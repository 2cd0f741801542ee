"""The process managers: each module declares one as `PROCESS`."""
