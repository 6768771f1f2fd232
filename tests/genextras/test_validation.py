import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genextras.validation import (
    as_betas,
    check_choice,
    check_flag,
    check_integer,
    check_number,
    message,
)

FORM = re.compile(r"Owner: \w+ must be .+, got .+\. [A-Z].+[.?]")


def refusal(kind, check, *args, **options):
    with pytest.raises(kind) as caught:
        check("Owner", *args, **options)
    text = str(caught.value)
    assert FORM.fullmatch(text), text
    return text


def test_a_typo_is_answered_with_its_neighbour():
    text = refusal(ValueError, check_choice, "kind", "epsilom", ("epsilon", "sample"))
    assert text == (
        "Owner: kind must be one of 'epsilon', 'sample', got 'epsilom'. Did you mean 'epsilon'?"
    )


def test_a_word_without_neighbour_is_answered_with_the_list():
    assert refusal(ValueError, check_choice, "kind", "q", ("a", "b")).endswith("strings.")


@pytest.mark.parametrize(
    ("check", "value", "options"),
    [
        (check_choice, 3, {"allowed": ("a",)}),
        (check_flag, "false", {}),
        (check_flag, 1, {}),
        (check_integer, 3.0, {"low": 0}),
        (check_integer, True, {"low": 0}),
        (check_integer, None, {"low": 0}),
        (check_number, "1", {"low": 0, "high": 1, "cure": "Try 1."}),
        (check_number, None, {"low": 0, "high": 1, "cure": "Try 1."}),
    ],
)
def test_a_wrong_kind_is_a_type_error(check, value, options):
    refusal(TypeError, check, "option", value, **options)


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_whole_numbers_pass_from_their_lower_end_on(value, low):
    if value >= low:
        check_integer("Owner", "option", np.int64(value), low=low)
    else:
        refusal(ValueError, check_integer, "option", value, low=low)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_numbers_outside_their_range_are_value_errors(value):
    refusal(ValueError, check_number, "option", value, low=0, high=1, cure="Try 1.")


def test_flags_of_numpy_pass():
    check_flag("Owner", "option", np.bool_(True))


@pytest.mark.parametrize("values", [[], [[0.1]], [0.1, -0.1], [0.1, 1.1], [float("nan")]])
def test_betas_out_of_range_are_value_errors(values):
    refusal(ValueError, as_betas, values)


def test_betas_that_are_no_numbers_are_type_errors():
    refusal(TypeError, as_betas, ["a", "b"])


def test_betas_are_copied():
    values = np.array([0.1, 0.2], dtype=np.float32)
    betas = as_betas("Owner", values)
    betas[0] = 0.5
    assert values[0] == np.float32(0.1)
    assert betas.dtype == torch.float32


def test_message_quotes_strings():
    assert message("A", "b", "c", "d", "E.") == "A: b must be c, got 'd'. E."
