"""Columns that a file is read into: Arrow types in, what the kernels need to know out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from skextras.features.tfrecord.wire import BYTES, FLOAT, INT64

STORED = {INT64: pa.int64(), FLOAT: pa.float32(), BYTES: pa.binary()}
NAMES = {INT64: "int64_list", FLOAT: "float_list", BYTES: "bytes_list"}
RAGGED = -1
_TEXT = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)


def kind_of(value_type: pa.DataType) -> int | None:
    """Which of the three lists of tf.train.Feature holds values of a type.

    Parameters
    ----------
    value_type : DataType
        Of one value.

    Returns
    -------
    int or None
        INT64, FLOAT or BYTES; None for a type that is in none of them.
    """
    if pa.types.is_integer(value_type) or pa.types.is_boolean(value_type):
        return INT64
    if pa.types.is_floating(value_type):
        return FLOAT
    return BYTES if any(is_text(value_type) for is_text in _TEXT) else None


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list, of any length or of a fixed one.

    Parameters
    ----------
    kind : DataType
        A type.

    Returns
    -------
    bool
        True for list, large_list and fixed_size_list.
    """
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


@dataclass(frozen=True)
class Values:
    """What one feature holds.

    Attributes
    ----------
    kind : int
        INT64, FLOAT or BYTES.
    width : int
        Number of values, or RAGGED.
    is_scalar : bool
        Whether the column holds the one value rather than a list of one.
    declared : DataType
        What the user asked for.
    """

    kind: int
    width: int
    is_scalar: bool
    declared: pa.DataType

    @classmethod
    def of(cls, declared: pa.DataType, name: str) -> Self:
        """Read a type.

        Parameters
        ----------
        declared : DataType
            A scalar type, or a list of one.
        name : str
            Of the column, for the message.

        Returns
        -------
        Values
            The same in the reader's words.

        Raises
        ------
        TypeError
            If no tf.train.Feature holds such values.
        """
        value_type = declared.value_type if is_list(declared) else declared
        kind = kind_of(value_type)
        if kind is None:
            raise TypeError(
                f"TFRecord: the type of {name!r} must be an integer, boolean, float, string or "
                f"binary type, or a list of one, got {declared}. Cast the column first."
            )
        if not is_list(declared):
            return cls(kind, 1, True, declared)
        is_fixed = pa.types.is_fixed_size_list(declared)
        return cls(kind, declared.list_size if is_fixed else RAGGED, False, declared)

    @property
    def stored(self) -> pa.DataType:
        """The type that the kernels fill.

        Returns
        -------
        DataType
            Of int64, float32 or binary values.
        """
        value_type = STORED[self.kind]
        if self.is_scalar:
            return value_type
        return pa.list_(value_type, self.width)


@dataclass(frozen=True)
class Column:
    """One column of the result.

    Attributes
    ----------
    field : Field
        Name, type, and whether it may be missing.
    is_sequence : bool
        Whether it comes from the feature lists of a SequenceExample: one feature a step.
    values : Values
        What each record, or each step, holds.
    """

    field: pa.Field
    is_sequence: bool
    values: Values

    @classmethod
    def of(cls, field: pa.Field, is_sequence: bool) -> Self:
        """Read a field of a schema.

        Parameters
        ----------
        field : Field
            Of an Arrow schema.
        is_sequence : bool
            Whether it is one of the feature lists.

        Returns
        -------
        Column
            The column.

        Raises
        ------
        TypeError
            If TFRecord holds no such values.
        """
        inner = field.type
        if is_sequence:
            if not (pa.types.is_list(inner) or pa.types.is_large_list(inner)):
                raise TypeError(
                    f"TFRecord: the type of the sequence {field.name!r} must be a list with an "
                    f"item for each step, got {inner}. Write pa.list_({inner})."
                )
            inner = inner.value_type
        return cls(field, is_sequence, Values.of(inner, field.name))


def as_schema(schema: Any, name: str) -> pa.Schema:
    """Schema from what users write.

    Parameters
    ----------
    schema : Schema, or mapping of str to DataType, or sequence of pairs
        Names and types.
    name : str
        Of the parameter, for the message.

    Returns
    -------
    Schema
        The same.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If a name stands twice.
    """
    if not isinstance(schema, pa.Schema):
        try:
            schema = pa.schema(list(schema.items()) if isinstance(schema, Mapping) else schema)
        except (TypeError, pa.ArrowInvalid) as e:
            raise TypeError(
                f"TFRecord: {name} must be a pyarrow.Schema or a dict of names and pyarrow types, "
                f"got {type(schema).__name__}. Write {{'age': pyarrow.int64()}}."
            ) from e
    twice = sorted({own for own in schema.names if schema.names.count(own) > 1})
    if twice:
        raise ValueError(f"TFRecord: {name} must name each feature once, got {twice} twice.")
    return schema


def columns_of(schema: pa.Schema | None, sequence_schema: pa.Schema | None) -> tuple[Column, ...]:
    """Columns of the features, then those of the feature lists.

    Parameters
    ----------
    schema, sequence_schema : Schema or None
        Checked by ``as_schema``.

    Returns
    -------
    tuple of Column
        In the order of the result.

    Raises
    ------
    ValueError
        If a name stands in both.
    """
    own, sequence = schema or pa.schema([]), sequence_schema or pa.schema([])
    both = sorted(set(own.names) & set(sequence.names))
    if both:
        raise ValueError(
            f"TFRecord: schema and sequence_schema must have different names, got {both} in both."
        )
    return (
        *(Column.of(field, False) for field in own),
        *(Column.of(field, True) for field in sequence),
    )
