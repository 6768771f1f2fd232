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
from skextras.features.kernels.target_sums import fold_sums, spread
from skextras.features.lists import Lists
from skextras.features.states import LevelCounts
from skextras.features.values import Factor

POLICIES = ("bucket", "mean", "keep", "error")
MAX_FOLDS = 255
NO_WEIGHTS = np.zeros(0)


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

    def start_own(self) -> "LevelSums":
        """No row seen."""
        return LevelSums()

    def observe_own(self, state: "LevelSums", rows: Rows, target: Target | None) -> None:
        """Add up the targets of each category."""
        factor, target = self._factor(rows), self._target(target)
        folds = np.zeros(rows.n_rows, np.uint8)
        folds.flags.writeable = False  # as those of fit_transform: one compiled function
        shift, counts, sums = _sums(factor, folds, target, 1, rows.weights)
        state.add(factor, target, shift, (counts[0], sums[0]), rows.weights)

    def learn_own(self, state: "LevelSums") -> Learned:
        """Means of the categories, of the missing, and of all rows."""
        learned = Vocabulary(self.label).learn(state.levels)
        is_text = learned["kind"] == "text"
        keys = [level.encode() if is_text else level for level in learned["levels"]]
        rows = [state.places[key] for key in keys]
        counts, sums = state.counts[[*rows, 0]], state.sums[[*rows, 0]]
        means, overall = self._smoothed(counts[None], sums[None])
        return {
            "vocabulary": learned,
            "means": means[0, :-1] + state.shift,
            "missing": (means[0, -1] if counts[-1] else overall[0]) + state.shift,
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
        shift, counts, sums = _sums(factor, folds, target, n_folds, table.weights)
        state.own.add(factor, target, shift, (counts.sum(axis=0), sums.sum(axis=0)), table.weights)
        fitted = self.fitted(self.learn(state))
        others = counts.sum(axis=0) - counts, sums.sum(axis=0) - sums
        if n_folds == 1:
            others = counts, sums
        means, overall = self._smoothed(*others)
        if self.missing != "bucket":
            means[:, -1] = np.nan if self.missing == "keep" else overall
        means += shift
        k = means.shape[2]
        out = np.empty((n, fitted.width), np.float64, order="F")
        spread(factor.codes, folds, np.ascontiguousarray(means.transpose(2, 0, 1)), out.T[:k])
        if self.missing_indicator:
            out[:, k] = factor.codes < 0
        return fitted, Dense(out)

    def _factor(self, rows: Rows) -> Factor:
        values: Any = rows[self.label]
        if isinstance(values, Lists) or values.kind not in ("text", "number", "none"):
            self.refuse_values(
                "text or numbers", values.kind, "Use Embedding for lists and DateTime for times."
            )
        factor: Factor = values.factor
        if self.missing == "error":
            with_own_bucket(self, Codes(factor.codes, len(factor.levels)))
        return factor

    def _target(self, target: Target | None) -> Target:
        if target is None:
            self.refuse_values("rows with targets", "none", "Pass y to fit.")
        return target

    def _smoothed(self, counts: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smoothed means (folds, levels, outputs), and those of all rows (folds, outputs)."""
        n = counts[:, :, None]
        total, totals = n.sum(axis=1), sums.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            overall = totals[..., 0] / total
            own = np.where(n > 0, sums[..., 0] / n, 0.0)
            if self.smooth == "auto":
                spread_of_all = np.maximum(totals[..., 1] / total - overall**2, 0.0)[:, None]
                spread_of_own = np.maximum(sums[..., 1] / n - own**2, 0.0)
                weight = n * spread_of_all / (n * spread_of_all + spread_of_own)
            else:
                weight = n / (n + self.smooth)
        weight = np.where((n > 0) & np.isfinite(weight), weight, 0.0)
        return weight * own + (1 - weight) * overall[:, None], overall


@lru_cache(maxsize=2)
def _folds(n: int, n_folds: int, seed: int) -> np.ndarray:
    """A fold for each row, of equal size; the same for all columns of a table."""
    folds = np.resize(np.arange(n_folds, dtype=np.uint8), n)
    np.random.default_rng(seed).shuffle(folds)
    folds.flags.writeable = False
    return folds


def _centre(y: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """A number of few binary digits within half a deviation of the mean.

    Sums of whole numbers about it are exact in any order: categories with the same targets have the
    same mean to the last bit. Trees would tell them apart by what rounding left.
    """
    mean = np.average(y, axis=0, weights=weights)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))
    unit = np.exp2(np.floor(np.log2(np.where(deviation > 0, deviation, 1.0))))
    return np.where(deviation > 0, np.round(mean / unit) * unit, mean)


def _sums(
    factor: Factor,
    folds: np.ndarray,
    target: Target,
    n_folds: int,
    weights: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A number near the mean, rows by fold and level, and sums about it; missing is the last."""
    y = target.values
    shift = _centre(y, weights) if len(y) else np.zeros(y.shape[1])
    n_levels, k = len(factor.levels) + 1, y.shape[1]
    counts, sums = np.zeros((n_folds, n_levels)), np.zeros((n_folds, n_levels, k, 2))
    share = NO_WEIGHTS if weights is None else weights
    fold_sums(factor.codes, folds, share, np.ascontiguousarray(y - shift), (counts, sums))
    return shift, counts, sums


class LevelSums:
    """Sums of the targets by level; those of batches add up.

    Attributes
    ----------
    levels : LevelCounts
        How often each level was seen.
    places : dict
        Row of each level in the arrays; row 0 is that of missing values.
    shift : ndarray of shape (k,)
        What targets are counted from.
    counts : ndarray of shape (m,)
        Rows.
    sums : ndarray of shape (m, k, 2)
        Sums of targets and of their squares, from ``shift``.
    classes : list of str
        Names of the outputs; empty for one.
    """

    def __init__(self) -> None:
        self.levels, self.places = LevelCounts(), dict[Any, int]()
        self.shift = np.zeros(0)
        self.counts, self.sums = np.zeros(0), np.zeros((0, 0, 2))
        self.classes = list[str]()

    def add(
        self,
        factor: Factor,
        target: Target,
        shift: np.ndarray,
        found: tuple[np.ndarray, np.ndarray],
        weights: np.ndarray | None,
    ) -> None:
        """Add the rows of a table.

        Parameters
        ----------
        factor : Factor
            Its categories.
        target : Target
            Its targets.
        shift : ndarray of shape (k,)
            What the sums are counted from.
        found : tuple of ndarray
            Counts (m,) and sums (m, k, 2) by level, the missing last.
        weights : ndarray of float64 of shape (n,) or None
            How often each row counts.
        """
        seen = LevelSums()
        seen.levels.add(factor, weights)
        seen.shift = shift
        is_used = factor.weighed(weights) > 0
        seen.places = {key: place for place, key in enumerate(seen.levels.counts, start=1)}
        order = np.concatenate([[len(is_used)], np.flatnonzero(is_used)])
        seen.counts, seen.sums = found[0][order], found[1][order]
        k = target.values.shape[1]
        if target.classes is not None and k > 1:
            seen.classes = [str(label) for label in target.classes]
        if self.levels.n_rows:
            self.merge(seen)
        else:
            self.__dict__.update(seen.__dict__)

    def merge(self, other: "LevelSums") -> None:
        """Take in another's rows.

        Parameters
        ----------
        other : LevelSums
            Of other rows and as many outputs.
        """
        if not other.levels.n_rows:
            return
        if not self.levels.n_rows:
            self.__dict__.update(other.__dict__)
            return
        new = [key for key in other.places if key not in self.places]
        self.places.update({key: len(self.counts) + at for at, key in enumerate(new)})
        grown = (0, len(new))
        self.counts = np.pad(self.counts, grown)
        self.sums = np.pad(self.sums, (grown, (0, 0), (0, 0)))
        rows = np.array([0, *(self.places[key] for key in other.places)])
        step, n = other.shift - self.shift, other.counts[:, None]
        first, second = other.sums[..., 0], other.sums[..., 1]
        self.counts[rows] += other.counts
        self.sums[rows, :, 0] += first + n * step
        self.sums[rows, :, 1] += second + 2 * step * first + n * step**2
        self.levels.merge(other.levels)
        self.classes = self.classes or other.classes


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
