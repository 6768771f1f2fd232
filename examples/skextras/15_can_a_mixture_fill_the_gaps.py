"""How well does a mixture fill in missing values?

A third of the values is deleted. Prints the error of the mixture and of column means.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from skextras import GaussianMixture


def main():
    """Delete, fit on what is left, fill, compare."""
    X = StandardScaler().fit_transform(load_breast_cancer().data)
    holes = np.random.default_rng(0).random(X.shape) < 1 / 3
    known = np.where(holes, np.nan, X)
    model = GaussianMixture(2, covariance_prior="auto", random_state=0).fit(known)
    error = np.sqrt(np.mean((model.impute(known) - X)[holes] ** 2))
    by_means = np.sqrt(np.mean((np.nanmean(known, axis=0) - X)[holes] ** 2))
    print(f"root mean square error: mixture {error:.2f}, column means {by_means:.2f}")
    assert error < 0.7 * by_means


if __name__ == "__main__":
    main()
