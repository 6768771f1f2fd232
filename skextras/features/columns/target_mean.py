"""A category as the mean of the target over its rows."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property, lru_cache
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np

from skextras.features.blocks import MISSING, Block, Codes, Dense
from skextras.features.columns.base import Column, Fitted, Learned, Rows, Target
from skextras.features.columns.over import FittedOver, OverCategories
from skextras.features.columns.policies import with_own_bucket
from skextras.features.columns.vocabulary import Vocabulary
from skextras.features.kernels.target_sums import spread
from skextras.features.lists import Lists
from skextras.features.target_sums import LevelSums, centred, sums_by_fold
from skextras.features.values import Factor

POLICIES = ("bucket", "mean", "keep", "error")
MAX_FOLDS = 255


@dataclass(frozen=True, repr=False)
class TargetMean(OverCategories):
    """The smoothed mean of the target over the rows of a category, cross-fitted.

    The mean of n rows is drawn towards that of all rows, as if m further rows had it:
    (Σy + m μ) / (n + m). "auto" takes for m the variance of y in the category by that of all rows
    (empirical Bayes [1]_). A category that was not seen has the mean of all rows.

    ``fit_transform`` encodes each row by the other folds, so that a row's own target is not in its
    feature; ``transform``, and ``fit`` on batches, by all rows. Of several classes there is a
    column each.

    Parameters
    ----------
    name : str or Column
        Of the table's column: text, categories or numbers; or a column type that gives one category
        a row, such as ``Crossed``, of which ``partial_fit`` takes none.
    smooth : "auto" or float, default="auto"
        m, in rows; at least 0.
    cv : int, default=5
        Folds of ``fit_transform``, drawn at random and of equal size; 2 to 255.
    missing : {"bucket", "mean", "keep", "error"}, default="bucket"
        What a missing value becomes: a category of its own, the mean of all rows, NaN, an error.
    missing_indicator : bool, default=False
        Whether a column of 0 and 1 tells where values were missing.
    random_state : int, default=0
        Draws the folds.

    References
    ----------
    .. [1] D. Micci-Barreca, "A Preprocessing Scheme for High-Cardinality Categorical Attributes in
       Classification and Prediction Problems", SIGKDD Explorations 3(1), 2001, equations 3 to 5.

    Examples
    --------
    >>> from skextras.features import FeatureColumns, TargetMean
    >>> columns = FeatureColumns([TargetMean("town", smooth=1.0)])
    >>> columns = columns.fit({"town": ["Ulm", "Ulm", "Bonn"]}, [1.5, 2.5, 6.5])
    >>> columns.transform({"town": ["Ulm", "Bonn", "Kiel"]}).ravel()
    array([2.5, 5. , 3.5])
    """

    name: str | Column
    _: KW_ONLY
    smooth: Literal["auto"] | float = "auto"
    cv: int = 5
    missing: Literal["bucket", "mean", "keep", "error"] = "bucket"
    missing_indicator: bool = False
    random_state: int = 0
    needs_target: ClassVar[bool] = True

    def __post_init__(self) -> None:
        is_number = isinstance(self.smooth, Real) and 0 <= self.smooth < np.inf
        if self.smooth != "auto" and not is_number:
            self.refuse("smooth", "'auto' or a number of at least 0", self.smooth)
        if not isinstance(self.cv, int) or not 2 <= self.cv <= MAX_FOLDS:
            self.refuse("cv", f"a whole number in [2, {MAX_FOLDS}]", self.cv)
        if self.missing not in POLICIES:
            self.refuse("missing", f"one of {POLICIES}", self.missing)
        if not isinstance(self.random_state, int) or self.random_state < 0:
            self.refuse("random_state", "a whole number of at least 0", self.random_state)

    def start_own(self) -> LevelSums:
        """No row seen."""
        return LevelSums()

    def observe_own(self, state: LevelSums, rows: Rows, target: Target | None) -> None:
        """Add up the targets of each category."""
        factor, target = self._factor(rows, state.kind), self._target(target)
        folds = np.zeros(rows.n_rows, np.uint8)
        folds.flags.writeable = False  # as those of fit_transform: one compiled function
        y = centred(rows, target)
        state.add(factor, y, sums_by_fold(factor, folds, y)[0])

    def learn_own(self, state: LevelSums) -> Learned:
        """Means of the categories, of the missing, and of all rows."""
        learned, places = Vocabulary(self.label).listed(state)
        seen = np.concatenate([state.table.values[places], state.missing[None]])
        means, overall = self._smoothed(seen[None])
        return {
            "vocabulary": learned,
            "means": means[0, :-1] + state.shift,
            "missing": (means[0, -1] if seen[-1, 0] else overall[0]) + state.shift,
            "mean": overall[0] + state.shift,
            "classes": state.classes,
        }

    def fitted(self, learned: Learned) -> "FittedTargetMean":
        """With the means as a table."""
        return FittedTargetMean(self, learned)

    def fit_transform(
        self, state: Any, table: Rows, target: Target | None = None
    ) -> tuple[Fitted, Block]:
        """Learn from all rows; encode each by the other folds."""
        for number in range(self.n_passes - 1):
            self.observe(state, table, target, number)
        factor = self._factor(self.coded(state, table))
        target, n = self._target(target), table.n_rows
        n_folds = min(self.cv, n)
        folds = _folds(n, n_folds, self.random_state)
        y = centred(table, target)
        sums = sums_by_fold(factor, folds, y)
        together = sums.sum(axis=0)
        state.own.add(factor, y, together)
        fitted = self.fitted(self.learn(state))
        means, overall = self._smoothed(together - sums if n_folds > 1 else sums)
        if self.missing != "bucket":
            means[:, -1] = np.nan if self.missing == "keep" else overall
        means += y.shift
        k = means.shape[2]
        out = np.empty((n, fitted.width), np.float64, order="F")
        spread(factor.codes, folds, np.ascontiguousarray(means.transpose(2, 0, 1)), out.T[:k])
        if self.missing_indicator:
            out[:, k] = factor.codes < 0
        return fitted, Dense(out)

    def _factor(self, rows: Rows, kind: str = "") -> Factor:
        """The categories, of the kind that was seen if any was."""
        values: Any = rows[self.label]
        if isinstance(values, Lists) or values.kind not in ("text", "number", "none"):
            self.refuse_values(
                "text or numbers", values.kind, "Use Embedding for lists and DateTime for times."
            )
        Vocabulary(self.label).check_kind(values.kind, kind)
        factor: Factor = values.factor
        if self.missing == "error":
            with_own_bucket(self, Codes(factor.codes, len(factor.levels)))
        return factor

    def _target(self, target: Target | None) -> Target:
        if target is None:
            self.refuse_values("rows with targets", "none", "Pass y to fit.")
        return target

    def _smoothed(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smoothed means (folds, levels, outputs), and those of all rows (folds, outputs)."""
        # number by number: NumPy is slow where the last axis is short and stays
        columns = [sums[..., place].sum(axis=1) for place in range(sums.shape[2])]
        total = np.stack(columns, axis=-1)[:, None]
        n, first, squares = sums[..., :1], sums[..., 1::2], sums[..., 2::2]
        with np.errstate(divide="ignore", invalid="ignore"):
            overall = total[..., 1::2] / total[..., :1]
            own = np.where(n > 0, first / n, 0.0)
            if self.smooth == "auto":
                spread_of_all = np.maximum(total[..., 2::2] / total[..., :1] - overall**2, 0.0)
                spread_of_own = np.maximum(squares / n - own**2, 0.0)
                weight = n * spread_of_all / (n * spread_of_all + spread_of_own)
            else:
                weight = n / (n + self.smooth)
        weight = np.where((n > 0) & np.isfinite(weight), weight, 0.0)
        return weight * own + (1 - weight) * overall, overall[:, 0]


