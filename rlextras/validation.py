"""What an option may be, and the one form in which a wrong one is refused.

``Owner: name must be <allowed>, got <value>. <cure>.``: TypeError for the kind, ValueError for the
value. A rule is data: what kind, which values, and the words for both.
"""

import difflib
import math
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np


class OptionError(ValueError, AssertionError):
    """An option outside its range; an AssertionError too, since the host asserts some of them."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What one option may be.

    Attributes
    ----------
    kind : str
        The kinds allowed, in words.
    is_kind : callable
        Whether a value is of a kind allowed.
    allowed : str
        The values allowed, in words.
    is_allowed : callable
        Whether a value of the right kind is allowed.
    cure : str
        What to do, a sentence; often the value that most people use.
    """

    kind: str
    is_kind: Callable[[Any], bool]
    allowed: str
    is_allowed: Callable[[Any], bool]
    cure: str


def number(
    allowed: str, is_allowed: Callable[[Any], bool], *, cure: str, allow_infinity: bool = False
) -> Rule:
    """Rule of a real number.

    Parameters
    ----------
    allowed : str
        The range, in words, as "in [0, 1]".
    is_allowed : callable
        Whether a number lies in it.
    cure : str
        What to do.
    allow_infinity : bool, default=False
        Whether an infinite number can be meant.

    Returns
    -------
    Rule
        NaN never fits it.
    """
    is_number = (lambda value: not math.isnan(value)) if allow_infinity else math.isfinite
    return Rule(
        kind="a number",
        is_kind=_is_real,
        allowed=allowed,
        is_allowed=lambda value: is_number(value) and bool(is_allowed(value)),
        cure=cure,
    )


def whole(minimum: int, *, cure: str, maximum: float = math.inf) -> Rule:
    """Rule of a whole number.

    Parameters
    ----------
    minimum : int
        The smallest allowed.
    cure : str
        What to do.
    maximum : float, default=inf
        The largest allowed.

    Returns
    -------
    Rule
        The rule.
    """
    allowed = f"{minimum} or more" if maximum == math.inf else f"in [{minimum}, {maximum}]"
    return Rule(
        kind="an int",
        is_kind=_is_whole,
        allowed=allowed,
        is_allowed=lambda value: minimum <= value <= maximum,
        cure=cure,
    )


def of_kind(kind: str, kinds: type | tuple[type, ...], *, cure: str) -> Rule:
    """Rule of an option whose every value of the right kind will do.

    Parameters
    ----------
    kind : str
        The kinds, in words.
    kinds : type or tuple of type
        The kinds.
    cure : str
        What to do.

    Returns
    -------
    Rule
        The rule.
    """
    return Rule(
        kind=kind,
        is_kind=lambda value: isinstance(value, kinds),
        allowed=kind,
        is_allowed=lambda _: True,
        cure=cure,
    )


def optional(rule: Rule) -> Rule:
    """Rule of an option that may also be None.

    Parameters
    ----------
    rule : Rule
        The rule of a value that is not None.

    Returns
    -------
    Rule
        The rule.
    """
    return _or(rule, "None", lambda value: value is None)


def schedule(rule: Rule) -> Rule:
    """Rule of an option that may also be a function of the training progress left.

    Parameters
    ----------
    rule : Rule
        The rule of a constant value.

    Returns
    -------
    Rule
        The rule. What the function returns is checked when it is called.
    """
    return _or(rule, "a function of the progress remaining (1 to 0)", callable)


def check_known(owner: str, given: Iterable[str], *, known: Iterable[str]) -> None:
    """Refuse option names that nobody knows.

    Parameters
    ----------
    owner : str
        Who speaks.
    given : iterable of str
        Names given.
    known : iterable of str
        Names understood.

    Raises
    ------
    TypeError
        If a name is unknown; names the closest one that is.
    """
    names = list(known)
    for name in given:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            cure = f"Did you mean {close[0]!r}?" if close else f"It knows {', '.join(names)}."
            raise TypeError(f"{owner}: {name!r} is not an option. {cure}")


