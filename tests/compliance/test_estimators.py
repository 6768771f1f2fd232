"""scikit-learn's own checks over every public estimator of skextras, with no expected failure."""

from sklearn.utils.estimator_checks import parametrize_with_checks

import skextras

# Fewer of what they do a hundred times over by default.
QUICK = {"BorutaSelector": {"max_trials": 10}, "StabilitySelector": {"n_pairs": 10}}
# libsvm stops within tol of the solution, and the checks compare to 1e-7.
EXACT = {"ProbabilisticSVC": {"tol": 1e-10}}
OPTIONS = QUICK | EXACT


def made(name):
    """An estimator that does the same in each run: some checks leave ``random_state`` alone, and
    what a few rows of noise make an estimator warn of is an error here."""
    estimator = getattr(skextras, name)(**OPTIONS.get(name, {}))
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    return estimator


ESTIMATORS = [made(name) for name in skextras.__all__]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)
