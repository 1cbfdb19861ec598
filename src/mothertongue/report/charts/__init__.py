"""The charts of the page, a file for each question; rates are in percent."""
