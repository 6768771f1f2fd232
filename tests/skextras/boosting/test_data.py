"""Gradient boosting on data as users have them: tables, categories, blocks, bad ones."""

import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from skextras import GradientBoostingClassifier, GradientBoostingRegressor
from tests.skextras.boosting.tables import labels, numbers

QUICK = {"max_iter": 8, "min_samples_leaf": 5, "random_state": 0, "early_stopping": False}


def shop(n=800, seed=0):
    """A table with two features of categories, a number, and missing values in all."""
    rng = np.random.default_rng(seed)
    town = rng.choice(["Ulm", "Bonn", "Trier", "Jena", "Kiel"], n).astype(object)
    kind = rng.integers(0, 12, n)
    price = rng.normal(size=n)
    y = np.isin(town, ["Ulm", "Jena"]) * 2.0 + (kind % 3 == 1) + 0.3 * price
    town[::17], price[::13] = None, np.nan
    return pd.DataFrame({"town": pd.Categorical(town), "kind": kind, "price": price}), y


def fitted(X, y, **options):
    return GradientBoostingRegressor(**{**QUICK, **options}).fit(X, y)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8, bool])
def test_the_type_of_a_number_does_not_matter(dtype):
    X, y = numbers()
    X = (3 * X).round().astype(np.int8).astype(dtype)
    expected = fitted(X.astype(np.float64), y).predict(X.astype(np.float64))
    assert np.array_equal(fitted(X, y).predict(X), expected)


@pytest.mark.parametrize(
    "laid_out",
    [np.asfortranarray, lambda X: np.repeat(X, 2, axis=0)[::2], lambda X: X[:, ::-1][:, ::-1]],
)
def test_how_an_array_lies_in_memory_does_not_matter(laid_out):
    X, y = numbers(n_missing=100)
    given = laid_out(X)
    given.flags.writeable = False
    assert np.array_equal(fitted(given, y).predict(given), fitted(X, y).predict(X))


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
def test_a_sparse_table_gives_what_the_dense_one_gives(layout):
    X, y = numbers(n_features=20)
    X[np.abs(X) < 1] = 0
    given = sparse.coo_matrix(X).asformat(layout)
    model = fitted(given, y)
    assert np.array_equal(model.predict(given), fitted(X, y).predict(X))
    assert np.array_equal(model.predict(X), model.predict(given))


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_every_library_of_tables_gives_what_pandas_gives(library):
    X, y = shop()
    given = pl.from_pandas(X) if library == "polars" else pa.Table.from_pandas(X)
    ours = fitted(given, y)
    assert np.array_equal(ours.predict(given), fitted(X, y).predict(X))
    assert ours.is_categorical_.tolist() == [True, False, False]


def test_categories_split_many_against_many():
    X, y = shop(2000)
    model = fitted(X[["town"]], y, max_leaf_nodes=2, max_iter=1, learning_rate=1.0)
    low, high = sorted(set(model.predict(X[["town"]]).round(9)))
    is_high = X["town"].isin(["Ulm", "Jena"])
    assert np.all(model.predict(X[["town"]][is_high]) > (low + high) / 2)


def test_a_category_that_was_not_seen_is_missing():
    X, y = shop()
    model = fitted(X, y)
    new = X.head(20).assign(town=pd.Categorical(["Rom"] * 20))
    none = X.head(20).assign(town=pd.Categorical([None] * 20, categories=["Rom"]))
    assert np.array_equal(model.predict(new), model.predict(none))


def test_the_order_of_categories_does_not_matter():
    X, y = shop()
    turned = X.assign(town=X["town"].cat.reorder_categories(X["town"].cat.categories[::-1]))
    assert np.array_equal(fitted(turned, y).predict(X), fitted(X, y).predict(turned))


@pytest.mark.parametrize("named", [["kind"], [1], [False, True, False]])
def test_features_of_categories_may_be_named_in_each_way(named):
    X, y = shop()
    X = X.assign(town=X["town"].cat.codes)
    by_type = X.assign(kind=X["kind"].astype("category"))
    one = fitted(X, y, categorical_features=named)
    assert np.array_equal(one.predict(X), fitted(by_type, y).predict(by_type))


def test_more_than_256_features():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 700))
    model = fitted(X, X[:, 650] - X[:, 3])
    assert set(np.argsort(-model.feature_importances_)[:2]) == {650, 3}


