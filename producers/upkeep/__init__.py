"""What keeps a domain in order while nobody sends commands: old command ids are forgotten, event time ticks on."""
