"""SHELL: the options of ``FeatureColumns``, checked before any work."""

from typing import Any

import numpy as np

from skextras.features.columns.base import Column


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
    strange = [own for own in estimator.columns if not isinstance(own, Column)]
    if strange:
        raise TypeError(
            f"{owner}: columns must be column types, got {strange[0]!r}. "
            f"Say what it is: Numeric({strange[0]!r}) or Indicator(Vocabulary({strange[0]!r}))."
        )
