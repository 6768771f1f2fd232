"""Several columns over one list of categories, as vectors from one table."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from skextras.features.columns.base import Column, FittedCategorical, Learned
from skextras.features.columns.embedding import BaseEmbedding, EmbeddingState, Vectors
from skextras.features.columns.vocabulary import Vocabulary
from skextras.features.states import LevelCounts


@dataclass(frozen=True, repr=False)
class SharedEmbedding(BaseEmbedding):
    """A vector for each category, the same one in whichever of the columns it stands.

    The categories of all columns are one vocabulary. The vectors are learned as those of
    ``Embedding`` are, from the target and the products of the columns, or from what stands together
    in a row; the columns are context of one another.

    Parameters
    ----------
    columns : sequence of str
        Names of the table's columns: text, categories, whole numbers, or lists of these.
    dimension : int, default=8
        Length of the vectors.
    max_size : int, default=None
        How many categories are kept at most; None keeps all.
    min_count : int, default=1
        How often a category must occur, in all columns together.
    n_oov_buckets : int, default=0
        Buckets for other categories, each with a vector.
    combiner : {"mean", "sqrtn", "sum"}, default="mean"
        What becomes of several vectors of a list: the sum of them by their number, by the root of
        their number, or by 1.
    context : sequence of str or Column, default=()
        Other categorical columns of the row, which the vectors are learned beside; ``transform``
        does not need them.
    initial : mapping of category to sequence of float, default=None
        Vectors to start from, by name of the category. Without ``y``, and with ``n_epochs=0``, they
        are kept, and other categories have zeros.
    n_epochs : int, default=5
        Passes of training with ``y``.
    learning_rate : float, default=0.05
        Of Adagrad.
    missing : {"ignore", "bucket", "error"}, default="ignore"
        What a missing value becomes: zeros, a category with a vector of its own, an error.
    missing_indicator : bool, default=False
        Whether a column of 0 and 1 for each column tells which rows have no category.
    random_state : int, default=0
        Draws the start and the order of the rows.

    Examples
    --------
    >>> from skextras.features import FeatureColumns, SharedEmbedding
    >>> table = {"origin": ["JFK", "LGA", "JFK"], "dest": ["LGA", "BOS", "BOS"]}
    >>> columns = FeatureColumns([SharedEmbedding(["origin", "dest"], dimension=2)])
    >>> out = columns.fit_transform(table)
    >>> bool((out[0, 2:] == out[1, :2]).all())  # LGA as destination, and as origin
    True
    """

    columns: Sequence[str]
    _: KW_ONLY
    dimension: int = 8
    max_size: int | None = None
    min_count: int = 1
    n_oov_buckets: int = 0
    combiner: Literal["mean", "sqrtn", "sum"] = "mean"
    context: Sequence[str | Column] = ()
    initial: Vectors | None = None
    n_epochs: int = 5
    learning_rate: float = 0.05
    missing: Literal["ignore", "bucket", "error"] = "ignore"
    missing_indicator: bool = False
    random_state: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.columns, str):
            self.refuse("columns", "a list of names", self.columns, f"Write [{self.columns!r}].")
        object.__setattr__(self, "columns", tuple(self.columns))
        if len(set(self.columns)) < max(len(self.columns), 1):
            self.refuse("columns", "different names, at least one", list(self.columns))
        self._check_options()
        _ = self.own  # checks the options of the vocabulary

    @property
    def label(self) -> str:
        """Names of the columns."""
        return "_and_".join(self.columns)

    @property
    def own(self) -> tuple[Column, ...]:
        """A vocabulary each; they learn one list."""
        return tuple(
            Vocabulary(
                name,
                max_size=self.max_size,
                min_count=self.min_count,
                n_oov_buckets=self.n_oov_buckets,
                missing=self.missing,
            )
            for name in self.columns
        )

    def learned_parts(self, state: EmbeddingState) -> list[Learned]:
        """One list for all columns; the context as it is."""
        together = LevelCounts()
        n_own = len(self.columns)
        kinds = {own.kind for own in state.states[:n_own]} - {""}
        if len(kinds) > 1:
            self.refuse_values("text in all, or numbers in all", "both", "Convert them.")
        for own in state.states[:n_own]:
            together.merge(own)
        own, *others = super().learned_parts(state)[n_own - 1 :]
        shared = self.own[0].learn(together)
        return [shared] * n_own + others

    def _firsts(self, fitted: Sequence[FittedCategorical]) -> list[int]:
        """The columns' own table is one."""
        n_own = len(self.columns)
        firsts = super()._firsts(fitted[n_own - 1 :])
        return [0] * (n_own - 1) + firsts
