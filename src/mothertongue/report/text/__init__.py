"""Write conclusions in words: the page's recommendation and the terminal's summary."""
