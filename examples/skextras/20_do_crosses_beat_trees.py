"""Do crosses beat trees? What matters is which pair it is, of thousands, each seen a few times.

Prints the accuracy of a linear model on hashed crosses, of the same model without them, and of
gradient boosting on the two columns as categories.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skextras import GradientBoostingClassifier
from skextras.features import Crossed, FeatureColumns, Indicator, Vocabulary

N, N_EACH = 60_000, 60


def pairs():
    """Whether a user likes an item depends on both at once: neither says anything alone."""
    random = np.random.default_rng(0)
    user, item = random.integers(0, N_EACH, (2, N))
    likes = random.random((N_EACH, N_EACH)) < 0.5
    y = likes[user, item] ^ (random.random(N) < 0.1)  # one in ten is noise
    table = {"user": np.char.add("u", user.astype(str)), "item": np.char.add("i", item.astype(str))}
    return table, y.astype(int)


def main():
    """Fit three models on two thirds, judge on the rest."""
    table, y = pairs()
    train, test = slice(0, 40_000), slice(40_000, N)
    singles = [Indicator(Vocabulary("user")), Indicator(Vocabulary("item"))]
    crossed = [*singles, Crossed(["user", "item"], n_buckets=2**16)]
    codes = [Vocabulary("user"), Vocabulary("item")]
    trees = GradientBoostingClassifier(categorical_features=[0, 1], random_state=0)
    models = {
        "linear, crosses": make_pipeline(FeatureColumns(crossed), LogisticRegression(C=1)),
        "linear": make_pipeline(FeatureColumns(singles), LogisticRegression(C=1)),
        "boosted trees": make_pipeline(FeatureColumns(codes), trees),
    }
    scores = {}
    for name, model in models.items():
        model.fit({key: own[train] for key, own in table.items()}, y[train])
        rows = {key: own[test] for key, own in table.items()}
        scores[name] = (model.predict(rows) == y[test]).mean()
        print(f"{name:<16} accuracy {scores[name]:.3f} (at most 0.9)")
    assert scores["linear, crosses"] > max(scores["linear"], scores["boosted trees"])


if __name__ == "__main__":
    main()
