"""Can TFRecord files feed a scikit-learn model without TensorFlow, though some bytes are bad?

Writes shards as a TensorFlow pipeline would leave them, damages a byte, declares features, fits on
the files batch by batch. Prints the records lost and the test accuracy beside that of all rows.
"""

import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from skextras.features import Bucketized, Crossed, FeatureColumns, Indicator, Numeric
from skextras.features.tfrecord import TFRecordReader, write_tfrecord

ROWS, SHARDS = 40_000, 4
PORTS = np.array(["EWR", "JFK", "LGA"])


def table(seed):
    """Trips that are late in the evening, each port at another hour."""
    random = np.random.default_rng(seed)
    port, hour = random.integers(3, size=ROWS), random.uniform(0, 24, ROWS)
    miles = random.gamma(2, 400, ROWS)
    late = np.abs(hour - 8 * port - 4) + 0.001 * miles + random.standard_normal(ROWS) < 3
    return {"port": PORTS[port], "hour": hour, "miles": miles, "late": late}


def accuracy(train, test):
    """Of a linear model on columns that are declared, fitted and made batch by batch."""
    hour = Bucketized("hour", n_buckets=24)
    columns = FeatureColumns(
        [Numeric("miles"), hour, Indicator(Crossed(["port", hour], n_buckets=1000))]
    )
    X = columns.fit(train).transform(train)
    model = LogisticRegression(max_iter=300).fit(X, np.asarray(train.read()["late"]))
    return model.score(columns.transform(test), np.asarray(test.read()["late"]))


def main():
    """The same files whole and damaged."""
    with tempfile.TemporaryDirectory() as folder:
        names = write_tfrecord(f"{folder}/train", table(0), n_shards=SHARDS)
        write_tfrecord(f"{folder}/test", table(1), compression="gzip")
        train, test = TFRecordReader(f"{folder}/train-*"), TFRecordReader(f"{folder}/test")
        whole = accuracy(train, test)
        data = bytearray(Path(names[1]).read_bytes())
        data[len(data) // 2] ^= 1
        Path(names[1]).write_bytes(data)
        rest = TFRecordReader(f"{folder}/train-*", train.schema, on_error="skip")
        part = accuracy(rest, test)
        print(f"{ROWS - rest.read().num_rows} of {ROWS} records lost: {rest.damages[0].reason}")
        print(f"accuracy {part:.4f} without, {whole:.4f} with them")
        assert len(rest.damages) == 1
        assert whole > 0.85
        assert abs(part - whole) < 0.002


if __name__ == "__main__":
    main()
