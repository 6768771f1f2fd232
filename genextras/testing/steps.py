"""One step: its law, its dtypes, its generators, and what it must leave alone."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from genextras.testing.subject import (
    SHAPE,
    CheckFailedError,
    Subject,
    close,
    expect,
    images,
    is_refused,
    seeded,
)
from genextras.testing.truth import answer, level, noised

MANY = (32, 3, 32, 32)
DTYPES = {torch.float64: 1e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}
"""Allowed distance to the step in float32, relative to the largest entry."""


def _spacings(subject: Subject) -> list[dict[str, Any]]:
    """Options that move the grid, of those that the class takes."""
    found: list[dict[str, Any]] = [{}]
    for spacing in ("leading", "trailing", "linspace"):
        options: dict[str, Any] = {"timestep_spacing": spacing}
        if options.keys() <= subject.words.keys() - subject.options.keys() and not is_refused(
            partial(subject.ready, **options)
        ):
            found.append(options)
    return found


def _from_level(
    subject: Subject, scheduler: Any, row: int, *, seed: int = 3, eta: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Data, noise, and x after a step from their level, with a perfect network.

    An inverse walk names a step by the label where it arrives.
    """
    data = torch.rand(MANY, generator=seeded(1)) - 0.5
    noise, t = images(2, MANY), scheduler.timesteps[row]
    a, b = level(scheduler, scheduler.timesteps[row - subject.ascends])
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(row)
    output = answer(scheduler, data, noise, t)
    x = a * data + b * noise
    made = subject.step(scheduler, output, t, x, seeded(seed), eta=eta)
    return data, noise, made[0]


def check_a_step_arrives_at_the_next_level(subject: Subject) -> None:
    """With a perfect network a step without noise gives x at the level of the next label.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    for options in _spacings(subject):
        made = subject.ready(10, **options)
        row = 6 * made.order
        data, noise, x = _from_level(subject, made, row, eta=0.0)
        again = _from_level(subject, subject.ready(10, **options), row, seed=4, eta=0.0)[2]
        if not torch.equal(x, again):
            return  # it draws noise; the next check is for these
        target = made.timesteps[row + (not subject.ascends)]
        a, b = level(made, target)
        text = f"x from a step at {made.timesteps[row]} is not at the level of {target}"
        expect(close(x, a * data + b * noise, atol=1e-3), f"{text} ({options})")


def check_a_step_keeps_the_law(subject: Subject) -> None:
    """With a perfect network x after a short step has the law a' x_0 + b' N(0, 1).

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    for options in _spacings(subject):
        made = subject.ready(200, **options)
        row = 100 * made.order
        data, _, x = _from_level(subject, made, row)
        a, b = level(made, made.timesteps[row + (not subject.ascends)])
        rest = (x - a * data).double()
        spread, bias = float(rest.std()), abs(float(rest.mean()))
        text = f"x after a step at {made.timesteps[row]} has noise {spread:.4f}, its level {b:.4f}"
        expect(abs(spread - b) <= 0.006 * b, f"{text} ({options})")
        expect(bias <= 0.02 * b, f"x after a step is {bias:.4f} off its mean ({options})")


def check_the_last_step_gives_the_data(subject: Subject) -> None:
    """With a perfect network the last step leaves no noise, whatever the options.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    if subject.ascends:
        return
    variances = ("fixed_small", "fixed_large") if "variance_type" in subject.words else (None,)
    for options in _spacings(subject):
        for variance in variances:
            more = {**options, **({"variance_type": variance} if variance else {})}
            made = subject.ready(20, **more)
            data, _, x = _from_level(subject, made, len(made.timesteps) - 1)
            left = float((x - data).abs().max())
            expect(left <= 0.06, f"noise of up to {left:.3f} is left after the last step ({more})")


def check_dtypes_are_kept(subject: Subject) -> None:
    """Halves stay halves, and lose little on the way.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made = subject.ready()
    t, wanted = made.timesteps[-1], dict[str, Tensor]()
    for dtype in (torch.float32, *DTYPES):
        fresh = subject.ready()
        if hasattr(fresh, "set_begin_index"):
            fresh.set_begin_index(len(fresh.timesteps) - 1)
        x, output = images(1).to(torch.bfloat16), images(2).to(torch.bfloat16)
        results = subject.step(fresh, output.to(dtype), t, x.to(dtype), seeded())
        wanted.setdefault("x", results[0])
        expect(results[0].dtype is dtype, f"a step turns {dtype} into {results[0].dtype}")
        expect(torch.isfinite(results[0]).all(), f"a step of {dtype} is not finite")
        is_close = close(results[0], wanted["x"], atol=DTYPES.get(dtype, 0.0))
        expect(is_close, f"the last step in {dtype} is far from the one in float32")


