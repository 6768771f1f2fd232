"""From raw tables to features, and from many features to few."""
