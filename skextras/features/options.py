"""SHELL: the options of ``FeatureColumns``, checked before any work."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skextras.features.columns.base import Column, Fitted

DENSITY = 0.3  # below this share of entries that are not 0, "auto" gives a sparse matrix


def check_options(estimator: Any) -> None:
    """Refuse what cannot be.

    Parameters
    ----------
    estimator : FeatureColumns
        With its parameters.

    Raises
    ------
    TypeError
        If a column is no column type.
    ValueError
        If an option is none of those there are.
    """
    owner = type(estimator).__name__
    if np.dtype(estimator.dtype) not in (np.float32, np.float64):
        raise ValueError(f"{owner}: dtype must be float32 or float64, got {estimator.dtype!r}.")
    if estimator.sparse_output not in ("auto", True, False):
        raise ValueError(
            f"{owner}: sparse_output must be 'auto', True or False, got "
            f"{estimator.sparse_output!r}."
        )
    if isinstance(estimator.columns, str):
        if estimator.columns != "infer":
            raise ValueError(
                f"{owner}: columns must be 'infer' or a list of column types, got "
                f"{estimator.columns!r}."
            )
        return
    if isinstance(estimator.columns, Column):
        raise TypeError(
            f"{owner}: columns must be a list, got {estimator.columns!r} alone. Put it in brackets."
        )
    strange = [own for own in estimator.columns if not isinstance(own, Column)]
    if strange:
        raise TypeError(
            f"{owner}: columns must be column types, got {strange[0]!r}. "
            f"Say what it is: Numeric({strange[0]!r}) or Indicator(Vocabulary({strange[0]!r}))."
        )
    nameless = [own for own in estimator.columns if not _are_names(own)]
    if nameless:
        raise TypeError(
            f"{owner}: columns must be named by strings, got {nameless[0]!r}. "
            "A column of an array or a frame that has no names is called by its number: '0'."
        )


def _are_names(own: Column) -> bool:
    """Whether a column says what it reads."""
    try:
        return all(isinstance(name, str) for name in own.inputs)
    except TypeError:
        return False


def is_mostly_zero(columns: Sequence[Fitted]) -> bool:
    """Tell whether the output is better sparse.

    Parameters
    ----------
    columns : sequence of Fitted
        What it is made of.

    Returns
    -------
    bool
        By the share of entries that the declaration leaves at 0.
    """
    width = sum(own.width for own in columns)
    return sum(own.n_entries for own in columns) < DENSITY * width