def check_nothing_handed_in_is_written(subject: Subject) -> None:
    """Sample, output, noise, labels, config and the public schedules stay as they are.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made = subject.ready()
    names = ("timesteps", "betas", "alphas_cumprod", "sigmas")
    own = {name: getattr(made, name) for name in names if hasattr(made, name)}
    handed = {"sample": images(), "model_output": 5 * images(1), "noise": images(2), **own}
    handed["labels"] = made.timesteps[[0, 1]]
    before = {name: each.clone() for name, each in handed.items()}
    config = dict(made.config)
    noised(made, handed["sample"], handed["noise"], handed["labels"])
    subject.step(made, handed["model_output"], made.timesteps[0], handed["sample"])
    changed = [name for name, each in handed.items() if not torch.equal(each, before[name])]
    expect(not changed, f"a step or add_noise writes into {changed}")
    expect(dict(made.config) == config, "a step changes the config")


def check_tuple_and_named_results_agree(subject: Subject) -> None:
    """``return_dict`` changes the form only.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    words = {"generator": seeded()} if subject.takes("step", "generator") else {}
    x, made = images(), subject.ready()
    named = made.step(0.3 * x, made.timesteps[0], x, return_dict=True, **words)
    words = {"generator": seeded()} if words else {}
    fresh = subject.ready()
    plain = fresh.step(0.3 * x, fresh.timesteps[0], x, return_dict=False, **words)
    expect(isinstance(plain, tuple), f"return_dict=False gives {type(plain).__name__}")
    pairs = list(zip(named.to_tuple(), plain, strict=False))
    same = len(named.to_tuple()) == len(plain) and all(torch.equal(a, b) for a, b in pairs)
    expect(same, "the tuple and the named result differ")
    expect(torch.equal(named.prev_sample, plain[0]), "prev_sample is not the first entry")


def check_a_generator_decides(subject: Subject) -> None:
    """A seed fixes the run; the global generator is neither read nor advanced.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    results = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            state = torch.get_rng_state()
            results.append(subject.loop(subject.ready(), images()))
            is_same = torch.equal(torch.get_rng_state(), state)
        expect(is_same, "the global generator is used though one was given")
    expect(torch.equal(*results), "the same generator gives another run")


def check_each_sample_may_have_its_generator(subject: Subject) -> None:
    """With a list of generators a sample is the same alone and in a batch.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    if not subject.takes("step", "generator"):
        return
    x = images()
    both = subject.loop(subject.ready(), x, generator=[seeded(7), seeded(8)])
    alone = subject.loop(subject.ready(), x[[1]], generator=[seeded(8)])
    expect(close(both[[1]], alone), "a sample with its own generator depends on the batch")


def check_batch_mates_do_not_matter(subject: Subject) -> None:
    """A sample is what it is, whoever stands beside it.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    is_stochastic = subject.takes("step", "generator")
    results = []
    for factor in (1.0, 30.0):
        made, x = subject.ready(), images() * torch.tensor([1.0, factor]).reshape(2, 1, 1, 1)
        x[1] += factor - 1
        generator = [seeded(7), seeded(8)] if is_stochastic else None
        results.append(subject.step(made, 0.3 * x, made.timesteps[0], x, generator)[0][0])
    expect(close(*results), "sample 0 changes when sample 1 does")


def check_each_sample_may_have_its_label(subject: Subject) -> None:
    """One label a sample gives what single steps give, or is refused as bad input.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    x, made = images(), subject.ready()
    rows, output = [1, 4], torch.tanh(images(1))
    labels = made.timesteps[rows]
    generators = [seeded(7), seeded(8)]
    if is_refused(lambda: subject.step(subject.ready(), output, labels, x, list(generators))):
        return
    generators = [seeded(7), seeded(8)]
    try:
        both = subject.step(made, output, labels, x, generators)[0]
    except Exception as error:
        raise CheckFailedError(f"labels for each sample end in {type(error).__name__}") from error
    for i, row in enumerate(rows):
        single = subject.ready()
        if hasattr(single, "set_begin_index"):
            single.set_begin_index(row)
        one = subject.step(single, output[[i]], labels[i], x[[i]], [seeded(7 + i)])[0]
        expect(close(both[[i]], one), "a step with a label for each sample is no single step")


def check_the_same_arguments_give_the_same_step(subject: Subject) -> None:
    """A step asked twice gives the same twice.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made, x = subject.ready(), images(0, SHAPE)
    for t in made.timesteps[:3]:
        output = torch.tanh(x)
        first, second = (subject.step(made, output, t, x)[0] for _ in range(2))
        expect(torch.equal(first, second), f"a step at {t} gives another x when repeated")
        x = first


CHECKS = (
    check_a_step_arrives_at_the_next_level,
    check_a_step_keeps_the_law,
    check_the_last_step_gives_the_data,
    check_dtypes_are_kept,
    check_nothing_handed_in_is_written,
    check_tuple_and_named_results_agree,
    check_a_generator_decides,
    check_each_sample_may_have_its_generator,
    check_batch_mates_do_not_matter,
    check_each_sample_may_have_its_label,
    check_the_same_arguments_give_the_same_step,
)
