"""A schema from what the first records hold."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skextras.features.tfrecord import keys
from skextras.features.tfrecord.decoding import Decoder
from skextras.features.tfrecord.passes import survey
from skextras.features.tfrecord.schema import NAMES, STORED, columns_of
from skextras.features.tfrecord.surveying import MalformedError, steps_of
from skextras.features.tfrecord.values import opened
from skextras.features.tfrecord.wire import BYTES, next_list
from skextras.trees.compiling import compiled


@compiled
def _kinds(buffer: Any, spans: Any, k: int, kinds: Any) -> None:
    """Kind of the last list of feature k in each record, 0 where there is none."""
    for row in range(spans.shape[0]):
        stop = np.int64(spans[row, k, 1])
        pos, feature_stop = opened(spans[row, k, 0], stop)
        kinds[row], found = 0, 1
        while found > 0:
            found, _, pos, feature_stop = next_list(buffer, pos, feature_stop, stop)
            if found > 0:
                kinds[row] = found


class Sample:
    """Some records of one file.

    Parameters
    ----------
    buffer : uint8 array
        Holds them.
    bounds : int32 array of shape (2, n)
        Where each begins and ends.
    """

    def __init__(self, buffer: np.ndarray, bounds: np.ndarray) -> None:
        self.buffer, self.bounds = buffer, bounds

    def schema(self, container: int) -> pa.Schema:
        """Names and types of what stands in one of the two maps.

        Parameters
        ----------
        container : int
            FEATURES or FEATURE_LISTS.

        Returns
        -------
        Schema
            A scalar where each record (each step) that has the feature has one value, else a list;
            text where all strings are UTF-8. Features without values are left out.

        Raises
        ------
        MalformedError
            If some records are no such messages.
        ValueError
            If a feature is of several kinds.
        """
        is_sequence = container == keys.FEATURE_LISTS
        types = {}
        for name, kind in self._kinds(container).items():
            stored = pa.list_(STORED[kind])
            types[name] = pa.list_(stored) if is_sequence else stored
        widest = pa.schema(types)
        columns = columns_of(*((None, widest) if is_sequence else (widest, None)))
        batch = Decoder(columns).decode(self.buffer, self.bounds)
        return pa.schema({name: _narrowed(batch[name], is_sequence) for name in types})

    def _kinds(self, container: int) -> dict[str, int]:
        names = self._names(container)
        spans = np.empty((self.bounds.shape[1], len(names), 2), np.int32)
        is_bad, table = np.empty(len(spans), np.uint8), np.empty((0, 1), np.int64)
        own = keys.Keys.of(names).columns
        survey(self.buffer, self.bounds, container, own, spans, is_bad, table)
        found = {}
        for k, name in enumerate(names):
            places, column = spans, k
            if container == keys.FEATURE_LISTS:
                places, column = steps_of(self.buffer, spans, k)[1], 0
            kinds = np.empty(len(places), np.uint8)
            _kinds(self.buffer, places, column, kinds)
            several = np.setdiff1d(kinds, 0)
            if len(several) > 1:
                raise ValueError(
                    f"TFRecord: feature {name!r} must be of one kind in all records, got "
                    f"{[NAMES[int(each)] for each in several]}. Pass a schema without it."
                )
            if len(several):
                found[name] = int(several[0])
        return found

    def _names(self, container: int) -> list[str]:
        """Names of features in the order in which they come."""
        places = np.empty((0, 2), np.int32)
        n = keys.list_keys(self.buffer, self.bounds, container, places)
        if n < 0:
            raise MalformedError(np.array([~n]))
        places = np.empty((n, 2), np.int32)
        keys.list_keys(self.buffer, self.bounds, container, places)
        data = self.buffer.data
        texts = dict.fromkeys(bytes(data[start:stop]) for start, stop in places)
        try:
            return [text.decode() for text in texts]
        except UnicodeDecodeError as e:
            raise ValueError(
                f"TFRecord: names of features must be UTF-8, got {e.object!r}. Pass a schema."
            ) from e


def _narrowed(array: pa.Array, is_sequence: bool) -> pa.DataType:
    """The simplest type that holds these lists, or these lists of lists."""
    inner = array.flatten() if is_sequence else array
    kind = inner.type.value_type
    if kind == STORED[BYTES] and _is_text(inner.flatten()):
        kind = pa.string()
    lengths = pc.list_value_length(inner).drop_null()
    if not pc.all(pc.equal(lengths, 1)).as_py():
        kind = pa.list_(kind)
    return pa.list_(kind) if is_sequence else kind


def _is_text(strings: pa.Array) -> bool:
    try:
        strings.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True
