"""The main job of the three packages on real data, inside their hosts: ``make demo``."""
