"""Files that are written whole or not at all, locks, processes, terminal, environment.

Paths and values come in, files and checked values go out. It imports errors alone.
"""
