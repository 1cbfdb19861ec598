"""The formats of exports, one a file: `export --format` and `open_model` find each by itself."""
