"""SHELL and loop of gradient boosting, under ``skextras.gradient_boosting``."""
