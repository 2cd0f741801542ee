"""Everything around the stages: settings, command line, local stack, migrations. Alone in importing all of them."""
