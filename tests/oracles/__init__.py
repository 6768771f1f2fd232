"""Slow and obvious twins of fast code."""
