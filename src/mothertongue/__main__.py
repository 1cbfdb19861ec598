"""python -m mothertongue: the same as the console script."""

from mothertongue.cli import main

main()
