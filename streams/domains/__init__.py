"""One module for each domain: its folds."""
