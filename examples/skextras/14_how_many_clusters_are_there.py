"""How many clusters are there, and of which shape?

Prints the number and kind of components that BIC chooses for the irises, and draws the criterion.
"""

from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

from skextras.mixture import MixtureDisplay, select_mixture


def main():
    """Search 1 to 6 components of four kinds."""
    X, species = load_iris(return_X_y=True)
    found = select_mixture(X, range(1, 7))
    size, kind = found.best_params_["n_components"], found.best_params_["covariance_type"]
    print(f"BIC chooses {size} {kind} components")
    three = select_mixture(X, [3]).best_estimator_
    agreement = adjusted_rand_score(species, three.predict(X))
    print(f"three components agree with the species by {agreement:.2f} (adjusted Rand)")
    found.plot()  # plt.show() shows both pictures
    MixtureDisplay.from_estimator(three, X, features=(2, 3))
    assert agreement > 0.8


if __name__ == "__main__":
    main()
