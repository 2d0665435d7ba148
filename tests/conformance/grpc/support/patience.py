"""How long something may take until it counts as not coming. No case passes or fails by a time: this only ends those that hang."""
PATIENCE = 20.0  # seconds
