"""Which features would other rows choose too? Thirty that were measured, thirty of noise.

Prints how many of each kind four selectors take, and how well a linear model does with them; writes
the picture of each into a folder, if one is named.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skextras import BorutaSelector, L1L2Selector, MRMRSelector, StabilitySelector
from skextras.inspection import SelectionDisplay

SELECTORS = {
    "L1 and L2": L1L2Selector(0.1),
    "mRMR": MRMRSelector(8),
    "stability": StabilitySelector(n_pairs=25, random_state=0),
    "Boruta": BorutaSelector(max_trials=25, random_state=0),
}


def main(folder: Path | None):
    """Select, count, and judge on rows that the selector did not see."""
    data = load_breast_cancer(as_frame=True)
    X, y = data.data.copy(), data.target
    random = np.random.default_rng(0)
    for name in data.feature_names:
        X[f"noise: {name}"] = random.permutation(X[name])
    for name, selector in SELECTORS.items():
        model = make_pipeline(selector, StandardScaler(), LogisticRegression())
        score = cross_val_score(model, X, y, cv=3).mean()
        selector.fit(X, y)
        names = selector.get_feature_names_out()
        n_noise = sum(own.startswith("noise") for own in names)
        print(
            f"{name:<10} {len(names) - n_noise:2d} measured, {n_noise} noise, accuracy {score:.3f}"
        )
        if isinstance(selector, StabilitySelector):
            print(f"{'':<10} at most {selector.error_bound_:.2f} wrong ones on average")
            assert n_noise == 0
        if folder is not None:
            display = SelectionDisplay.from_estimator(selector)
            display.figure_.savefig(folder / f"selection_{type(selector).__name__}.png", dpi=150)
        assert score > 0.9


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
