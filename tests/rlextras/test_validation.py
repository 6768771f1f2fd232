"""Laws of rules and of the sentences that refuse."""

import functools
import warnings

import numpy as np
import pytest

from rlextras import validation
from rlextras.host import guards
from rlextras.validation import check_options, number, of_kind, optional, schedule, whole

SHARE = number("in [0, 1]", lambda x: 0 <= x <= 1, cure="Typical is 0.5.")
RULES = {
    "share": SHARE,
    "count": whole(1, cure="Typical is 8.", maximum=9),
    "maybe": optional(SHARE),
    "moving": schedule(SHARE),
    "both": optional(schedule(SHARE)),
    "size": number("above 0", lambda x: x > 0, cure="inf is none.", allow_infinity=True),
    "words": of_kind("a str", str, cure="Give a str."),
}


@pytest.mark.parametrize(
    "options",
    [
        {"share": 0},
        {"share": 1.0},
        {"share": np.float32(0.5)},
        {"count": np.int64(9)},
        {"maybe": None},
        {"maybe": 0.1},
        {"moving": len},
        {"moving": functools.partial(pow, 2)},
        {"both": None},
        {"both": len},
        {"both": 0.3},
        {"size": float("inf")},
        {"words": ""},
        {"no rule": object()},
    ],
    ids=" ".join,  # their names: an address in an id differs between processes
)
def test_what_fits_passes(options):
    check_options("Owner", options, RULES)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"share": 1.1}, ValueError, "Owner: share must be in [0, 1], got 1.1. Typical is 0.5."),
        ({"share": float("inf")}, ValueError, "Owner: share must be in [0, 1], got inf. "),
        ({"share": True}, TypeError, "Owner: share must be a number, got True of type bool. "),
        ({"share": 1j}, TypeError, "Owner: share must be a number, got 1j of type complex. "),
        ({"count": 10}, ValueError, "Owner: count must be in [1, 9], got 10. Typical is 8."),
        ({"count": 2.0}, TypeError, "Owner: count must be an int, got 2.0 of type float. "),
        ({"count": False}, TypeError, "Owner: count must be an int, got False of type bool. "),
        ({"maybe": 2}, ValueError, "Owner: maybe must be in [0, 1], got 2. "),
        ({"maybe": "x"}, TypeError, "Owner: maybe must be a number or None, got 'x' of type str. "),
        ({"moving": None}, TypeError, "Owner: moving must be a number or a function of "),
        ({"size": float("nan")}, ValueError, "Owner: size must be above 0, got nan. inf is none."),
        ({"words": 3}, TypeError, "Owner: words must be a str, got 3 of type int. Give a str."),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_in_one_sentence_and_a_cure(options, kind, message):
    with pytest.raises(kind) as caught:
        check_options("Owner", options, RULES)
    assert str(caught.value).startswith(message)


def test_the_first_wrong_option_is_named():
    with pytest.raises(ValueError, match="count"):
        check_options("Owner", {"share": 0, "count": 0, "maybe": 3}, RULES)


def test_a_value_the_host_would_assert_can_be_caught_as_such():
    with pytest.raises(AssertionError):
        check_options("Owner", {"share": 2}, RULES)


@pytest.mark.parametrize(
    ("given", "cure"),
    [("gama", "Did you mean 'gamma'?"), ("zzz", "It knows gamma, n_steps.")],
)
def test_an_unknown_option_is_refused(given, cure):
    with pytest.raises(TypeError) as caught:
        validation.check_known("Owner", [given], known=["gamma", "n_steps"])
    assert str(caught.value) == f"Owner: {given!r} is not an option. {cure}"


@pytest.mark.parametrize("value", [0, 0.0, 0.2, np.float32(0.1)])
def test_a_schedule_may_end_at_zero(value):
    assert validation.check_scheduled("Owner", "rate", value) == value


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_a_schedule_that_leaves_its_range_is_refused(value):
    with pytest.raises(ValueError, match="Owner: the schedule of rate must return"):
        validation.check_scheduled("Owner", "rate", value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array([0.0, np.nan]), r"reward must be finite, got nan from environment 1 \(index"),
        (np.array([[0.0, -np.inf]], np.float16), "reward must be finite, got -inf from environ"),
        ({"a": np.zeros(1), "b": np.array([np.inf])}, r"reward\['b'\] must be finite, got inf"),
    ],
    ids=["array", "half precision", "dict"],
)
def test_a_number_that_is_none_is_named_with_its_place(given, message):
    with pytest.raises(ValueError, match=rf"^Owner: {message}"):
        guards.check_finite("Owner", "reward", given)


def test_numbers_that_cannot_be_infinite_pass():
    guards.check_finite("Owner", "x", {"a": np.array([3]), "b": np.full(2, 1e300), "c": "text"})


@pytest.mark.parametrize(
    ("batch_size", "n_rows"), [(1, 64), (64, 1), (1, None)], ids=["batch", "rollout", "no rows"]
)
def test_one_advantage_is_refused_only_where_it_is_normalised(batch_size, n_rows):
    with pytest.raises(ValueError, match="must be 2 or more, got 1"):
        validation.check_minibatches("Owner", batch_size, n_rows, is_normalized=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 64 rows for one is ragged as well
        validation.check_minibatches("Owner", batch_size, n_rows, is_normalized=False)


def test_a_minibatch_of_one_row_is_fine_where_the_whole_rollout_is_normalised():
    validation.check_minibatches("Owner", 1, 64, is_normalized=True, by_minibatch=False)
    with pytest.raises(ValueError, match=r"n_steps \* n_envs must be 2 or more, got 1"):
        validation.check_minibatches("Owner", 1, 1, is_normalized=True, by_minibatch=False)


def test_a_ragged_minibatch_is_announced_with_its_size():
    with pytest.warns(UserWarning, match="truncated mini-batch of size 1. Choose a factor of 64"):
        validation.check_minibatches("Owner", 63, 64, is_normalized=True)


def test_an_option_is_copied_as_deep_as_the_host_writes():
    given = {"features_extractor_kwargs": {"a": 1}, "net_arch": [8]}
    copied = validation.unshared(given)
    copied["features_extractor_kwargs"]["a"] = 2
    assert given["features_extractor_kwargs"] == {"a": 1}
    assert copied["net_arch"] is given["net_arch"]
