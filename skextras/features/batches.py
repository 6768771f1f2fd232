"""SHELL: rows that come in batches: what a batch is, and the features of several as one matrix."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from skextras.features.columns.base import Column
from skextras.features.table import is_table


class Batch(NamedTuple):
    """Some rows, with what belongs to them.

    Attributes
    ----------
    X : table
        The rows.
    y : array-like or None
        Their targets.
    sample_weight : array-like or None
        Their weights.
    """

    X: Any
    y: Any = None
    sample_weight: Any = None


def batch_of(item: Any) -> Batch:
    """Take a batch apart.

    Parameters
    ----------
    item : table, or tuple of it
        A table, (table, y) or (table, y, sample_weight).

    Returns
    -------
    Batch
        With None for what it does not bring.
    """
    return Batch(*item) if isinstance(item, tuple) else Batch(item)


def each_batch(source: Iterable[Any], pass_number: int, *, owner: str) -> Iterator[Batch]:
    """One pass over the batches.

    Parameters
    ----------
    source : iterable
        Of batches.
    pass_number : int
        0 for the first pass.
    owner : str
        Whose errors they are.

    Yields
    ------
    Batch
        At least one.

    Raises
    ------
    ValueError
        If there is none.
    """
    n_batches = 0
    for item in source:
        n_batches += 1
        yield batch_of(item)
    if not n_batches:
        cure = "Pass at least one." if pass_number == 0 else "Pass a list, not an iterator."
        raise ValueError(f"{owner}: X must bring batches in each pass, got none. {cure}")


def stacked(parts: Iterable[Any], *, owner: str) -> Any:
    """Put the features of batches one below the other.

    Parameters
    ----------
    parts : iterable of (csr_array, ndarray or DataFrame)
        Of equal width.
    owner : str
        Whose errors they are.

    Returns
    -------
    csr_array or ndarray
        Of all rows.

    Raises
    ------
    ValueError
        If there is none.
    """
    done = list(parts)
    if not done:
        raise ValueError(f"{owner}: X must be a table or bring at least one batch, got none.")
    return sparse.vstack(done, format="csr") if sparse.issparse(done[0]) else np.vstack(done)


def check_one_table(X: Any, *, owner: str) -> None:
    """Refuse several batches where one is wanted.

    Parameters
    ----------
    X : table
        What ``partial_fit`` was given.
    owner : str
        Whose errors they are.

    Raises
    ------
    TypeError
        If it is no table.
    """
    if not is_table(X):
        raise TypeError(
            f"{owner}: X must be one table for partial_fit, got {type(X).__name__}. Call it once "
            "for each batch, or fit with all of them."
        )


def check_no_weights(sample_weight: Any, *, owner: str) -> None:
    """Refuse weights beside batches, which bring their own.

    Parameters
    ----------
    sample_weight : array-like or None
        What ``fit`` was given.
    owner : str
        Whose errors they are.

    Raises
    ------
    ValueError
        If it is not None.
    """
    if sample_weight is not None:
        raise ValueError(
            f"{owner}: sample_weight must be None where X brings batches, got "
            f"{type(sample_weight).__name__}. Let each batch be (table, y, sample_weight)."
        )


def check_single_pass(columns: Iterable[Column], *, owner: str) -> None:
    """Refuse columns that have to see the rows again.

    Parameters
    ----------
    columns : iterable of Column
        Those that ``partial_fit`` is to teach.
    owner : str
        Whose errors they are.

    Raises
    ------
    ValueError
        If there is one.
    """
    for own in columns:
        if own.n_passes > 1:
            raise ValueError(
                f"{owner}: partial_fit must not meet a column that goes through the rows "
                f"{own.n_passes} times, got {own!r}. Call fit with the batches."
            )
