"""Compiled small networks: one flat float32 vector holds all numbers, one table describes them.

Nothing here knows a host. ``plan`` describes a network, ``acting`` runs it, ``clipped`` and
``natural`` update it, ``returns`` computes advantages; ``transformer`` reads the prefixes that
``prefix_tree`` finds in sequences. Importing one of those compiles it, or reads it from Numba's
cache on disk; all run on one thread and release the interpreter's lock.
"""