@lru_cache(maxsize=2)
def _folds(n: int, n_folds: int, seed: int) -> np.ndarray:
    """A fold for each row, of equal size; the same for all columns of a table."""
    folds = np.resize(np.arange(n_folds, dtype=np.uint8), n)
    np.random.default_rng(seed).shuffle(folds)
    folds.flags.writeable = False
    return folds


class FittedTargetMean(FittedOver):
    """Means by category."""

    @cached_property
    def names(self) -> list[str]:
        """The column's name and the class."""
        name, classes = self.column.label, self.learned["classes"]
        own = [f"{name}_mean_of_{label}" for label in classes] or [f"{name}_mean"]
        return own + [f"{name}_is_missing"] * self.column.missing_indicator

    @cached_property
    def _inner(self) -> Any:
        missing: Any = "error" if self.column.missing == "error" else "ignore"
        inner = Vocabulary(self.column.label, missing=missing)
        return inner.fitted(self.learned["vocabulary"])

    @cached_property
    def _table(self) -> np.ndarray:
        """Means by code, shape (k, m + 2): the last two by -2 (unknown) and -1 (missing)."""
        overall = np.array(self.learned["mean"], np.float64)
        missing = {
            "bucket": np.array(self.learned["missing"], np.float64),
            "mean": overall,
            "keep": np.full(len(overall), np.nan),
            "error": overall,
        }[self.column.missing]
        means = np.array(self.learned["means"], np.float64).reshape(-1, len(overall))
        return np.ascontiguousarray(np.vstack([means, overall, missing]).T)

    def transform(self, table: Rows) -> Block:
        """The means of the rows' categories, learned from all training rows."""
        codes = self._inner.codes(self.rows(table)).codes
        k = len(self._table)
        out = np.empty((len(codes), self.width), np.float64, order="F")
        for output in range(k):
            np.take(self._table[output], codes, out=out[:, output], mode="wrap")
        if self.column.missing_indicator:
            out[:, k] = codes == MISSING
        return Dense(out)
