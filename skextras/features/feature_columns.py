"""The transformer: a table in, a matrix out, as its columns are declared."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skextras.features import schema
from skextras.features.assembly import to_csr, to_dense
from skextras.features.batches import (
    batch_of,
    check_no_weights,
    check_one_table,
    check_single_pass,
    each_batch,
    stacked,
)
from skextras.features.blocks import Block
from skextras.features.columns.base import Column, Fitted, Target
from skextras.features.diagram import diagram
from skextras.features.inference import proposed
from skextras.features.inverse import table_of
from skextras.features.naming import unique_names
from skextras.features.options import check_options, is_mostly_zero
from skextras.features.reading import check_input_features, read
from skextras.features.supervision import Targets
from skextras.features.table import Table, is_table
from skextras.tables.weights import row_weights

OWNER = "FeatureColumns"


class FeatureColumns(TransformerMixin, BaseEstimator):
    """A matrix of features from a table, as declared column by column.

    Parameters
    ----------
    columns : "infer" or sequence of Column, default="infer"
        What to make of the table's columns; the output has theirs in this order. "infer" takes
        what ``infer_columns`` proposes for the training rows.
    sparse_output : "auto" or bool, default="auto"
        Whether the output is a ``scipy.sparse.csr_array``; "auto" decides by the share of entries
        that the declaration leaves at 0.
    dtype : {numpy.float64, numpy.float32}, default=numpy.float64
        Of the output.
    feature_names : sequence of str, default=None
        Names of the columns of an array without names; None calls them x0, x1, ...
    target_type : {"auto", "binary", "multiclass", "continuous"}, default="auto"
        What y is, for column types that learn from it; "auto" as scikit-learn's ``TargetEncoder``.
    n_jobs : int, default=None
        Threads over columns.

    Attributes
    ----------
    columns_ : list of Fitted
        What each column type learned.
    n_features_in_ : int
        Columns of the training table.
    feature_names_in_ : ndarray of str
        Their names, if they are text.
    is_sparse_ : bool
        Whether the output is sparse.

    References
    ----------
    .. [1] H.-T. Cheng et al., "TensorFlow Estimators: managing simplicity vs. flexibility in
       high-level machine learning frameworks", KDD 2017, section 4.1 (feature columns).

    Examples
    --------
    >>> from skextras.features import Bucketized, Crossed, FeatureColumns, Indicator, Vocabulary
    >>> hour = Bucketized("hour", boundaries=[6, 12, 18])
    >>> columns = FeatureColumns(
    ...     [hour, Indicator(Vocabulary("origin")), Crossed(["origin", hour], n_buckets=100)]
    ... )
    >>> table = {"hour": [5, 17, 9], "origin": ["JFK", "LGA", "JFK"]}
    >>> columns.fit_transform(table).shape
    (3, 106)
    >>> columns.get_feature_names_out()[[0, 4, 23]].tolist()
    ['hour_below_6', 'origin_JFK', 'origin_x_hour_bucket_17']
    """

    def __init__(
        self,
        columns: Literal["infer"] | Sequence[Column] = "infer",
        *,
        sparse_output: bool | Literal["auto"] = "auto",
        dtype: Any = np.float64,
        feature_names: Sequence[str] | None = None,
        target_type: str = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.columns = columns
        self.sparse_output = sparse_output
        self.dtype = dtype
        self.feature_names = feature_names
        self.target_type = target_type
        self.n_jobs = n_jobs

    _declaration: list[Column]

    # ------------------------------------------------------------ learning
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn what the columns need.

        Parameters
        ----------
        X : table, or iterable of tables
            Rows; or batches of rows: tables, or tuples (table, y) or (table, y, sample_weight).
        y : array-like of shape (n,), default=None
            Targets, for column types that learn from them; batches bring their own.
        sample_weight : array-like of shape (n,), default=None
            How often each row counts, as if it stood there so many times; batches bring their own.

        Returns
        -------
        FeatureColumns
            Itself.
        """
        check_options(self)
        if is_table(X):
            table, target = self._begin(X, y, sample_weight)
            self._settle(self._each(self._pairs, lambda own: own[0].fit(own[1], table, target)))
            return self
        check_no_weights(sample_weight, owner=OWNER)
        self._fit_batches(X)
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Learn from rows, and transform them; columns that cross-fit do so here.

        Parameters
        ----------
        X : table, or iterable of tables
            Rows.
        y : array-like of shape (n,), default=None
            Targets.
        sample_weight : array-like of shape (n,), default=None
            How often each row counts.

        Returns
        -------
        csr_array, ndarray or DataFrame of shape (n, n_features_out)
            The features.
        """
        if not is_table(X):
            return self.fit(X, y, sample_weight).transform(X)
        check_options(self)
        table, target = self._begin(X, y, sample_weight)
        done = self._each(self._pairs, lambda own: own[0].fit_transform(own[1], table, target))
        self._settle([fitted for fitted, _ in done])
        return self._wrapped([block for _, block in done])

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from further rows; the columns are as if all rows had come at once.

        Parameters
        ----------
        X : table
            Some rows.
        y : array-like of shape (n,), default=None
            Their targets.
        sample_weight : array-like of shape (n,), default=None
            How often each row counts.

        Returns
        -------
        FeatureColumns
            Itself, ready to transform.
        """
        check_options(self)
        check_one_table(X, owner=OWNER)
        is_first = not hasattr(self, "columns_")
        if not is_first and not hasattr(self, "_states"):
            raise ValueError(
                f"{OWNER}: partial_fit must go on from partial_fit or fit in the same process, got "
                "one from a file, which keeps no counts. Use clone() for a fresh start."
            )
        table = self._table(X, reset=is_first, sample_weight=sample_weight)
        if is_first:
            self._start(table)
        self._is_streamed = True
        check_single_pass(self._declaration, owner=OWNER)
        self._observe(table, y, 0)
        self._settle(self._learned())
        return self

    def _begin(self, X: Any, y: Any, sample_weight: Any) -> tuple[Table, Target | None]:
        """Read a whole table, and its targets."""
        table = self._table(X, reset=True, sample_weight=sample_weight)
        self._start(table)
        return table, self._target(y, table)

    @property
    def _pairs(self) -> list[tuple[Column, Any]]:
        """Columns with their states."""
        return list(zip(self._declaration, self._states, strict=True))

    def _start(self, table: Table) -> None:
        """Forget all rows; settle on columns that the table has."""
        said: Any = proposed(table) if isinstance(self.columns, str) else self.columns
        if not (columns := list(said)):
            raise ValueError(f"{OWNER}: columns must name at least one column, got none.")
        table.require(name for own in columns for name in own.inputs)
        self._declaration = columns
        self._states = [own.start() for own in columns]
        self._is_streamed = False
        self._targets = Targets(self.target_type, owner=OWNER)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what was seen of the rows, unless they came by ``partial_fit``."""
        state = super().__getstate__()
        if not state.get("_is_streamed", True):
            state = {name: own for name, own in state.items() if name != "_states"}
        return state

    def _fit_batches(self, batches: Iterable[Any]) -> None:
        """Learn from batches, in as many passes as the columns need."""
        number, n_passes = 0, 1
        while number < n_passes:
            for place, (X, y, weights) in enumerate(each_batch(batches, number, owner=OWNER)):
                is_first = number == place == 0
                table = self._table(X, reset=is_first, sample_weight=weights)
                if is_first:
                    self._start(table)
                    n_passes = max(own.n_passes for own in self._declaration)
                self._observe(table, y, number)
            number += 1
        self._settle(self._learned())

    def _target(self, y: Any, table: Table) -> Target | None:
        columns = self._declaration
        if not any(own.needs_target or (own.takes_target and y is not None) for own in columns):
            return None
        return self._targets.of(y, table.n_rows)

    def _observe(self, table: Table, y: Any, number: int) -> None:
        target = self._target(y, table)
        waiting = [own for own in self._pairs if number < own[0].n_passes]
        self._each(waiting, lambda own: own[0].observe(own[1], table, target, number))

    def _learned(self) -> list[Fitted]:
        return self._each(self._pairs, lambda own: own[0].fitted(own[0].learn(own[1])))

    def _settle(self, fitted: list[Fitted]) -> None:
        """Keep what was learned, and decide on the form of the output."""
        self.columns_ = fitted
        is_auto = isinstance(self.sparse_output, str)
        self.is_sparse_ = is_mostly_zero(fitted) if is_auto else bool(self.sparse_output)

    # ------------------------------------------------------------ applying
    def transform(self, X: Any) -> Any:
        """Make the features of rows.

        Parameters
        ----------
        X : table, or iterable of tables
            Rows with the columns that are declared; others are ignored.

        Returns
        -------
        csr_array, ndarray or DataFrame of shape (n, n_features_out)
            The features.
        """
        check_is_fitted(self, "columns_")
        if not is_table(X):
            return stacked(self.transform_batches(X), owner=OWNER)
        table = self._table(X, reset=False)
        return self._wrapped(self._each(self.columns_, lambda own: own.transform(table)))

    def transform_batches(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Make the features of rows that come in batches.

        Parameters
        ----------
        batches : iterable of tables
            Tables, or tuples that start with one, whose rest is left out.

        Yields
        ------
        csr_array, ndarray or DataFrame
            The features of each batch.
        """
        for batch in batches:
            yield self.transform(batch_of(batch).X)

    def inverse_transform(self, X: Any) -> Any:
        """Find the table's columns from the features, where column types have an inverse.

        A number's bucket gives its middle; a category is exact. Of several that read one column
        the exact ones count first.

        Parameters
        ----------
        X : csr_array or array of shape (n, n_features_out)
            The features.

        Returns
        -------
        dict of (str to ndarray of shape (n,))
            The columns.
        """
        check_is_fitted(self, "columns_")
        return table_of(self.columns_, X, owner=OWNER)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the features.

        Parameters
        ----------
        input_features : None
            Ignored but for a check: the names follow from the declaration.

        Returns
        -------
        ndarray of object of shape (n_features_out,)
            Such as ``origin_x_dest_bucket_17``; of equal ones the column type leads.
        """
        check_is_fitted(self, "columns_")
        check_input_features(self, input_features)
        return np.array(unique_names(self.columns_), object)

    # ------------------------------------------------------------ files
    def to_json(self) -> str:
        """Write the declaration and what was learned.

        Returns
        -------
        str
            JSON for people and for ``from_json``.
        """
        check_is_fitted(self, "columns_")
        facts = {
            "dtype": np.dtype(self.dtype).name,
            "is_sparse": self.is_sparse_,
            "names": list(getattr(self, "feature_names_in_", [])),
            "n_features": self.n_features_in_,
        }
        return schema.dumps(self.columns_, facts)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote.

        Parameters
        ----------
        text : str
            JSON.

        Returns
        -------
        FeatureColumns
            It transforms as the one that was written.
        """
        fitted, facts = schema.loads(text, owner=OWNER)
        dtype = np.dtype(facts["dtype"]).type
        made = cls([own.column for own in fitted], sparse_output=facts["is_sparse"], dtype=dtype)
        made._declaration = [own.column for own in fitted]
        made.n_features_in_ = facts["n_features"]
        if facts["names"]:
            made.feature_names_in_ = np.array(facts["names"], object)
        made._settle(fitted)
        return made

    # ------------------------------------------------------------ within
    def _table(self, X: Any, *, reset: bool, sample_weight: Any = None) -> Table:
        inputs = () if reset else (name for own in self._declaration for name in own.applied_inputs)
        table = read(self, X, inputs, reset=reset)
        return table.weighted(row_weights(sample_weight, table.n_rows))

    def _each(self, items: Sequence[Any], task: Callable[[Any], Any]) -> list[Any]:
        """Do something with each column, on threads if asked for."""
        if effective_n_jobs(self.n_jobs) == 1 or len(items) < 2:
            return [task(item) for item in items]
        return Parallel(n_jobs=self.n_jobs, prefer="threads")(delayed(task)(item) for item in items)

    def _wrapped(self, blocks: list[Block]) -> Any:
        is_frame = getattr(self, "_sklearn_output_config", {}).get("transform", "default")
        if self.is_sparse_ and is_frame == "default":
            return to_csr(blocks, self.dtype)
        return to_dense(blocks, self.dtype)

    @property
    def _n_features_out(self) -> int:
        return sum(own.width for own in self.columns_)

    def _sk_visual_block_(self) -> Any:
        said = [] if isinstance(self.columns, str) else self.columns
        return diagram(getattr(self, "_declaration", said))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.required = False
        tags.transformer_tags.preserves_dtype = []
        return tags
