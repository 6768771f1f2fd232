"""Encoding of one column, one entry at a time."""

import math


def codes(train, column):
    """Place of each entry among the sorted distinct training values; NaN for any other."""

    def is_there(value):
        return value is not None and value == value

    known = sorted({value for value in train if is_there(value)})
    return [float(known.index(v)) if is_there(v) and v in known else math.nan for v in column]
