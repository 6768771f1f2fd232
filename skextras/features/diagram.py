"""SHELL: the columns as scikit-learn's HTML diagrams show the parts of an estimator."""

from collections.abc import Sequence

from sklearn.utils._repr_html.estimator import _VisualBlock

from skextras.features.columns.base import Column


def diagram(columns: Sequence[Column]) -> _VisualBlock:
    """Draw the columns side by side.

    Parameters
    ----------
    columns : sequence of Column
        The declaration.

    Returns
    -------
    _VisualBlock
        A box for each: its type and what it reads; its code unfolds.
    """
    names = [f"{type(own).__name__}: {own.label}" for own in columns]
    shown = [repr(own) for own in columns]
    return _VisualBlock("parallel", shown, names=names, name_details=shown)
