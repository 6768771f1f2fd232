"""Our estimators under the words of the peers they stand in for.

Kernel logistic regression replaces two peers. Each adapter sets the default kernel of its peer and
takes the peer's words that cannot move a unique minimum (which solver, its seed, its cache), so
that upstream tests run as they are written. Nothing of the model itself is adapted.
"""

from skextras import KernelLogisticRegression


class LogisticRegression(KernelLogisticRegression):
    """The linear kernel, solved exactly: the minimum is the same for every solver of the peer."""

    _parameter_constraints = KernelLogisticRegression._parameter_constraints | {
        "solver": "no_validation"  # lbfgs, liblinear, ...
    }

    def __init__(
        self,
        C=1.0,
        *,
        kernel="linear",
        fit_intercept=True,
        class_weight=None,
        max_iter=100,
        tol=1e-8,
        solver="exact",
        random_state=None,
        n_jobs=None,
    ):
        super().__init__(
            C,
            kernel=kernel,
            fit_intercept=fit_intercept,
            class_weight=class_weight,
            max_iter=max_iter,
            tol=tol,
            solver=solver,
            random_state=random_state,
        )
        self.n_jobs = n_jobs

    def _centres(self, *_):
        return None


class SVC(KernelLogisticRegression):
    """The rbf kernel, as SVC's default; a seed and a cache move no exact solution."""

    def __init__(
        self,
        *,
        C=1.0,
        kernel="rbf",
        degree=3,
        gamma="scale",
        coef0=0.0,
        class_weight=None,
        tol=1e-8,
        max_iter=100,
        cache_size=200,
        random_state=None,
    ):
        super().__init__(
            C,
            kernel=kernel,
            degree=degree,
            gamma=gamma,
            coef0=coef0,
            class_weight=class_weight,
            tol=tol,
            max_iter=max_iter,
            random_state=random_state,
        )
        self.cache_size = cache_size
