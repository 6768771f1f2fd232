"""The engine: noise schedules, prediction targets, grids of timesteps, rows of reverse steps.

Arrays in, arrays out. Nothing here knows diffusers, a config or a random generator.
"""
