"""TFRecord files of tf.train.Example and SequenceExample, read and written without TensorFlow."""

try:
    import pyarrow  # noqa: F401  # its absence is told here, once
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "skextras.features.tfrecord: pyarrow is not installed. "
        'Run: pip install "mlextras[features]".',
        name="pyarrow",
    ) from error

from skextras.features.tfrecord.damage import CorruptRecordError, Damage
from skextras.features.tfrecord.index import RecordIndex, write_index
from skextras.features.tfrecord.reader import TFRecordReader
from skextras.features.tfrecord.writer import TFRecordWriter, write_tfrecord

__all__ = [
    "CorruptRecordError",
    "Damage",
    "RecordIndex",
    "TFRecordReader",
    "TFRecordWriter",
    "write_index",
    "write_tfrecord",
]