def check_options(owner: str, options: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    """Refuse an option that breaks its rule; an option without a rule passes.

    Parameters
    ----------
    owner : str
        Who speaks.
    options : mapping of str to object
        Options by name.
    rules : mapping of str to Rule
        Rules by name.

    Raises
    ------
    TypeError
        If a value is of the wrong kind.
    ValueError
        If it is of the right kind, and out of range.
    """
    for name in (name for name in options if name in rules):
        value, rule = options[name], rules[name]
        if not rule.is_kind(value):
            got = f"{value!r} of type {type(value).__name__}"
            raise TypeError(f"{owner}: {name} must be {rule.kind}, got {got}. {rule.cure}")
        if not rule.is_allowed(value):
            raise OptionError(f"{owner}: {name} must be {rule.allowed}, got {value!r}. {rule.cure}")


def check_scheduled(owner: str, name: str, value: float) -> float:
    """Refuse what a schedule returned if nothing can be trained with it.

    Parameters
    ----------
    owner : str
        Who speaks.
    name : str
        The option whose schedule it is.
    value : float
        What the schedule returned.

    Returns
    -------
    float
        The value; 0, where linear schedules end, is allowed.

    Raises
    ------
    ValueError
        If the value is negative, infinite or NaN.
    """
    if not 0 <= value < math.inf:
        raise OptionError(
            f"{owner}: the schedule of {name} must return a number of 0 or more, got {value!r}. "
            "It is called with the progress remaining, which falls from 1 to 0."
        )
    return value


def check_policy(owner: str, policy: object, *, aliases: Collection[str]) -> None:
    """Refuse a policy that neither a name nor a class gives.

    Parameters
    ----------
    owner : str
        Who speaks.
    policy : str or type
        A name, or a class.
    aliases : collection of str
        The names that the owner knows.

    Raises
    ------
    TypeError
        If the policy is neither.
    ValueError
        If the name is unknown.
    """
    allowed = f"one of {', '.join(map(repr, aliases))}, or a policy class"
    if not isinstance(policy, str | type):
        raise TypeError(f"{owner}: policy must be {allowed}, got a {type(policy).__name__}.")
    if isinstance(policy, str) and policy not in aliases:
        raise OptionError(f"{owner}: policy must be {allowed}, got {policy!r}.")


def check_minibatches(
    owner: str,
    batch_size: int,
    n_rows: int | None,
    *,
    is_normalized: bool,
    by_minibatch: bool = True,
) -> None:
    """Refuse minibatches whose advantages cannot be normalised; warn of a ragged last one.

    Parameters
    ----------
    owner : str
        Who speaks.
    batch_size : int
        Rows in a minibatch.
    n_rows : int or None
        Rows of a rollout, ``n_steps * n_envs``; None if there is no environment yet.
    is_normalized : bool
        Whether advantages are normalised.
    by_minibatch : bool, default=True
        Whether that happens within a minibatch, or over the whole rollout.

    Raises
    ------
    ValueError
        If advantages are normalised over a single row.
    """
    sizes = {"batch_size": batch_size if by_minibatch else None, "n_steps * n_envs": n_rows}
    for name, n in sizes.items():
        if is_normalized and n == 1:
            raise OptionError(
                f"{owner}: {name} must be 2 or more, got 1. A single advantage cannot be "
                "normalised; or set normalize_advantage=False."
            )
    if n_rows is not None and n_rows % batch_size:
        n_whole, n_left = divmod(n_rows, batch_size)
        where = f"after every {n_whole} of them" if n_whole else "in place of all of them"
        cure = f"Choose a factor of {n_rows}." if n_whole else f"Choose {n_rows}, or more n_steps."
        warnings.warn(
            f"{owner}: batch_size={batch_size} does not divide n_steps * n_envs = {n_rows}: "
            f"{where} there will be a truncated mini-batch of size {n_left}. {cure}",
            stacklevel=4,  # check_minibatches, the shell, the member, the caller
        )


def unshared(value: Any) -> Any:
    """Copy an option so that the caller can neither change it later nor see it changed.

    Parameters
    ----------
    value : object
        An option. The host writes into the dicts that stand in ``policy_kwargs``.

    Returns
    -------
    object
        A dict is copied, with the dicts in it; a NumPy scalar becomes the Python number that the
        host's schedules and files want; anything else is returned as it is.
    """
    if isinstance(value, dict):
        return {key: dict(each) if isinstance(each, dict) else each for key, each in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _or(rule: Rule, kind: str, is_it: Callable[[Any], bool]) -> Rule:
    """The rule, with one more kind whose values are all allowed."""
    return Rule(
        kind=f"{rule.kind} or {kind}",
        is_kind=lambda value: is_it(value) or rule.is_kind(value),
        allowed=rule.allowed,
        is_allowed=lambda value: is_it(value) or rule.is_allowed(value),
        cure=rule.cure,
    )


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
