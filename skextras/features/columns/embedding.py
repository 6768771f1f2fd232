"""A category as a short vector of numbers that is learned."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from skextras.features.blocks import Bags, Block, Codes, Dense
from skextras.features.columns.base import (
    Column,
    Fitted,
    FittedCategorical,
    Learned,
    Rows,
    Target,
)
from skextras.features.columns.composite import Composite, Parts, observe_parts
from skextras.features.columns.vocabulary import Vocabulary
from skextras.features.kernels.factorisation import combine
from skextras.features.vectors import (
    COMBINERS,
    START_DEVIATION,
    Items,
    Training,
    association,
    shares_of,
    singular_vectors,
    trained,
)

Vectors = Mapping[str, Sequence[float]]


class EmbeddingState(Parts):
    """States of the parts; then the categories of all rows, 16 bytes each, and the targets.

    Parameters
    ----------
    columns : tuple of Column
        The parts.
    """

    def __init__(self, columns: tuple[Column, ...]) -> None:
        super().__init__(columns)
        self.learned: list[Learned] | None = None
        self.fitted: list[FittedCategorical] = []
        self.items, self.targets = list[Items](), list[Target]()

    def merge(self, other: Any) -> None:
        super().merge(other)
        self.items += other.items
        self.targets += other.targets


class BaseEmbedding(Composite):
    """What one table of vectors learns for one column or several."""

    dimension: int
    combiner: str
    context: Sequence[str | Column]
    initial: Vectors | None
    n_epochs: int
    learning_rate: float
    missing_indicator: bool
    random_state: int
    takes_target: ClassVar[bool] = True

    # ------------------------------------------------------------ options
    def _check_options(self) -> None:
        own = (self.context,) if isinstance(self.context, str | Column) else self.context
        object.__setattr__(self, "context", tuple(own))
        for option, least in (("dimension", 1), ("n_epochs", 0), ("random_state", 0)):
            value = getattr(self, option)
            if not isinstance(value, int) or value < least:
                self.refuse(option, f"a whole number of at least {least}", value)
        if self.combiner not in COMBINERS:
            self.refuse("combiner", f"one of {COMBINERS}", self.combiner)
        if not self.learning_rate > 0:
            self.refuse("learning_rate", "above 0", self.learning_rate)
        self._check_initial()

    def _check_initial(self) -> None:
        if not isinstance(self.initial, Mapping | None):
            cure = "Say whose vector each is: {'Ulm': [0.1, 0.2]}."
            self.refuse("initial", "a dict of category to vector", type(self.initial), cure)
        for level, vector in (self.initial or {}).items():
            if np.shape(vector) != (self.dimension,) or not np.isfinite(vector).all():
                wanted = f"{self.dimension} finite numbers for each category"
                self.refuse("initial", wanted, f"{np.shape(vector)} for {level!r}")

    @property
    def own(self) -> tuple[Column, ...]:
        """Columns that get vectors.

        Returns
        -------
        tuple of Column
            Categorical ones.
        """
        raise TypeError(f"{type(self).__name__} names no column.")

    @property
    def parts(self) -> tuple[Column, ...]:
        """These, and their context."""
        return (*self.own, *(named(column) for column in self.context))

    @property
    def applied_inputs(self) -> tuple[str, ...]:
        """Names of the table's columns that ``transform`` reads: no context.

        Returns
        -------
        tuple of str
            Each once.
        """
        return tuple(dict.fromkeys(name for part in self.own for name in part.inputs))

    @property
    def label(self) -> str:
        """Those of the columns."""
        return "_and_".join(column.label for column in self.own)

    @property
    def n_passes(self) -> int:  # type: ignore[override]
        """One more than the parts need."""
        return super().n_passes + 1

    # ------------------------------------------------------------ learning
    def start(self) -> EmbeddingState:
        """Nothing seen."""
        return EmbeddingState(self.parts)

    def observe(self, state: Any, table: Rows, target: Target | None, pass_number: int = 0) -> None:
        """Let the parts see the rows; in the last pass, keep their categories."""
        if pass_number < self.n_passes - 1:
            observe_parts(self, state, table, target, pass_number)
            return
        if state.learned is None:
            state.learned = self.learned_parts(state)
            state.fitted = self._categorical(state.learned)
        blocks = [part.codes(table) for part in state.fitted]
        items = Items.of(blocks, self._firsts(state.fitted), self.combiner, table.weights)
        state.items.append(items)
        if target is not None:
            state.targets.append(target)

    def learned_parts(self, state: EmbeddingState) -> list[Learned]:
        """What the parts learned.

        Parameters
        ----------
        state : EmbeddingState
            Of all rows.

        Returns
        -------
        list of dict
            One a part.
        """
        return [part.learn(own) for part, own in zip(self.parts, state.states, strict=True)]

    def _categorical(self, learned: Sequence[Learned]) -> list[FittedCategorical]:
        made = [part.fitted(own) for part, own in zip(self.parts, learned, strict=False)]
        for part, own in zip(made, self.parts, strict=False):
            if not isinstance(part, FittedCategorical):
                self.refuse("column and context", "categorical column types", own)
        return made  # type: ignore[return-value]

    def _firsts(self, fitted: Sequence[FittedCategorical]) -> list[int]:
        """Where the vectors of each part start in one table."""
        sizes = [part.n_levels for part in fitted]
        return np.cumsum([0, *sizes])[:-1].tolist()

    def learn(self, state: Any) -> Learned:
        """The vectors, and what the columns that get them learned."""
        if state.learned is None:
            self.refuse_values("rows", "none", "Pass at least one batch.")
        firsts = self._firsts(state.fitted)
        n_all = max(first + part.n_levels for first, part in zip(firsts, state.fitted, strict=True))
        levels = state.fitted[0].levels
        items = Items.joined(state.items)
        if state.targets and self.n_epochs:
            vectors, loss = self._supervised(state, items, levels, n_all)
        else:
            vectors, loss = self._unsupervised(items, levels, n_all), []
        own = state.learned[: len(self.own)]
        state.items.clear()  # the rows are of no further use
        state.targets.clear()
        return {"parts": own, "vectors": vectors[: len(levels)], "loss": loss}

    def _supervised(
        self, state: Any, items: Items, levels: list[str], n_all: int
    ) -> tuple[np.ndarray, list[float]]:
        y = np.concatenate([target.values for target in state.targets])
        random = np.random.default_rng(self.random_state)
        vectors = random.normal(0, START_DEVIATION, (n_all, self.dimension))
        self._hand_in(vectors, levels)
        how = Training(self.n_epochs, self.learning_rate, self.random_state)
        is_binary = state.targets[0].classes is not None
        return vectors, trained(vectors, items, y, is_binary=is_binary, how=how)

    def _unsupervised(self, items: Items, levels: list[str], n_all: int) -> np.ndarray:
        vectors = np.zeros((len(levels), self.dimension))
        if self.initial is not None:
            self._hand_in(vectors, levels)
            return vectors
        pairs = association(items, len(levels), n_all)
        if not pairs.nnz and len(levels):
            self.refuse_values(
                "categories that stand together in a row",
                "one a row" if items.n_rows else "no row",
                "Pass y, name other columns as context, or hand in initial vectors.",
            )
        return singular_vectors(pairs, self.dimension)

    def _hand_in(self, vectors: np.ndarray, levels: list[str]) -> None:
        given = self.initial or {}
        places = {level: place for place, level in enumerate(levels)}
        for level, vector in given.items():
            if str(level) in places:
                vectors[places[str(level)]] = vector

    def fitted(self, learned: Learned) -> "FittedEmbedding":
        """With the fitted columns."""
        return FittedEmbedding(self, learned, self._categorical(learned["parts"]))


def named(column: str | Column) -> Column:
    """The column type that a name stands for.

    Parameters
    ----------
    column : str or Column
        A name stands for the vocabulary of its column.

    Returns
    -------
    Column
        As it is, or the vocabulary.
    """
    return Vocabulary(column) if isinstance(column, str) else column


@dataclass(frozen=True, repr=False)
class Embedding(BaseEmbedding):
    """A vector for each category, learned; of lists, the vectors of their members combined.

    With ``y`` the vectors are those of a factorisation machine [1]_ that tells the target from the
    category, and from its products with those of ``context``. Without, they are singular vectors of
    which categories stand together in a row (in a list, or with the context) [2]_. Rows are seen
    once to learn the categories and once to keep them, so that batches need ``fit``.

    A row without a category has zeros, unless the inner column's policy gives it one.

    Parameters
    ----------
    column : str or Column
        A categorical column type; a name stands for ``Vocabulary(name)``.
    dimension : int, default=8
        Length of the vectors.
    combiner : {"mean", "sqrtn", "sum"}, default="mean"
        What becomes of several vectors: the sum of them times their weights, by the sum of the
        weights, by the root of the sum of their squares, or by 1.
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
    missing_indicator : bool, default=False
        Whether a column of 0 and 1 tells which rows have no category.
    random_state : int, default=0
        Draws the start and the order of the rows.

    References
    ----------
    .. [1] S. Rendle, "Factorization Machines", ICDM 2010.
    .. [2] O. Levy and Y. Goldberg, "Neural Word Embedding as Implicit Matrix Factorization",
       NeurIPS 2014.

    Examples
    --------
    >>> from skextras.features import Embedding, FeatureColumns
    >>> columns = FeatureColumns([Embedding("tags", dimension=2)])
    >>> table = {"tags": [["sun", "sea"], ["sea", "sand"], ["sun", "sand"], ["ice", "snow"]]}
    >>> columns.fit_transform(table).shape
    (4, 2)
    >>> columns.get_feature_names_out().tolist()
    ['tags_embedding_0', 'tags_embedding_1']
    """

    column: str | Column
    _: KW_ONLY
    dimension: int = 8
    combiner: Literal["mean", "sqrtn", "sum"] = "mean"
    context: Sequence[str | Column] = ()
    initial: Vectors | None = None
    n_epochs: int = 5
    learning_rate: float = 0.05
    missing_indicator: bool = False
    random_state: int = 0

    def __post_init__(self) -> None:
        self._check_options()

    @property
    def own(self) -> tuple[Column, ...]:
        """The column."""
        return (named(self.column),)


class FittedEmbedding(Fitted):
    """Vectors by category.

    Parameters
    ----------
    column : Embedding or SharedEmbedding
        The declaration.
    learned : dict
        Vectors, and what the inner columns learned.
    inner : sequence of FittedCategorical
        The columns that get vectors.
    """

    def __init__(
        self, column: BaseEmbedding, learned: Learned, inner: Sequence[FittedCategorical]
    ) -> None:
        super().__init__(column, learned)
        self.inner = inner

    @cached_property
    def vectors(self) -> np.ndarray:
        """The vectors.

        Returns
        -------
        ndarray of float64 of shape (n_levels, dimension)
            In the order of the categories of the columns.
        """
        own = np.array(self.learned["vectors"], np.float64)
        return own.reshape(-1, self.column.dimension)

    @property
    def levels(self) -> list[str]:
        """Categories.

        Returns
        -------
        list of str
            In the order of the vectors.
        """
        return self.inner[0].levels

    @cached_property
    def names(self) -> list[str]:
        """The columns' labels and the number of the coordinate."""
        labels = [part.column.label for part in self.inner]
        own = [f"{label}_embedding_{p}" for label in labels for p in range(self.column.dimension)]
        return own + [f"{label}_is_missing" for label in labels] * self.column.missing_indicator

    def transform(self, table: Rows) -> Block:
        """The vectors of the rows."""
        d, n = self.column.dimension, table.n_rows
        out = np.zeros((n, self.width))
        for place, part in enumerate(self.inner):
            own = out[:, place * d : (place + 1) * d]
            is_there = self._write(part.codes(table), own)
            if self.column.missing_indicator:
                out[:, len(self.inner) * d + place] = ~is_there
        return Dense(out)

    def _write(self, codes: Codes | Bags, out: np.ndarray) -> np.ndarray:
        """Combine the vectors of each row; tell which rows have some."""
        if isinstance(codes, Codes):
            is_there: np.ndarray = codes.codes >= 0
            out[is_there] = self.vectors[codes.codes[is_there]]
            return is_there
        offsets, known, shares = shares_of(codes, self.column.combiner)
        combine(offsets, known, shares, self.vectors, out)
        return np.diff(offsets) > 0
