"""A declaration proposed from a table."""

from typing import Any

import numpy as np

from skextras.features.columns import Column, DateTime, HashBucket, Indicator, Numeric, Vocabulary
from skextras.features.table import Table, as_table
from skextras.features.values import Numbers

MAX_VOCABULARY = 300  # categories; beyond that they are hashed
MAX_BUCKETS = 2**16
OWNER = "infer_columns"


class Declaration(list[Column]):
    """Column types, printed as code."""

    @property
    def code(self) -> str:
        """Python that makes the same columns.

        Returns
        -------
        str
            With its import.
        """
        names = sorted({"FeatureColumns", *(name for own in self for name in _types(own))})
        lines = [f"    {own!r}," for own in self]
        head = f"from skextras.features import {', '.join(names)}"
        return "\n".join([head, "", "columns = FeatureColumns([", *lines, "])"])

    def __str__(self) -> str:
        return self.code


def _types(column: Column) -> list[str]:
    return [type(column).__name__, *(name for part in column.parts for name in _types(part))]


def infer_columns(
    X: Any, *, max_vocabulary: int = MAX_VOCABULARY, feature_names: list[str] | None = None
) -> Declaration:
    """Propose column types for a table.

    Numbers are standardised, with an indicator where some are missing; times give their parts; text
    and categories get a vocabulary if it is small, else buckets by hash, four for each category.

    Parameters
    ----------
    X : table
        Any that ``FeatureColumns`` takes.
    max_vocabulary : int, default=300
        How many categories a vocabulary has at most.
    feature_names : list of str, default=None
        Names of the columns of an array.

    Returns
    -------
    list of Column
        ``print`` shows it as code to edit.

    Examples
    --------
    >>> from skextras.features import infer_columns
    >>> print(infer_columns({"age": [31.0, None], "origin": ["JFK", "LGA"]}))
    from skextras.features import FeatureColumns, Indicator, Numeric, Vocabulary
    <BLANKLINE>
    columns = FeatureColumns([
        Numeric('age', missing='mean', missing_indicator=True),
        Indicator(Vocabulary('origin')),
    ])
    """
    if max_vocabulary < 1:
        raise ValueError(f"{OWNER}: max_vocabulary must be at least 1, got {max_vocabulary!r}.")
    table = as_table(X, names=feature_names, owner=OWNER)
    return proposed(table, max_vocabulary)


def proposed(table: Table, max_vocabulary: int = MAX_VOCABULARY) -> Declaration:
    """Propose column types for columns that are read already.

    Parameters
    ----------
    table : Table
        The columns.
    max_vocabulary : int, default=300
        How many categories a vocabulary has at most.

    Returns
    -------
    Declaration
        One column type for each column that has one.
    """
    found = Declaration()
    for name in table.names:
        column = _proposal(name, table[name], max_vocabulary)
        if column is not None:
            found.append(column)
    return found


def _proposal(name: str, values: Any, max_vocabulary: int) -> Column | None:
    if isinstance(values, Numbers):
        return _number(name, values)
    items = values.items if values.kind == "list" else values
    if items.kind not in ("text", "number"):
        return None
    n_levels = int((items.factor.counts > 0).sum())
    if n_levels <= max_vocabulary:
        return Indicator(Vocabulary(name))
    n_buckets = min(MAX_BUCKETS, 1 << (4 * n_levels).bit_length())
    return Indicator(HashBucket(name, n_buckets=n_buckets))


def _number(name: str, values: Numbers) -> Column | None:
    if values.kind == "time":
        is_moment = values.values.dtype.kind == "M" and values.values.ndim == 1
        return DateTime(name) if is_moment else None
    shape = 1 if values.values.ndim == 1 else values.values.shape[1]
    if values.values.dtype.kind == "b" and not len(values.missing):
        return Numeric(name, scale=None, shape=shape)
    if np.isnan(values.floats).any():
        return Numeric(name, shape=shape, missing="mean", missing_indicator=True)
    return Numeric(name, shape=shape)
