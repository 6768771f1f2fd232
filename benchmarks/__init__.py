"""Ours beside the peers, on the same data, in one process: ``make bench``."""
