"""Tables into features: columns declared one by one, fitted once, transformed at column speed."""

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
    SharedEmbedding,
    TargetMean,
    Vocabulary,
)
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
    "SharedEmbedding",
    "TargetMean",
    "Vocabulary",
    "infer_columns",
]
