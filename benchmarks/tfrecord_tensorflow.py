"""TensorFlow's side of the contest of TFRecord: run in an environment of its own.

Reads or writes the file that it is told of, prints seconds, processor seconds, and a digest.
"""

import json
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
import tensorflow as tf

KINDS = {"int": tf.int64, "float": tf.float32, "text": tf.string}


def read(wanted):
    """Batches by parse_example, one thread; the digest adds up numbers and lengths."""
    spec = {
        name: tf.io.FixedLenFeature([], KINDS[name.partition("_")[0]]) for name in wanted["names"]
    }
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    compression = "GZIP" if wanted["path"].endswith(".gz") else ""
    batches = (
        tf.data.TFRecordDataset(wanted["path"], compression_type=compression)
        .batch(wanted["batch_size"])
        .map(lambda records: tf.io.parse_example(records, spec))
        .with_options(options)
    )
    digest = 0
    for batch in batches:
        digest += int(batch["int_0"].numpy().sum()) + len(batch["text_0"].numpy())
    return digest


def write(wanted):
    """The rows that it reads, built as messages, one after another."""
    with open(wanted["rows"], encoding="utf-8") as file:
        rows = json.load(file)
    start = time.perf_counter(), time.process_time()
    train = tf.train
    with tf.io.TFRecordWriter(wanted["path"]) as writer:
        for row in rows:
            features = {}
            for name, value in row.items():
                if name.startswith("int"):
                    own = train.Feature(int64_list=train.Int64List(value=[value]))
                elif name.startswith("float"):
                    own = train.Feature(float_list=train.FloatList(value=[value]))
                else:
                    own = train.Feature(bytes_list=train.BytesList(value=[value.encode()]))
                features[name] = own
            example = train.Example(features=train.Features(feature=features))
            writer.write(example.SerializeToString())
    return start


def main():
    """Do what the first argument says in JSON."""
    wanted = json.loads(sys.argv[1])
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    digest = 0
    if "rows" in wanted:
        wall, core = write(wanted)
    else:
        read({**wanted, "path": wanted["short"]})  # what is done once
        wall, core = time.perf_counter(), time.process_time()
        digest = read(wanted)
    seconds = {"wall": time.perf_counter() - wall, "core": time.process_time() - core}
    print(json.dumps({**seconds, "digest": digest}))


if __name__ == "__main__":
    main()
