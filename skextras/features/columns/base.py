"""The contract of a column type, and how to add one.

A column type is one file with two classes:

- the **declaration**, a frozen dataclass that derives from ``Column``. It holds what the user wrote
  and nothing else; it checks that in ``__post_init__`` and prints itself as code.
- its **fitted** form, which derives from ``Fitted``. It holds what was learned, and turns a table
  into a block (``blocks.py``: ``Dense``, ``Codes`` or ``Bags``).

What a new type writes:

=====================  ======================================================================
``inputs``             names of the table's columns that it reads (default: ``self.name``)
``start()``            an empty state (``states.py``); states merge, so that batches add up
``observe(...)``       put the rows of a table (and the target) into the state
``learn(state)``       what was learned, as a dict that JSON can hold (arrays may stand in it)
``fitted(learned)``    the fitted form of such a dict; ``from_json`` calls it too
=====================  ======================================================================

and in the fitted form ``names`` and ``transform(table)``; where it exists, ``inverse``. A type
that gives each row a category derives its fitted form from ``FittedCategorical`` and writes
``codes(table)`` and ``levels`` in place of ``transform`` and ``names``; ``Indicator``, ``Crossed``
and embeddings take any such type.

Where a type needs more than one look at the rows, it sets ``n_passes`` and is told of each in
``observe(..., pass_number)``. Where training rows must be transformed otherwise than later ones
(cross-fitting), it overrides ``fit_transform``. A type that reads the target sets
``needs_target``, one that can do without ``takes_target``. A type that reads fewer columns once it
has learned says which in ``applied_inputs``. A type made of others derives from ``Composite``
(``composite.py``), lists them in ``parts``, and gets a state of each.

To add one: write the file, import the class in ``columns/__init__.py`` and in
``skextras.features``. JSON, ``repr``, the diagram and the tests over all types find it there.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, NoReturn, Protocol

import numpy as np

from skextras.features.blocks import Bags, Block, Codes, Dense
from skextras.features.lists import Lists
from skextras.features.values import Values

Learned = dict[str, Any]


class State(Protocol):
    """What was seen so far."""

    def merge(self, other: Any) -> None:
        """Take in what another state of the same type saw."""


class Rows(Protocol):
    """A table, as a column type sees it."""

    n_rows: int
    weights: np.ndarray | None
    made: dict[Any, Any]

    def __getitem__(self, name: str) -> Values: ...


@dataclass(frozen=True)
class Target:
    """What supervised column types learn from.

    Attributes
    ----------
    values : ndarray of float64 of shape (n, n_outputs)
        Of a number, the number; of two classes, whether it is the second; of more, one column each.
    classes : ndarray or None
        The classes; None for numbers.
    """

    values: np.ndarray
    classes: np.ndarray | None = None


class Column(ABC):
    """A declared column; the fields of its dataclass are what the user writes."""

    n_passes: ClassVar[int] = 1
    needs_target: ClassVar[bool] = False
    takes_target: ClassVar[bool] = False
    TYPES: ClassVar[dict[str, type["Column"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__name__.startswith("_"):
            Column.TYPES[cls.__name__] = cls

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the table's columns that it reads."""
        return (self.name,)  # type: ignore[attr-defined]

    @property
    def applied_inputs(self) -> tuple[str, ...]:
        """Names of the table's columns that its fitted form reads."""
        return self.inputs

    @property
    def parts(self) -> tuple["Column", ...]:
        """The column types that it is made of."""
        return ()

    @property
    def label(self) -> str:
        """What names of its output start with."""
        return "_x_".join(self.inputs)

    # -------------------------------------------------------- learning
    @abstractmethod
    def start(self) -> Any:
        """An empty state."""

    @abstractmethod
    def observe(self, state: Any, table: Rows, target: Target | None, pass_number: int = 0) -> None:
        """Put rows into the state."""

    @abstractmethod
    def learn(self, state: Any) -> Learned:
        """What follows from the state: numbers, text, lists, dicts, None and arrays."""

    @abstractmethod
    def fitted(self, learned: Learned) -> "Fitted":
        """The fitted form."""

    def fit(self, state: Any, table: Rows, target: Target | None = None) -> "Fitted":
        """Learn from one table, whose rows go into the empty state."""
        for number in range(self.n_passes):
            self.observe(state, table, target, number)
        return self.fitted(self.learn(state))

    def fit_transform(
        self, state: Any, table: Rows, target: Target | None = None
    ) -> tuple["Fitted", Block]:
        """Learn from one table, and transform it."""
        fitted = self.fit(state, table, target)
        return fitted, fitted.transform(table)

    # -------------------------------------------------------- options
    def refuse(self, option: str, allowed: str, got: Any, cure: str = "") -> NoReturn:
        """Raise the house's error about an option.

        Parameters
        ----------
        option : str
            Its name.
        allowed : str
            What it may be.
        got : object
            What it is.
        cure : str, default=""
            What to do, as a sentence.
        """
        raise ValueError(
            f"{type(self).__name__}({self.label!r}): {option} must be {allowed}, got {got!r}. "
            f"{cure}".rstrip()
        )

    def refuse_values(self, wanted: str, got: str, cure: str) -> NoReturn:
        """Raise the house's error about what a table holds.

        Parameters
        ----------
        wanted : str
            What the column must hold.
        got : str
            What it holds.
        cure : str
            What to do, as a sentence.
        """
        raise ValueError(
            f"{type(self).__name__}({self.label!r}): the column must hold {wanted}, got {got}. "
            f"{cure}"
        )

    def refuse_infinite(self, values: np.ndarray, place: str = "row") -> None:
        """Raise the house's error if a number is infinite, which no scale survives.

        Parameters
        ----------
        values : ndarray of float64 of shape (n, ...)
            Numbers, NaN where missing.
        place : str, default="row"
            What the first axis counts.
        """
        is_bad = np.isinf(values)
        if is_bad.any():
            number = np.argwhere(is_bad)[0, 0]
            got = f"an infinite one in {place} {number}"
            self.refuse_values("finite numbers", got, "Clip it, or make it missing.")

    def options(self) -> dict[str, Any]:
        """What the user wrote, by name, defaults left out.

        Returns
        -------
        dict
            The first entries are positional.
        """
        return {
            own.name: getattr(self, own.name)
            for own in fields(self)  # type: ignore[arg-type]
            if not _is_default(own, getattr(self, own.name))
        }

    def __repr__(self) -> str:
        positional = [own.name for own in fields(self) if not own.kw_only]  # type: ignore[arg-type]
        said = [
            repr(value) if name in positional else f"{name}={value!r}"
            for name, value in self.options().items()
        ]
        return f"{type(self).__name__}({', '.join(said)})"