# ------------------------------------------------------------ blocks
@pytest.mark.parametrize("n_blocks", [1, 3, 50])
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_give_what_the_whole_table_gives(n_blocks, weighted):
    X, y = numbers(1000, n_missing=200)
    parts = [X, y] + [np.arange(1000) % 3 + 1.0] * weighted
    blocks = list(zip(*(np.array_split(part, n_blocks) for part in parts), strict=True))
    whole = GradientBoostingRegressor(**QUICK).fit(*parts)
    assert np.array_equal(fitted(blocks, None).predict(X), whole.predict(X))


def test_blocks_may_come_from_a_file_that_is_mapped_to_memory(tmp_path):
    X, y = numbers(1000)
    np.save(tmp_path / "X.npy", X)

    class Rows:
        """Read anew at each walk."""

        def __iter__(self):
            mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
            for first in range(0, 1000, 300):
                yield mapped[first : first + 300], y[first : first + 300]

    assert np.array_equal(fitted(Rows(), None).predict(X), fitted(X, y).predict(X))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert np.array_equal(fitted(mapped, y).predict(mapped), fitted(X, y).predict(X))


@pytest.mark.parametrize("in_blocks", [True, False])
def test_a_row_takes_its_bins_and_32_bytes_while_trees_grow(in_blocks):
    n, taken = 400_000, []
    X = np.random.default_rng(0).normal(size=(n, 8))
    table, y = pd.DataFrame(X), X[:, 0] > 0
    given = (table, y)
    if in_blocks:
        given = ([(table[: n // 2], y[: n // 2]), (table[n // 2 :], y[n // 2 :])],)
    model = GradientBoostingClassifier(
        max_iter=2,
        early_stopping=False,
        n_jobs=1,
        callbacks=lambda model, course: taken.append(tracemalloc.get_traced_memory()[0]),
    )
    model.fit(X[:1000], y[:1000])  # code is no part of what the rows take
    tracemalloc.start()
    model.fit(*given)
    tracemalloc.stop()
    # Eight bins; gradient, hessian, both in fixed point, order, spare order, score and label;
    # the histograms are less than 2 MB.
    assert taken[-1] - 2e6 < n * (8 + 4 + 4 + 8 + 4 + 4 + 4 + 4)


def test_blocks_of_tables_learn_each_others_categories():
    X, y = shop()
    order = np.argsort(X["town"].cat.codes.to_numpy(), kind="stable")
    X, y = X.iloc[order], y[order]
    blocks = [(X.iloc[i : i + 100], y[i : i + 100]) for i in range(0, 800, 100)]
    assert np.array_equal(fitted(blocks, None).predict(X), fitted(X, y).predict(X))


def test_a_generator_is_refused_since_it_can_be_walked_once():
    X, y = numbers(100)
    with pytest.raises(TypeError, match=r"GradientBoostingRegressor: .+ twice"):
        fitted(((X, y) for _ in range(2)), None)


# ------------------------------------------------------------ hard and bad data
def test_columns_that_say_nothing_do_no_harm():
    X, y = numbers()
    X = np.column_stack([X, np.full(len(X), np.nan), np.ones(len(X)), np.full(len(X), np.inf)])
    model = fitted(X, y)
    assert np.all(model.feature_importances_[5:] == 0)
    assert np.array_equal(model.predict(X), fitted(X[:, :5], y).predict(X[:, :5]))


def test_infinities_are_ordinary_ends():
    X, y = numbers(400)
    X[:, 2] = np.where(y > 1, np.inf, np.where(y < -1, -np.inf, 0.0))
    model = fitted(X[:, [2]], np.sign(y) * (np.abs(y) > 1), max_iter=60)
    assert np.abs(model.predict([[np.inf], [0.0], [-np.inf]]) - [1, 0, -1]).max() < 0.02


@pytest.mark.parametrize("offset", [1e6, -1e9])
def test_an_offset_costs_no_digits(offset):
    X, y = numbers(500)
    # y itself keeps float64's digits beside the offset, and no more.
    np.testing.assert_allclose(
        fitted(X, y + offset).predict(X) - offset, fitted(X, y).predict(X), atol=2e-5
    )


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_units_do_not_matter(scale):
    X, y = numbers(500)
    expected = fitted(X, y).predict(X)
    np.testing.assert_allclose(fitted(X * scale, y).predict(X * scale), expected, rtol=1e-6)


def test_a_constant_target_is_predicted():
    X, _ = numbers(100)
    assert np.array_equal(fitted(X, np.full(100, 7.5)).predict(X), np.full(100, 7.5))


def test_one_class_and_one_row_are_answered():
    X, _ = numbers(50)
    model = GradientBoostingClassifier(**QUICK).fit(X, np.ones(50))
    assert np.all(model.predict(X) == 1)
    one = fitted(X[:1], np.array([3.0]))
    assert one.predict(X[:1]) == pytest.approx(3.0)


BAD = {
    "max_bins above": ({"max_bins": 256}, "max_bins"),
    "max_bins below": ({"max_bins": 1}, "max_bins"),
    "rate": ({"learning_rate": 0.0}, "learning_rate"),
    "policy": ({"grow_policy": "widthwise"}, "grow_policy"),
    "constraint": ({"monotonic_cst": [1, 0]}, r"monotonic_cst has shape \(2,\)"),
    "constraint value": ({"monotonic_cst": [2, 0, 0, 0, 0]}, "monotonic_cst"),
    "interaction": ({"interaction_cst": [[0, 9]]}, "Interaction constraints must"),
    "goss and subsample": ({"sampling": "goss", "subsample": 0.5}, "subsample must be"),
    "goss rates": ({"sampling": "goss", "top_rate": 0.7, "other_rate": 0.5}, "at most 1"),
    "dart stops early": ({"boosting": "dart", "early_stopping": True}, "early_stopping must"),
    "callback": ({"callbacks": "print"}, "callbacks"),
}


@pytest.mark.parametrize(("options", "words"), BAD.values(), ids=list(BAD))
def test_an_impossible_option_is_refused_in_words(options, words):
    X, y = numbers(50)
    with pytest.raises(ValueError, match=words):
        GradientBoostingRegressor(**options).fit(X, y)


def test_too_many_categories_are_refused_with_a_cure():
    X = pd.DataFrame({"c": pd.Categorical(np.arange(600) % 300)})
    with pytest.raises(ValueError, match=r"cardinality of 300\. Join rare categories"):
        fitted(X, np.arange(600.0))


@pytest.mark.parametrize("weight", [np.zeros(50), np.full(50, np.nan), -np.ones(50), np.ones(49)])
def test_weights_that_make_no_sense_are_refused(weight):
    X, y = numbers(50)
    with pytest.raises(ValueError, match=r"[wW]eight|inconsistent|NaN"):
        GradientBoostingRegressor(**QUICK).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("y", [np.full(50, np.nan), np.full(50, np.inf), np.ones(49)])
def test_targets_that_make_no_sense_are_refused(y):
    X, _ = numbers(50)
    with pytest.raises(ValueError, match=r"NaN|infinity|inconsistent"):
        GradientBoostingRegressor(**QUICK).fit(X, y)


@pytest.mark.parametrize(("loss", "bad"), [("poisson", -1.0), ("gamma", 0.0), ("tweedie", -1.0)])
def test_targets_outside_of_a_losss_range_are_refused(loss, bad):
    X, _ = numbers(50)
    y = np.full(50, 2.0)
    y[3] = bad
    with pytest.raises(ValueError, match=loss):
        fitted(X, y, loss=loss)


@pytest.mark.parametrize("y", [np.linspace(0, 1, 40), np.array([1, "a"] * 20, object)])
def test_targets_that_are_no_classes_are_refused_as_the_host_does(y):
    X = np.arange(80.0).reshape(40, 2)
    with pytest.raises(ValueError, match="Unknown label type"):
        GradientBoostingClassifier().fit(X, y)


def test_a_validation_set_with_unseen_classes_is_refused():
    X, y = labels(100)
    model = GradientBoostingClassifier(early_stopping=True)
    with pytest.raises(ValueError, match=r"first y, got unseen labels \{2\}"):
        model.fit(X, y, X_val=X, y_val=y + 1)


@pytest.mark.parametrize("X", [np.empty((0, 5)), np.empty((5, 0)), np.ones(5)])
def test_empty_and_flat_tables_are_refused(X):
    with pytest.raises(ValueError, match=r"0 sample|0 feature|2D array"):
        fitted(X, np.ones(len(X)))


def test_targets_that_single_precision_cannot_hold_are_refused():
    X, y = numbers(100)
    model = GradientBoostingRegressor(max_iter=5, min_samples_leaf=5)
    with pytest.raises(ValueError, match=r"y must be within ±1e\+37, got one of size"):
        model.fit(X, y * 1e200)
    large = model.fit(X, y * 1e30).predict(X)
    np.testing.assert_allclose(large, model.fit(X, y).predict(X) * 1e30, rtol=1e-3)
