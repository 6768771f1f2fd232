"""SHELL: the tables that users have (arrays, frames, sparse, blocks), as numbers for the engine."""

from skextras.tables.blocks import Blocks, as_blocks
from skextras.tables.encoder import (
    DenseTable,
    SparseTable,
    TableEncoder,
    encode,
    value_blocks,
)
from skextras.tables.weights import row_weights

__all__ = [
    "Blocks",
    "DenseTable",
    "SparseTable",
    "TableEncoder",
    "as_blocks",
    "encode",
    "row_weights",
    "value_blocks",
]
