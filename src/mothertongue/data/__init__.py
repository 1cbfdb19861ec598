"""A corpus to a clean manifest: each row checked, then all against each other. No torch."""
