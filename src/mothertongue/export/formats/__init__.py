"""Export formats, one in each file; `export --format` and `open_model` find them."""
