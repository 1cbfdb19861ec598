"""Files that are whole or not there: atomic writes, locks, JSON that may be damaged, caches.

Paths and values come in, files and checked values go out. It imports errors alone.
"""
