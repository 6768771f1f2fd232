"""TFRecord to columns and back: records a second beside TensorFlow and the package tfrecord.

A record has ten features: four integers, three floats, three short strings, about 230 bytes.
Reading is the way from a file to all columns, batch by batch; TensorFlow reads by `parse_example`
on batches of 4096, and checks CRCs as ours does, the package `tfrecord` does not check them and
makes a dict a record, which is stacked here. Each runs on one thread; a second is one of processor
time of all threads of the process, so that other work on the machine counts little. TensorFlow
lives in an environment that is made here. Runs take turns, five rounds. Peers that are slow get a
part of the file, and are compared by rate. Fair is what finds the same numbers.
"""

import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.harness import MIN_ROUNDS, OtherLoad, Table, with_peak_memory
from skextras.features.tfrecord import TFRecordReader, write_index, write_tfrecord

NAMES = [*(f"int_{k}" for k in range(4)), *(f"float_{k}" for k in range(3))]
NAMES += [f"text_{k}" for k in range(3)]
SIZES = (250_000, 1_000_000)
N_SLOW = 20_000  # records for peers that would take minutes
PEER = ("tensorflow-cpu>=2.18",)
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
FOLDER = Path(tempfile.gettempdir()) / f"mlextras-tensorflow-{VERSION}"
TYPES = {"int": pa.int64(), "float": pa.float32(), "text": pa.binary()}
SCHEMA = pa.schema({name: TYPES[name.partition("_")[0]] for name in NAMES})


def rows(n: int) -> pa.Table:
    """Random rows; strings stand for categories."""
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for name in NAMES:
        if name.startswith("int"):
            columns[name] = random.integers(0, 100_000, n)
        elif name.startswith("float"):
            columns[name] = random.standard_normal(n).astype(np.float32)
        else:
            texts = pa.array([b"value %d" % k for k in range(300)])
            columns[name] = texts.take(random.integers(0, 300, n))
    return pa.table(columns, SCHEMA)


def digest(batch: Any) -> int:
    """What is the same for all who read the same records."""
    return int(pc.sum(batch["int_0"]).as_py()) + len(batch["text_0"])


# ------------------------------------------------------------ contestants
Run = tuple[int, int, float]  # records, digest, seconds


def timed(n: int, run: Callable[[], int]) -> Run:
    """Run once and take the processor time of all threads."""
    start = time.process_time()
    found = run()
    return n, found, time.process_time() - start


def ours(path: str, n: int, **options: Any) -> Run:
    """All columns, batch by batch."""
    return timed(n, lambda: sum(map(digest, TFRecordReader(path, SCHEMA, **options))))


def package(path: str, n: int) -> Run:
    """The package tfrecord: a dict a record, stacked."""
    from tfrecord.reader import example_loader

    def run() -> int:
        records = list(example_loader(path, None))
        columns = {name: np.stack([record[name] for record in records]) for name in NAMES}
        return int(columns["int_0"].sum()) + len(columns["text_0"])

    return timed(n, run)


def tensorflow(wanted: dict[str, Any], n: int) -> Run:
    """TensorFlow, in its own environment."""
    script = Path(__file__).with_name("tfrecord_tensorflow.py")
    command = [peer_python(), script, json.dumps({"names": NAMES, "batch_size": 4096, **wanted})]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the peer failed:\n{done.stderr[-2000:]}")
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return n, told["digest"], told["core"]


def peer_python() -> Path:
    """The interpreter of TensorFlow's environment, which is made where there is none."""
    python, done = FOLDER / "bin" / "python", FOLDER / "is_complete"
    if not done.exists():
        venv.create(FOLDER, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER], check=True)
        done.touch()
    return python


def package_written(path: str, part: pa.Table) -> Run:
    """The package tfrecord's writer, given Python objects."""
    from tfrecord.writer import TFRecordWriter

    records = part.to_pylist()
    kinds = {"int": "int", "float": "float", "text": "byte"}

    def run() -> int:
        writer = TFRecordWriter(path)
        for record in records:
            writer.write({name: (record[name], kinds[name.partition("_")[0]]) for name in NAMES})
        writer.close()
        return 0

    with contextlib.redirect_stdout(io.StringIO()):
        return timed(len(records), run)


