"""Which strategy, how sure, at what price: a grid of runs and the table that comes of it."""
