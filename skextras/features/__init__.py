"""Tables into features: columns declared one by one, fitted once, transformed at column speed."""

from skextras.features.columns import (
    Bucketized,
    Column,
    Crossed,
    HashBucket,
    Identity,
    Indicator,
    Numeric,
    SequenceCategorical,
    SequenceNumeric,
    Vocabulary,
    WeightedCategorical,
)
from skextras.features.feature_columns import FeatureColumns
from skextras.features.inference import infer_columns

__all__ = [
    "Bucketized",
    "Column",
    "Crossed",
    "FeatureColumns",
    "HashBucket",
    "Identity",
    "Indicator",
    "Numeric",
    "SequenceCategorical",
    "SequenceNumeric",
    "Vocabulary",
    "WeightedCategorical",
    "infer_columns",
]