# ------------------------------------------------------------ tables
def contest(task: str, contestants: dict[str, Callable[[], Run]]) -> Table:
    """Runs in turns; the first of the contestants is ours."""
    load, runs = OtherLoad(), {name: list[Run]() for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(MIN_ROUNDS):
        for name, run in contestants.items():
            runs[name].append(run())
    rates = {name: [n / seconds for n, _, seconds in own] for name, own in runs.items()}
    first = statistics.median(next(iter(rates.values())))
    lines = [f"| {task} | records/core-s | spread | ours to it |", "|---|---|---|---|"]
    for name, own in rates.items():
        rate = statistics.median(own)
        spread = (max(own) - min(own)) / rate
        lines.append(f"| {name} | {rate:,.0f} | {spread:.0%} | {first / rate:.1f} |")
    found: dict[int, set[int]] = {}
    for own in runs.values():
        for n, total, _ in own:
            found.setdefault(n, set()).add(total)
    is_fair = all(len(totals) == 1 for totals in found.values())
    verdict = "the same numbers" if is_fair else "**VOID: other numbers**"
    lines += ["", f"{MIN_ROUNDS} rounds, other work on {load.cores():.1f} cores, {verdict}."]
    return Table("\n".join(lines), is_fair)


def tables() -> Iterator[Table]:
    """Reading by size, compressed, some of it, and writing."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _tables(Path(folder))


def _tables(folder: Path) -> Iterator[Table]:
    table = rows(SIZES[-1])
    part = table.slice(0, N_SLOW)
    [short] = write_tfrecord(folder / "short", part)
    for n in SIZES:
        [path] = write_tfrecord(folder / "rows", table.slice(0, n))
        told = {"path": path, "short": short}
        contestants: dict[str, Callable[[], Run]] = {
            "skextras, CRC checked": lambda path=path, n=n: ours(path, n),
            "skextras, CRC not checked": lambda path=path, n=n: ours(path, n, check_crc=False),
            "TensorFlow, parse_example": lambda told=told, n=n: tensorflow(told, n),
            f"tfrecord ({N_SLOW:,} records)": lambda: package(short, N_SLOW),
        }
        yield contest(f"{n:,} records of {len(NAMES)} features to columns", contestants)
    yield _memory(path)
    [gzipped] = write_tfrecord(folder / "rows.gz", table.slice(0, SIZES[0]), compression="gzip")
    yield contest(
        f"{SIZES[0]:,} records, gzip",
        {
            "skextras": lambda: ours(gzipped, SIZES[0]),
            "TensorFlow": lambda: tensorflow({"path": gzipped, "short": short}, SIZES[0]),
        },
    )
    yield _taken(path, table)
    texts = folder / "rows.json"
    readable = part.cast(pa.schema([(f.name, _readable(f.type)) for f in part.schema]))
    texts.write_text(json.dumps(readable.to_pylist()), encoding="utf-8")
    out = str(folder / "written")
    yield contest(
        "records written",
        {
            "skextras": lambda: timed(len(table), lambda: len(write_tfrecord(out, table)) - 1),
            "TensorFlow": lambda: tensorflow({"path": out, "rows": str(texts)}, N_SLOW),
            "tfrecord": lambda: package_written(out, part),
        },
    )


def _readable(kind: pa.DataType) -> pa.DataType:
    return pa.string() if kind == pa.binary() else kind


def _memory(path: str) -> Table:
    """What it takes to pass through a file."""
    n = SIZES[-1]
    _, streamed = with_peak_memory(lambda: ours(path, n))
    size = Path(path).stat().st_size
    text = (
        f"One pass over {n:,} records ({size / 1e6:.0f} MB) holds {streamed / 1e6:.1f} MB at most."
    )
    return Table(text, streamed < size / 2)


def _taken(path: str, table: pa.Table) -> Table:
    """Random access through the index."""
    write_index(path)
    places = np.random.default_rng(1).integers(0, len(table), 10_000)
    reader = TFRecordReader(path, SCHEMA)
    start = time.process_time()
    found = reader.take(places)
    seconds = time.process_time() - start
    is_same = found.equals(table.take(places))
    text = f"10,000 records taken at random from {len(table):,}: {seconds:.2f} s"
    return Table(f"{text}{'' if is_same else ', **VOID: other rows**'}.", is_same)
