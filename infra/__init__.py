"""Everything around the stages: settings, command line, local stack, migrations, topics. Alone in importing all of them."""
