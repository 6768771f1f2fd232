"""SHELL of the random forests: what scikit-learn wants of them, around the engine's whole trees."""
