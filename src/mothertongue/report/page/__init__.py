"""The page's template, styles and scripts, and how they become one HTML file."""
