"""Conclusions in words: the recommendation on the page and the summary on the terminal."""
