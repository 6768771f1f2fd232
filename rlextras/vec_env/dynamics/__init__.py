"""ENGINE: compiled physics of Gymnasium's classic control tasks, one task a file.

Each kernel advances N tasks by one step, in the order of operations of Gymnasium's own step, so
that the numbers are its own to the last bit. Importing a task's file compiles its kernel (under a
second) or loads it from Numba's cache on disk.
"""
