"""Sphinx settings: ``make docs``."""

from importlib import metadata

project = "mlextras"
author = "the mlextras developers"
release = version = metadata.version("mlextras")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc"]
templates_path = ["templates"]
exclude_patterns = ["_build"]
autosummary_generate = True
numpydoc_show_class_members = False  # the class template lists them, without those of the hosts
html_theme = "alabaster"
html_theme_options = {"description": "Drop-in estimators, algorithms and schedulers"}
