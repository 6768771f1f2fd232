"""SHELL and loop of AdaBoost, under ``skextras.adaboost``."""
