"""Components whose features are of several families, independent within a component."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from skextras.mixture import kernels
from skextras.mixture.components import Components, Parameters
from skextras.mixture.sweeping import Block, padded

__all__ = ["MixedComponents", "Part"]


class Part(NamedTuple):
    """Features of one family.

    Attributes
    ----------
    columns : ndarray of shape (d,), int64
        Where they stand in a row.
    components : Components
        Of these features alone.
    """

    columns: np.ndarray
    components: Components


class MixedComponents(Components):
    """Log densities are sums over the parts; parameters and statistics stand one after the other.

    Parameters
    ----------
    parts : sequence of Part
        They share out the features.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = list(parts)
        self.is_centred = np.zeros(sum(len(own.columns) for own in parts), bool)
        for own in parts:
            self.is_centred[own.columns] = own.components.is_centred
        self.n_parameters = sum(own.components.n_parameters for own in parts)
        self.n_statistics = sum(own.components.n_statistics for own in parts)

    @property
    def collapsed(self) -> set[int]:
        return set().union(*(getattr(own.components, "collapsed", ()) for own in self.parts))

    def split(self, parameters: Parameters) -> list[Parameters]:
        """Parameters of each part.

        Parameters
        ----------
        parameters : tuple of ndarray
            Of all.

        Returns
        -------
        list of tuple of ndarray
            In the order of the parts.
        """
        return list(_split(parameters, [own.components.n_parameters for own in self.parts]))

    def prepare(self, parameters: Parameters, dtype: Any) -> Any:
        each = zip(self.parts, self.split(parameters), strict=True)
        return [own.components.prepare(part, dtype) for own, part in each]

    def zeros(self, k: int, d: int) -> list[np.ndarray]:
        each = (own.components.zeros(k, len(own.columns)) for own in self.parts)
        return [array for part in each for array in part]

    def density(self, ready: Any, block: Block, table: np.ndarray) -> None:
        for number, (own, part, ready_part) in enumerate(self._blocks(ready, block)):
            out = np.zeros_like(table) if number else table
            own.density(ready_part, part, out)
            if number:
                table[:, : len(block)] += out[:, : len(block)]

    def accumulate(
        self, ready: Any, block: Block, table: np.ndarray, sums: list[np.ndarray]
    ) -> None:
        each = zip(self._blocks(ready, block), self._sums(sums, len(table)), strict=True)
        for (own, part, ready_part), part_sums in each:
            own.accumulate(ready_part, part, table, part_sums)

    def condense(self, ready: Any, sums: list[np.ndarray]) -> Parameters:
        each = zip(self.parts, ready, self._sums(sums, len(sums[0])), strict=True)
        return _joined(own.components.condense(*rest) for own, *rest in each)

    def update(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        each = zip(self.parts, self.split(parameters), self._statistics(statistics), strict=True)
        return _joined(own.components.update(*rest) for own, *rest in each)

    def recentre(self, parameters: Parameters, statistics: Parameters) -> Parameters:
        each = zip(self.parts, self.split(parameters), self._statistics(statistics), strict=True)
        return _joined(own.components.recentre(*rest) for own, *rest in each)

    def log_prior(self, parameters: Parameters) -> float:
        each = zip(self.parts, self.split(parameters), strict=True)
        return sum(own.components.log_prior(part) for own, part in each)

    # ------------------------------------------------------------ parts
    def _blocks(self, ready: Any, block: Block) -> Iterator[tuple[Components, Block, Any]]:
        """The features of each part as a block; complete where they are, whatever others lack."""
        for own, ready_part in zip(self.parts, ready, strict=True):
            rows = np.take(block.rows, own.columns, axis=1)
            centre = block.centre[own.columns]
            shape = padded(len(own.columns)), block.turned.shape[1]
            turned = np.zeros(shape, block.turned.dtype)
            is_complete = block.is_complete or not np.isnan(rows).any()
            if is_complete:
                kernels.load(rows, centre, turned)
            part = Block(rows, turned, centre, is_complete, block.scratch)
            yield own.components, part, ready_part

    def _sums(self, sums: list[np.ndarray], k: int) -> Iterator[list[np.ndarray]]:
        """Sums of each part; the likelihood closes them all, as it closes those of one family."""
        sizes = [len(own.components.zeros(k, len(own.columns))) for own in self.parts]
        return ([*part, sums[-1]] for part in _split(sums, sizes))

    def _statistics(self, statistics: Parameters) -> Iterator[Parameters]:
        return _split(statistics, [own.components.n_statistics for own in self.parts])


def _split(arrays: Any, sizes: Sequence[int]) -> Iterator[Any]:
    start = 0
    for size in sizes:
        yield arrays[start : start + size]
        start += size


def _joined(parts: Any) -> Parameters:
    return tuple(array for part in parts for array in part)
