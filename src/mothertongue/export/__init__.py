"""Ways out of mothertongue, a file for each format; base.py is what each of them keeps to."""
