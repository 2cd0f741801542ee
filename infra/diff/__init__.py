"""What a change of the folds does to the rows: recorded history folded by two versions of the code, and compared."""
