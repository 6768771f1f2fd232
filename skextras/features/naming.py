"""Names of the features: no two alike."""

from collections import Counter
from collections.abc import Sequence

from skextras.features.columns.base import Fitted


def unique_names(columns: Sequence[Fitted]) -> list[str]:
    """Names of all columns' features, those that stand more than once with what tells them apart.

    Such a name is led by its column type, as scikit-learn's ``ColumnTransformer`` does it with that
    of a transformer; what is left alike is numbered.

    Parameters
    ----------
    columns : sequence of Fitted
        In the order of the output.

    Returns
    -------
    list of str
        All different.
    """
    names = [(own, name) for own in columns for name in own.names]
    times = Counter(name for _, name in names)
    if len(times) == len(names):
        return [name for _, name in names]
    done: dict[str, None] = {}
    for own, name in names:
        kind = type(own.column).__name__.lower()
        wanted = name if times[name] == 1 else f"{kind}__{name}"
        number, made = 2, wanted
        while made in done:
            made, number = f"{wanted}__{number}", number + 1
        done[made] = None
    return list(done)
