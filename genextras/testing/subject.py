"""The scheduler under test: how it is made and run, what its options are, how a check fails."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any

import torch
from torch import Generator, Tensor

ALTERNATIVES: Mapping[str, Sequence[Any]] = {
    "beta_schedule": ("scaled_linear", "squaredcos_cap_v2"),
    "prediction_type": ("sample", "v_prediction"),
    "timestep_spacing": ("leading", "trailing", "linspace"),
    "variance_type": ("fixed_large", "fixed_large_log", "fixed_small_log"),
    "final_sigmas_type": ("sigma_min",),
    "sigma_schedule": ("exponential",),
    "solver_order": (1, 3),
    "algorithm_type": ("sde-dpmsolver++",),
    "solver_type": ("heun", "bh1"),
    "solver": ("euler", "heun"),
    "clip_sample": (False,),
    "thresholding": (True,),
    "steps_offset": (1,),
    "shift": (3.0,),
    "use_karras_sigmas": (True,),
    "use_exponential_sigmas": (True,),
    "predictor": ("euler_maruyama", "ancestral", "ode_heun"),
    "n_corrector_steps": (1,),
    "s_churn": (5.0,),
    "sde": ("ve", "sub-vp"),
}
"""Other values of options; a scheduler is given those that it knows, and may refuse them."""
REFUSALS = (ValueError, TypeError, NotImplementedError)
SHAPE = (2, 3, 8, 8)
N_STEPS = 6


class CheckFailedError(AssertionError):
    """What a check raises if the scheduler does not keep the rule."""


def expect(condition: object, message: str) -> None:
    """Fail a check unless a condition holds.

    Parameters
    ----------
    condition : object
        Whether the rule is kept.
    message : str
        What was expected, and what happened.

    Raises
    ------
    CheckFailedError
        If the condition is false.
    """
    if not condition:
        raise CheckFailedError(message)


def expect_refusal(what: str, call: Callable[[], object]) -> None:
    """Fail a check unless a call is refused as bad input.

    Parameters
    ----------
    what : str
        The input in words.
    call : callable
        What to try.

    Raises
    ------
    CheckFailedError
        If it is taken, or breaks with an error that says nothing about the input.
    """
    try:
        call()
    except REFUSALS:
        return
    except Exception as error:
        raise CheckFailedError(f"{what} ends in {type(error).__name__}: {error}") from error
    raise CheckFailedError(f"{what} is taken without a word")


def is_refused(call: Callable[[], object]) -> bool:
    """Whether a call is refused as bad input; other errors pass.

    Parameters
    ----------
    call : callable
        What to try.

    Returns
    -------
    bool
        True if it raised a ValueError, TypeError or NotImplementedError.
    """
    try:
        call()
    except REFUSALS:
        return True
    return False


def close(first: Tensor, second: Tensor, *, atol: float = 1e-5) -> bool:
    """Whether two tensors agree to ``atol`` relative to the largest entry, NaN being equal.

    Parameters
    ----------
    first, second : Tensor
        Of one shape.
    atol : float, default=1e-5
        The tolerance.

    Returns
    -------
    bool
        Whether they agree.
    """
    scale = max(1.0, float(second.double().nan_to_num().abs().max()))
    same = torch.isclose(
        first.double(), second.double(), rtol=0.0, atol=atol * scale, equal_nan=True
    )
    return bool(same.all())


def seeded(seed: int = 0) -> Generator:
    """A generator on the host.

    Parameters
    ----------
    seed : int, default=0
        Its seed.

    Returns
    -------
    torch.Generator
        A new one.
    """
    return Generator().manual_seed(seed)


def images(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Tensor:
    """Standard normal numbers.

    Parameters
    ----------
    seed : int, default=0
        Of their generator.
    shape : tuple of int, default=(2, 3, 8, 8)
        Theirs.

    Returns
    -------
    Tensor of shape ``shape``, float32
        The numbers.
    """
    return torch.randn(shape, generator=seeded(seed))


class Subject:
    """A scheduler class with the options that all checks start from.

    Parameters
    ----------
    scheduler : type
        The class.
    options : mapping of str to object, optional
        Of its config.
    """

    def __init__(self, scheduler: type, options: Mapping[str, Any] | None = None) -> None:
        self.scheduler, self.options = scheduler, dict(options or {})
        self.name = scheduler.__name__

    @cached_property
    def words(self) -> Mapping[str, inspect.Parameter]:
        """Parameters of the constructor by name.

        Returns
        -------
        mapping of str to inspect.Parameter
            All but ``self``.
        """
        parameters = inspect.signature(self.scheduler.__init__).parameters  # type: ignore[misc]  # its own
        return {name: each for name, each in parameters.items() if name != "self"}

    def takes(self, method: str, word: str) -> bool:
        """Whether a method has a parameter of this name.

        Parameters
        ----------
        method, word : str
            Names of the two.

        Returns
        -------
        bool
            False too if there is no such method.
        """
        found = getattr(self.scheduler, method, None)
        return found is not None and word in inspect.signature(found).parameters

    def make(self, **options: Any) -> Any:
        """A scheduler with other options.

        Parameters
        ----------
        **options : object
            Of its config, beside those that all checks start from.

        Returns
        -------
        SchedulerMixin
            A new one.
        """
        return self.scheduler(**{**self.options, **options})

    def ready(self, n_steps: int = N_STEPS, **options: Any) -> Any:
        """A scheduler that has its timesteps.

        Parameters
        ----------
        n_steps : int, default=6
            How many.
        **options : object
            Of its config.

        Returns
        -------
        SchedulerMixin
            A new one.
        """
        made = self.make(**options)
        self.set_timesteps(made, n_steps)
        return made

    def set_timesteps(self, scheduler: Any, n_steps: int = N_STEPS, device: Any = None) -> None:
        """Choose so many steps, with what a pipeline would add.

        Parameters
        ----------
        scheduler : SchedulerMixin
            Whose.
        n_steps : int, default=6
            How many.
        device : str or torch.device, optional
            Where.
        """
        dynamic = self.takes("set_timesteps", "mu") and scheduler.config["use_dynamic_shifting"]
        scheduler.set_timesteps(n_steps, device=device, **({"mu": 0.5} if dynamic else {}))

    def step(
        self,
        scheduler: Any,
        output: Tensor,
        t: Any,
        x: Tensor,
        generator: Any = None,
        *,
        eta: float = 1.0,
    ) -> tuple[Tensor, ...]:
        """One step as a tuple; stochastic where it can be, so that noise is seen.

        Parameters
        ----------
        scheduler : SchedulerMixin
            With timesteps.
        output : Tensor of shape (B, ...)
            The network's.
        t : Tensor or number
            The label.
        x : Tensor of shape (B, ...)
            The sample.
        generator : torch.Generator or list of them, optional
            Of the noise; a new one of seed 0 if there is none.
        eta : float, default=1.0
            For schedulers whose noise is chosen in each step.

        Returns
        -------
        tuple of Tensor
            x at the next level, and what stands beside it.
        """
        words: dict[str, Any] = {}
        if self.takes("step", "generator"):
            words["generator"] = seeded() if generator is None else generator
        if self.takes("step", "eta"):
            words["eta"] = eta
        made: tuple[Tensor, ...] = scheduler.step(output, t, x, return_dict=False, **words)
        return made

    def scaled(self, scheduler: Any, x: Tensor, t: Any) -> Tensor:
        """Input of the network.

        Parameters
        ----------
        scheduler : SchedulerMixin
            With timesteps.
        x : Tensor of shape (B, ...)
            The sample.
        t : Tensor or number
            The label.

        Returns
        -------
        Tensor of shape (B, ...)
            x itself if there is no scale.
        """
        has_scale = hasattr(scheduler, "scale_model_input")
        scaled: Tensor = scheduler.scale_model_input(x, t) if has_scale else x
        return scaled

    def loop(self, scheduler: Any, x: Tensor, *, start: int = 0, generator: Any = None) -> Tensor:
        """A run with a network that is a plain function of its input.

        Parameters
        ----------
        scheduler : SchedulerMixin
            With timesteps.
        x : Tensor of shape (B, ...)
            Where it starts.
        start : int, default=0
            The first row.
        generator : torch.Generator or list of them, optional
            Of the noise; a new one of seed 0 if there is none.

        Returns
        -------
        Tensor of shape (B, ...)
            Where it ends.
        """
        generator = seeded() if generator is None else generator
        for t in scheduler.timesteps[start:]:
            output = torch.tanh(self.scaled(scheduler, x, t))
            x = self.step(scheduler, output, t, x, generator)[0]
        return x

    def variants(self) -> Iterator[dict[str, Any]]:
        """Other values of options, each alone and in pairs.

        Yields
        ------
        dict of str to object
            Options.
        """
        known = [
            {name: value}
            for name, values in ALTERNATIVES.items()
            for value in values
            if name in self.words and name not in self.options
        ]
        yield from ({}, *known)
        yield from (
            {**one, **two} for one, two in combinations(known, 2) if one.keys() != two.keys()
        )

    @cached_property
    def ascends(self) -> bool:
        """Whether a run goes from data to noise.

        Returns
        -------
        bool
            True of an inverse walk.
        """
        timesteps = self.ready().timesteps
        return bool(timesteps[0] < timesteps[-1])
