"""Tables for the terminal, the page, CSV, Markdown and LaTeX, a module for each verb or kind."""
