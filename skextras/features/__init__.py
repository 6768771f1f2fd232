"""Tables into features: columns declared one by one, fitted once, transformed at column speed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from skextras.features.columns import (
    Bucketized,
    Column,
    CountRank,
    Crossed,
    Cyclical,
    DateTime,
    Embedding,
    HashBucket,
    Identity,
    Indicator,
    Numeric,
    SequenceCategorical,
    SequenceNumeric,
    SharedEmbedding,
    TargetMean,
    Vocabulary,
    WeightedCategorical,
)

if TYPE_CHECKING:
    from skextras.features.feature_columns import FeatureColumns
    from skextras.features.inference import infer_columns

__all__ = [
    "Bucketized",
    "Column",
    "CountRank",
    "Crossed",
    "Cyclical",
    "DateTime",
    "Embedding",
    "FeatureColumns",
    "HashBucket",
    "Identity",
    "Indicator",
    "Numeric",
    "SequenceCategorical",
    "SequenceNumeric",
    "SharedEmbedding",
    "TargetMean",
    "Vocabulary",
    "WeightedCategorical",
    "infer_columns",
]

_OF_ARROW = {"FeatureColumns": "feature_columns", "infer_columns": "inference"}


def __getattr__(name: str) -> Any:
    """Import what needs pyarrow when it is asked for: ``mlextras[sk]`` comes without."""
    if name not in _OF_ARROW:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = getattr(import_module(f"{__name__}.{_OF_ARROW[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise ModuleNotFoundError(
            f'{__name__}.{name}: pyarrow is not installed. Run: pip install "mlextras[features]".',
            name=error.name,
        ) from error
    globals()[name] = found
    return found
