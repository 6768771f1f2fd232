"""The hosts' own tests, run unedited with our classes in place of theirs: ``make upstream``."""
