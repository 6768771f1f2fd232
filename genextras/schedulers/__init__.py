"""The schedulers, one class a file, over the shell in ``base``."""
