"""The page's template, styles and scripts, and the code that makes one HTML file of them."""