def _is_default(field: Any, value: Any) -> bool:
    if type(value) is not type(field.default):
        return False
    return bool(np.array_equal(value, field.default))


class Fitted(ABC):
    """A column type that has learned.

    Parameters
    ----------
    column : Column
        The declaration.
    learned : dict
        What ``Column.learn`` returned, or its copy from JSON.
    """

    inverse_kind: ClassVar[str] = ""  # "exact" or "approximate" where ``inverse`` exists

    def __init__(self, column: Any, learned: Learned) -> None:
        self.column, self.learned = column, learned

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Names of the columns of the output."""

    @property
    def width(self) -> int:
        """Number of columns of the output."""
        return len(self.names)

    @property
    def n_entries(self) -> float:
        """Entries of a row that are not 0, about: what decides on sparse output."""
        return self.width

    @abstractmethod
    def transform(self, table: Rows) -> Block:
        """The block of a table's rows."""

    def inverse(self, block: Block) -> dict[str, np.ndarray]:
        """Columns of the table that give such a block, by name."""
        raise TypeError(f"{self.column!r} has no inverse.")


class FittedCategorical(Fitted):
    """A column type that gives each row a category (or several), and has learned.

    A row without a category has a negative code: -1 if it is missing, -2 if it is unknown.
    """

    is_onehot: ClassVar[bool] = False

    @property
    def is_stateless(self) -> bool:
        """Whether the codes follow from the declaration, whatever was learned."""
        return False

    @property
    @abstractmethod
    def levels(self) -> list[str]:
        """Names of the categories, in the order of their codes."""

    @property
    def n_levels(self) -> int:
        """How many there are."""
        return len(self.levels)

    @abstractmethod
    def codes(self, table: Rows) -> Any:
        """The category of each row, as ``Codes`` (or ``Bags``, of lists)."""

    def words(self, table: Rows) -> np.ndarray:
        """What a cross hashes of each row: uint64; here the codes."""
        return self.codes(table).codes.astype(np.int64).view(np.uint64)

    def decode(self, codes: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of the table that have such codes, by name."""
        raise TypeError(f"{self.column!r} has no inverse.")

    # -------------------------------------------------------- as a column of the output
    @property
    def is_indicated(self) -> bool:
        """Whether the output has a column for each category."""
        return getattr(self.column, "encode", "ordinal") == "onehot"

    @cached_property
    def names(self) -> list[str]:
        """One for each category, or one for the code."""
        if not self.is_indicated:
            return [self.column.label]
        return [f"{self.column.label}_{level}" for level in self.levels]

    @property
    def width(self) -> int:
        """Number of columns of the output."""
        return self.n_levels if self.is_indicated else 1

    @property
    def n_entries(self) -> float:
        """One a row."""
        return 1

    def transform(self, table: Rows) -> Block:
        """Codes as they are, or as one column of numbers."""
        codes = self.codes(table)
        if self.is_indicated:
            return codes
        if not isinstance(codes, Codes):
            raise TypeError(
                f"{self.column!r}: lists need a column type that joins them. Wrap it in Indicator, "
                "Embedding or SequenceCategorical."
            )
        return codes.ordinal()

    def inverse(self, block: Block) -> dict[str, np.ndarray]:
        """Columns of the table that give such a block, by name."""
        if isinstance(block, Dense):
            values = block.values[:, 0]
            codes = np.where(np.isnan(values), -1, values).astype(np.int32)
        else:
            codes = block.codes
        return self.decode(codes)


def codes_of_items(values: Any, codes: Callable[[Any], Codes]) -> Codes | Bags:
    """Codes of a column, or of the items of its lists.

    Parameters
    ----------
    values : Values
        Of the table's column.
    codes : callable
        Values of one item a row to their codes.

    Returns
    -------
    Codes or Bags
        Bags for lists.
    """
    if not isinstance(values, Lists):
        return codes(values)
    own = codes(values.items)
    return Bags(values.offsets, own.codes, None, own.width)
