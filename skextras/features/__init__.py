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

# Loaded when they are asked for: they read tables through pyarrow, which selectors do without.
_READERS = {
    "FeatureColumns": "skextras.features.feature_columns",
    "infer_columns": "skextras.features.inference",
}


def __getattr__(name: str) -> Any:
    """Import what reads tables."""
    if name not in _READERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_READERS[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("skextras"):
            raise
        raise ModuleNotFoundError(
            f'{name}: {error.name} is not installed. Run: pip install "mlextras[features]".',
            name=error.name,
        ) from error
