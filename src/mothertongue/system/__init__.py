"""The machine below: files that are whole or not there, locks, processes, terminal, environment.

Paths and values come in, files and checked values go out. It imports errors alone.
"""
