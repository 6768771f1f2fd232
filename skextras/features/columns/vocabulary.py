"""A column whose categories are a known or learned list."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skextras.features.blocks import UNKNOWN, Codes
from skextras.features.columns.base import (
    Column,
    FittedCategorical,
    Learned,
    Rows,
    Target,
    codes_of_items,
)
from skextras.features.columns.policies import (
    MISSING_OF_CATEGORIES,
    refuse_missing,
    with_own_bucket,
)
from skextras.features.kernels.farmhash import buckets
from skextras.features.kernels.levels import START, text_lookup, text_table
from skextras.features.level_table import LevelList, by_count
from skextras.features.lists import Lists, item_weights
from skextras.features.states import LevelCounts
from skextras.features.values import Factor, Numbers, Text

Level = str | int | float


@dataclass(frozen=True, repr=False)
class Vocabulary(Column):
    """Categories by a list: given, read from a file, or the most frequent of the training rows.

    Its output is the place in the list, as one column; in an ``Indicator``, a column for each
    member. Numbers are matched as numbers (7 is 7.0), text as bytes.

    Parameters
    ----------
    name : str
        Of the table's column: text, categories, whole numbers, or lists of these.
    vocabulary : sequence of str or numbers, default=None
        The categories in order, all different. None learns them: by count, then by value.
    file : path, default=None
        A UTF-8 file of one category a line, in place of ``vocabulary``; read when it is declared.
    max_size : int, default=None
        How many learned categories are kept at most; None keeps all.
    min_count : int, default=1
        How often a learned category must occur.
    n_oov_buckets : int, default=0
        Buckets after the list, into which the fingerprint of other categories sends them, as
        TensorFlow's ``num_oov_buckets`` does.
    unknown : {"ignore", "error"} or category, default="ignore"
        What other categories become without such buckets: nothing, an error, or a member of the
        vocabulary.
    missing : {"ignore", "bucket", "error"}, default="ignore"
        What a missing value becomes: nothing, a category of its own after all others, an error.

    Examples
    --------
    >>> from skextras.features import FeatureColumns, Indicator, Vocabulary
    >>> table = {"origin": ["JFK", "LGA", "JFK", None]}
    >>> columns = FeatureColumns([Indicator(Vocabulary("origin"))], sparse_output=False)
    >>> columns.fit_transform(table)
    array([[1., 0.],
           [0., 1.],
           [1., 0.],
           [0., 0.]])
    """

    name: str
    _: KW_ONLY
    vocabulary: Sequence[Level] | None = None
    file: str | PathLike[str] | None = None
    max_size: int | None = None
    min_count: int = 1
    n_oov_buckets: int = 0
    unknown: Level = "ignore"
    missing: Literal["ignore", "bucket", "error"] = "ignore"

    def __post_init__(self) -> None:
        if self.missing not in MISSING_OF_CATEGORIES:
            self.refuse("missing", f"one of {MISSING_OF_CATEGORIES}", self.missing)
        if self.file is not None:
            self._read_file()
        if self.vocabulary is not None:
            object.__setattr__(self, "vocabulary", _plain(self.vocabulary))
            self._check_list()
        for option in ("max_size", "min_count"):
            value = getattr(self, option)
            if value is not None and (not isinstance(value, int) or value < 1):
                self.refuse(option, "a whole number of at least 1", value)
        if self.n_oov_buckets < 0:
            self.refuse("n_oov_buckets", "at least 0", self.n_oov_buckets)

    def _read_file(self) -> None:
        """The vocabulary is what the file holds now: a declaration does not change later."""
        if self.vocabulary is not None:
            self.refuse("file", "None if vocabulary is given", self.file)
        lines = Path(self.file or "").read_text(encoding="utf-8").splitlines()
        object.__setattr__(self, "vocabulary", tuple(lines))
        object.__setattr__(self, "file", None)

    def _check_list(self) -> None:
        own = tuple(self.vocabulary or ())
        if not own:
            self.refuse("vocabulary", "a list of at least one category", own)
        if len({isinstance(level, str) for level in own}) > 1:
            self.refuse("vocabulary", "all text or all numbers", own[:5])
        twice = sorted({level for level in own if own.count(level) > 1}) if len(own) < 1000 else []
        if len(set(own)) < len(own):
            shown = twice or f"{len(own) - len(set(own))} repeated members"
            self.refuse("vocabulary", "without duplicates", shown, "Name each category once.")

    def start(self) -> LevelCounts:
        """No level seen."""
        return LevelCounts()

    def observe(
        self, state: LevelCounts, table: Rows, target: Target | None, pass_number: int = 0
    ) -> None:
        """Count the levels."""
        values: Any = table[self.name]
        weights = item_weights(values, table.weights)
        if isinstance(values, Lists):
            values = values.items
        if values.kind not in ("text", "number", "none"):
            self.refuse_values("text or numbers", values.kind, "Use DateTime for times.")
        self.check_kind(values.kind, state.kind)
        refuse_missing(self, values)
        if values.kind != "none":
            state.kind = values.kind
        if self.vocabulary is None:
            state.add(values.factor, weights)

    def check_kind(self, kind: str, wanted: str) -> None:
        """Refuse values of another kind than those before them.

        Parameters
        ----------
        kind : str
            Of the values; "none" is of any.
        wanted : str
            Of those that were seen, or "".
        """
        if self.vocabulary is not None and not wanted:
            wanted = "text" if isinstance(self.vocabulary[0], str) else "number"
        if wanted and kind not in (wanted, "none"):
            self.refuse_values(
                f"{wanted} as it did in fit", kind, "Convert it to the type that fit saw."
            )

    def learn(self, state: LevelCounts) -> Learned:
        """The list."""
        if self.vocabulary is not None:
            is_text = isinstance(self.vocabulary[0], str)
            return {"kind": "text" if is_text else "number", "levels": list(self.vocabulary)}
        return self.listed(state)[0]

    def listed(self, state: Any) -> tuple[Learned, np.ndarray]:
        """The list as it is learned, and where its levels are found.

        Parameters
        ----------
        state : LevelCounts
            Or what else has levels, their counts and their kind.

        Returns
        -------
        learned : dict
            The list.
        places : ndarray of int64
            Of each member among the levels of the state.
        """
        levels, counts = state.levels, state.counts
        order = by_count(levels, counts)
        places = order[counts[order] >= self.min_count][: self.max_size]
        own = levels.take(places)
        if isinstance(own, Text):
            self._refuse_bytes(own)
        return {"kind": state.kind or "text", "levels": LevelList(own)}, places

    def _refuse_bytes(self, levels: Text) -> None:
        """Refuse what is not UTF-8."""
        try:
            if not levels.is_utf8:
                levels.strings()
        except UnicodeDecodeError as error:
            self.refuse_values(
                "UTF-8", repr(error.object), "Decode the bytes first, or use HashBucket."
            )

    def fitted(self, learned: Learned) -> "FittedVocabulary":
        """With a table to look levels up."""
        if isinstance(self.unknown, str) and self.unknown in ("ignore", "error"):
            return FittedVocabulary(self, learned)
        if self.unknown not in learned["levels"]:
            self.refuse("unknown", "'ignore', 'error' or a category of the list", self.unknown)
        return FittedVocabulary(self, learned)


def _plain(levels: Sequence[Any]) -> tuple[Level, ...]:
    """Python's own numbers and strings."""
    return tuple(level.item() if isinstance(level, np.generic) else level for level in levels)


