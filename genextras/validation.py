"""One form for every message, and the checks of kind and range that options go through.

``Owner: name must be <allowed>, got <value>. <cure>.`` A wrong kind is a TypeError, a wrong value
a ValueError.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from math import inf
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "as_betas",
    "check_choice",
    "check_flag",
    "check_integer",
    "check_number",
    "check_options",
    "message",
]

PAIRS = (  # the smaller option, the larger one, least value of the smaller
    ("beta_start", "beta_end", 0.0),
    ("beta_min", "beta_max", 0.0),
    ("sigma_min", "sigma_max", 1e-6),
    ("s_tmin", "s_tmax", 0.0),
)
WHOLE = {  # option: smallest value
    "num_train_timesteps": 1,
    "steps_offset": 0,
    "n_each": 1,
    "n_corrector_steps": 0,
    "corrector_order": 0,
}
RANGES = {  # option: smallest and largest value, and what people use
    "clip_sample_range": (0.0, inf, "Data in [-1, 1] take 1.0."),
    "sample_max_value": (0.0, inf, "1.0 is plain clipping."),
    "dynamic_thresholding_ratio": (0.0, 1.0, "Imagen takes 0.995."),
    "beta_end": (0.0, inf, "DDPM takes 0.02."),
    "beta_max": (0.0, inf, "score_sde takes 20."),
    "sigma_max": (0.0, inf, "EDM takes 80."),
    "sigma_data": (1e-6, inf, "It is a standard deviation; EDM takes 0.5."),
    "rho": (0.01, inf, "EDM takes 7."),
    "s_churn": (0.0, inf, "0 adds no noise."),
    "s_noise": (0.0, inf, "EDM takes 1.003."),
    "s_tmax": (0.0, inf, "EDM takes 50."),
    "snr": (0.0, inf, "score_sde takes 0.16."),
    "step_size": (0.0, inf, "NCSN takes 2e-5."),
    "shift": (0.01, inf, "1.0 leaves the times as they are."),
    "shift_terminal": (0.0, 1.0, "It is a time; None leaves the end where it is."),
    "kappa": (0.0, inf, "It is about the inverse standard deviation of data."),
}
# what the host's own configs may hold as None
OPTIONAL = {
    "shift_terminal",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "use_lu_lambdas",
}


def check_options(
    owner: str,
    config: Mapping[str, Any],
    *,
    choices: Mapping[str, Sequence[str]],
    flags: Sequence[str],
) -> None:
    """Refuse a config with an option of the wrong kind or value.

    Parameters
    ----------
    owner : str
        For the message.
    config : mapping
        Options of the class by name; others than those checked may be there.
    choices : mapping of str to sequence of str
        Options that are one of a list.
    flags : sequence of str
        Options that are True or False.

    Raises
    ------
    TypeError
        If an option is of the wrong kind.
    ValueError
        If one is out of its range.
    """
    for name, allowed in choices.items():
        check_choice(owner, name, config[name], allowed)
    config = {k: v for k, v in config.items() if v is not None or k not in OPTIONAL}
    for name in flags:
        if name in config:
            check_flag(owner, name, config[name])
    for name, least in WHOLE.items():
        if name in config:
            check_integer(owner, name, config[name], low=least)
    for name, (low, high, cure) in RANGES.items():
        if name in config:
            check_number(owner, name, config[name], low=low, high=high, cure=cure)
    for low_name, high_name, low in PAIRS:
        if low_name in config:
            cure = f"Swap {low_name} and {high_name}?"
            high = config[high_name]
            check_number(owner, low_name, config[low_name], low=low, high=high, cure=cure)


def message(owner: str, name: str, allowed: str, got: object, cure: str) -> str:
    """Put an error into words.

    Parameters
    ----------
    owner : str
        Class that was given the value.
    name : str
        Option or argument.
    allowed : str
        What it must be.
    got : object
        The value; strings are quoted.
    cure : str
        What to do, a sentence.

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> message("DDIMScheduler", "eta", "in [0, 1]", 2.0, "1 is ancestral.")
    'DDIMScheduler: eta must be in [0, 1], got 2.0. 1 is ancestral.'
    """
    return f"{owner}: {name} must be {allowed}, got {got!r}. {cure}"


def check_choice(owner: str, name: str, value: object, allowed: Sequence[str]) -> None:
    """Refuse a string that is not in the list, and name its nearest neighbour.

    Parameters
    ----------
    owner, name : str
        For the message.
    value : object
        What was given.
    allowed : sequence of str
        The choices.

    Raises
    ------
    TypeError
        If the value is no string.
    ValueError
        If it is not among the choices.
    """
    choices = "one of " + ", ".join(map(repr, allowed))
    if not isinstance(value, str):
        raise TypeError(message(owner, name, choices, value, "Pass one of these strings."))
    if value not in allowed:
        near = get_close_matches(value, allowed, n=1)
        cure = f"Did you mean {near[0]!r}?" if near else "Pass one of these strings."
        raise ValueError(message(owner, name, choices, value, cure))


def check_flag(owner: str, name: str, value: object) -> None:
    """Refuse anything but True and False: the string "false" is true.

    Parameters
    ----------
    owner, name : str
        For the message.
    value : object
        What was given.

    Raises
    ------
    TypeError
        If the value is no bool.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(message(owner, name, "True or False", value, "Pass a bool."))


def check_integer(owner: str, name: str, value: object, *, low: int) -> None:
    """Refuse anything but a whole number from ``low`` on.

    Parameters
    ----------
    owner, name : str
        For the message.
    value : object
        What was given.
    low : int
        Smallest allowed value.

    Raises
    ------
    TypeError
        If the value is not of an integer type.
    ValueError
        If it is below ``low``.
    """
    allowed = f"a whole number of at least {low}"
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(message(owner, name, allowed, value, "Pass an int."))
    if value < low:
        raise ValueError(message(owner, name, allowed, value, f"The smallest is {low}."))


def check_number(
    owner: str, name: str, value: object, *, low: float, high: float, cure: str
) -> None:
    """Refuse anything but a real number in [low, high].

    Parameters
    ----------
    owner, name : str
        For the message.
    value : object
        What was given.
    low, high : float
        Ends of the allowed range, both included.
    cure : str
        What to do, a sentence.

    Raises
    ------
    TypeError
        If the value is no real number.
    ValueError
        If it is out of range or NaN.
    """
    allowed = f"a number in [{low:g}, {high:g}]"
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(message(owner, name, allowed, value, cure))
    if not low <= float(value) <= high:
        raise ValueError(message(owner, name, allowed, value, cure))


def as_betas(owner: str, values: object) -> Tensor:
    """Copy of a noise schedule given by the user.

    Parameters
    ----------
    owner : str
        For the message.
    values : array-like of shape (T,)
        Variance added by each training step; left unchanged.

    Returns
    -------
    Tensor of shape (T,), float32
        The β of every timestep.

    Raises
    ------
    TypeError
        If the values are no numbers.
    ValueError
        If they are not a list of at least one variance in [0, 1].
    """
    allowed, cure = "a list of variances in [0, 1]", "Pass one β for each training timestep."
    try:
        betas = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(message(owner, "trained_betas", allowed, values, cure)) from error
    if betas.ndim != 1 or not betas.size or not ((betas >= 0) & (betas <= 1)).all():
        raise ValueError(message(owner, "trained_betas", allowed, values, cure))
    return torch.tensor(betas, dtype=torch.float32)
