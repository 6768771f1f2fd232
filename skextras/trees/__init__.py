"""ENGINE: histogram trees. Arrays in, arrays out; it knows no estimator and no scikit-learn."""