class FittedVocabulary(FittedCategorical):
    """A list of categories, and a table to find them."""

    inverse_kind = "exact"

    @cached_property
    def levels(self) -> list[str]:
        """The list, the buckets of the others, the missing."""
        own = [str(level) for level in self.learned["levels"]]
        own += [f"oov_{bucket}" for bucket in range(self.column.n_oov_buckets)]
        return own + ["missing"] * (self.column.missing == "bucket")

    @property
    def is_text(self) -> bool:
        """Whether the categories are text."""
        return self.learned["kind"] == "text"

    @property
    def n_levels(self) -> int:
        """How many there are, without their names."""
        own = len(self.learned["levels"]) + self.column.n_oov_buckets
        return own + (self.column.missing == "bucket")

    @cached_property
    def _known(self) -> Any:
        """The list, as text or numbers."""
        own = self.learned["levels"]
        if isinstance(own, LevelList) and len(own):  # an empty one does not know its kind
            return own.values
        return Text.of(own) if self.is_text else Numbers(np.array(own))

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places, keys and numbers of the levels."""
        n = len(self._known)
        places = np.empty(max(START, 1 << (2 * n + 1).bit_length()), np.int32)
        keys = np.empty(n, np.uint64)
        text_table(self._known.offsets, self._known.data, places, keys)
        return places, keys, np.arange(n)

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers in order, and their codes."""
        own = self._known.values
        codes = np.argsort(own)
        return own[codes], codes.astype(np.int32)

    def codes(self, table: Rows) -> Any:
        """The place of each row in the list."""
        return codes_of_items(table[self.column.name], self._codes)

    def _codes(self, values: Any) -> Codes:
        self.column.check_kind(values.kind, self.learned["kind"])
        if isinstance(values, Text) and not values.is_factored:
            codes = self._looked_up(values)
            if not len(codes) or codes.min() >= 0:
                return Codes(codes, self.n_levels, is_full=True)
            found = Codes(self._placed(codes, values), self.n_levels)
        else:
            found = self._of_factor(values.factor)
        return with_own_bucket(self.column, found)

    def _of_factor(self, factor: Factor) -> Codes:
        levels = factor.levels
        codes = self._looked_up(levels) if isinstance(levels, Text) else self._searched(levels)
        is_used = factor.counts > 0 if (codes == UNKNOWN).any() else None
        if is_used is not None:
            codes = self._placed(codes, levels, is_used)
        return factor.recoded(codes, self.n_levels)

    def _looked_up(self, text: Text) -> np.ndarray:
        codes = np.empty(len(text), np.int32)
        places, keys, members = self._table
        strings = (text.offsets, text.data, text.missing)
        known = (self._known.offsets, self._known.data, members)
        text_lookup(strings, known, (places, keys), codes)
        return codes

    def _searched(self, levels: Numbers) -> np.ndarray:
        if not len(levels) or not len(self._known):
            return np.full(len(levels), UNKNOWN, np.int32)
        known, codes = self._order
        order = np.argsort(levels.values)  # of numbers in order, each starts where the last ended
        wanted, found = levels.values[order], np.empty(len(levels), np.int32)
        at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        found[order] = np.where(known[at] == wanted, codes[at], np.int32(UNKNOWN))
        return found

    def _placed(
        self, codes: np.ndarray, values: Text | Numbers, is_used: np.ndarray | None = None
    ) -> np.ndarray:
        """Codes with a place for what is not in the list."""
        column, n_known = self.column, len(self.learned["levels"])
        is_unknown = codes == UNKNOWN
        rows = np.flatnonzero(is_unknown if is_used is None else is_unknown & is_used)
        if not len(rows):
            return codes
        strange = values.take(rows)
        if column.n_oov_buckets:
            own = np.empty(len(rows), np.int32)
            text = (
                strange
                if isinstance(strange, Text)
                else Text.of([str(number) for number in strange.values.tolist()])
            )
            buckets(text.offsets, text.data, column.n_oov_buckets, own)
            codes[rows] = n_known + own
        elif column.unknown == "error":
            shown = [
                strange.bytes_at(i).decode(errors="backslashreplace")
                if isinstance(strange, Text)
                else strange.values[i].item()
                for i in range(min(len(rows), 5))
            ]
            column.refuse_values(
                f"the {n_known} categories of the list",
                f"{shown}",
                'Set unknown="ignore" or n_oov_buckets=1 to accept others.',
            )
        elif column.unknown != "ignore":
            codes[rows] = self.learned["levels"].index(column.unknown)
        return codes

    def words(self, table: Rows) -> np.ndarray:
        """The codes, as TensorFlow's crosses hash a categorical column."""
        return super().words(table)

    def decode(self, codes: np.ndarray) -> dict[str, np.ndarray]:
        """The categories; None where there is none."""
        own = np.array([*self.learned["levels"], None], object)
        n_known = len(own) - 1
        return {self.column.name: own[np.where((codes < 0) | (codes >= n_known), n_known, codes)]}
