"""What `bench fold` folds, with what, and beside whom."""
