"""One column type a file; ``base.py`` says what a type is and how to add one."""

from skextras.features.columns.base import Column
from skextras.features.columns.bucketized import Bucketized
from skextras.features.columns.count_rank import CountRank
from skextras.features.columns.crossed import Crossed
from skextras.features.columns.cyclical import Cyclical
from skextras.features.columns.date_time import DateTime
from skextras.features.columns.embedding import Embedding
from skextras.features.columns.hash_bucket import HashBucket
from skextras.features.columns.identity import Identity
from skextras.features.columns.indicator import Indicator
from skextras.features.columns.numeric import Numeric
from skextras.features.columns.sequence_categorical import SequenceCategorical
from skextras.features.columns.sequence_numeric import SequenceNumeric
from skextras.features.columns.shared_embedding import SharedEmbedding
from skextras.features.columns.target_mean import TargetMean
from skextras.features.columns.vocabulary import Vocabulary
from skextras.features.columns.weighted_categorical import WeightedCategorical

__all__ = [
    "Bucketized",
    "Column",
    "CountRank",
    "Crossed",
    "Cyclical",
    "DateTime",
    "Embedding",
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
]
