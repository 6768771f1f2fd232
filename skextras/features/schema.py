"""Declarations and what they learned, as JSON that people can read."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from skextras.features.columns.base import Column, Fitted

VERSION = 1


def declared(column: Column) -> dict[str, Any]:
    """A declaration as JSON's types.

    Parameters
    ----------
    column : Column
        The declaration.

    Returns
    -------
    dict
        Its type, and its options without defaults.
    """
    options = {name: _plain(value) for name, value in column.options().items()}
    return {"type": type(column).__name__, **options}


def column_of(said: Any, *, owner: str) -> Column:
    """The declaration that ``declared`` wrote.

    Parameters
    ----------
    said : dict
        From JSON.
    owner : str
        Whose errors they are.

    Returns
    -------
    Column
        Checked as when it was written by hand.

    Raises
    ------
    ValueError
        If its type or an option is unknown.
    """
    options = dict(said)
    kind = options.pop("type", None)
    if kind not in Column.TYPES:
        raise ValueError(
            f"{owner}: a column's type must be one of {sorted(Column.TYPES)}, got {kind!r}. "
            "Import the module that defines it first."
        )
    try:
        return Column.TYPES[kind](**{name: _lively(own, owner) for name, own in options.items()})
    except TypeError as error:
        raise ValueError(f"{owner}: {kind} must have known options, got {options}.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Column):
        return declared(value)
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): _plain(own) for key, own in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(own) for own in value]
    return value


def _lively(value: Any, owner: str) -> Any:
    if isinstance(value, dict) and "type" in value:
        return column_of(value, owner=owner)
    if isinstance(value, list):
        return [_lively(own, owner) for own in value]
    return value


def dumps(columns: Sequence[Fitted], facts: dict[str, Any]) -> str:
    """Fitted columns as text.

    Parameters
    ----------
    columns : sequence of Fitted
        In order.
    facts : dict
        Of the transformer.

    Returns
    -------
    str
        JSON; numbers read back exactly.
    """
    said = [{"declared": declared(own.column), "learned": _plain(own.learned)} for own in columns]
    return json.dumps({"version": VERSION, **facts, "columns": said}, indent=1, ensure_ascii=False)


def loads(text: str, *, owner: str) -> tuple[list[Fitted], dict[str, Any]]:
    """What ``dumps`` wrote.

    Parameters
    ----------
    text : str
        JSON.
    owner : str
        Whose errors they are.

    Returns
    -------
    columns : list of Fitted
        In order.
    facts : dict
        Of the transformer.

    Raises
    ------
    ValueError
        If it is of another version, or no such text.
    """
    try:
        said = json.loads(text)
        version, parts = said.pop("version"), said.pop("columns")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{owner}: text must be what to_json wrote, got {text[:60]!r}.") from error
    if version != VERSION:
        raise ValueError(
            f"{owner}: version must be {VERSION}, got {version!r}. Update mlextras, or fit anew."
        )
    fitted = []
    for part in parts:
        column = column_of(part["declared"], owner=owner)
        fitted.append(column.fitted(part["learned"]))
    return fitted, said
