"""Timesteps, noise levels and the forward process."""

from contextlib import suppress
from itertools import pairwise

import torch

from genextras.testing.subject import Subject, close, expect, images, seeded
from genextras.testing.truth import level, noised

LOW = {torch.float16: 2e-3, torch.bfloat16: 1e-2}
"""What rounding once may change, relative to the noise that is added."""


def check_timesteps_are_a_walk(subject: Subject) -> None:
    """n steps give a call each, or as many as the order says, in one direction.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    for n_steps in (1, 4, 10):
        made = subject.ready(n_steps)
        timesteps, order = made.timesteps, made.order
        expect(timesteps.ndim == 1, f"timesteps have shape {tuple(timesteps.shape)}")
        n_calls = len(timesteps)
        allowed = (n_steps * order, n_steps * order - (order == 2))
        expect(n_calls in allowed, f"set_timesteps({n_steps}) gives {n_calls} calls, not {allowed}")
        expect(made.num_inference_steps == n_steps, "num_inference_steps is not what was asked")
        expect(torch.isfinite(timesteps).all(), "timesteps are not finite")
        gaps = timesteps.double().diff() * (1 if subject.ascends else -1)
        expect((gaps >= 0).all(), f"timesteps turn back: {timesteps.tolist()}")
        distinct = -(-n_calls // order)
        n_found = len(timesteps.unique())
        expect(n_found >= distinct, f"{n_calls} calls are at {n_found} levels, not {distinct}")


def check_sigmas_fall(subject: Subject) -> None:
    """``sigmas``, if there are any, do not rise, and lie behind the last call too.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made = subject.ready()
    if not hasattr(made, "sigmas"):
        return
    sigmas = torch.as_tensor(made.sigmas).double()
    expect((sigmas >= 0).all(), "there are negative sigmas")
    gaps = sigmas.diff() * (-1 if subject.ascends else 1)
    expect((gaps <= 1e-6 * sigmas.max()).all(), f"sigmas turn back: {sigmas.tolist()}")


def check_attributes_of_pipelines(subject: Subject) -> None:
    """Pipelines read order, init_noise_sigma, the length and scale_model_input.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made = subject.ready()
    expect(made.order >= 1, f"order is {made.order}")
    scale = getattr(made, "init_noise_sigma", 1.0)  # pipelines of flows do without
    expect(float(scale) > 0, f"init_noise_sigma is {scale}")
    expect(len(made) == made.config["num_train_timesteps"], "len is not num_train_timesteps")
    x, t = images(), made.timesteps[0]
    before = x.clone()
    first, second = subject.scaled(made, x, t), subject.scaled(made, x, t)
    expect(first.shape == x.shape, "scale_model_input changes the shape")
    expect(torch.equal(first, second), "scale_model_input changes with the call")
    expect(torch.equal(x, before), "scale_model_input writes into the sample")


def check_timesteps_follow_the_device(subject: Subject) -> None:
    """``set_timesteps`` puts them where the network is; the noise of a run is drawn there too.

    The "meta" device needs no machine; an accelerator takes part if there is one.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made = subject.make()
    with suppress(NotImplementedError):  # of tables that come back to the host
        subject.set_timesteps(made, device="meta")
        kind = made.timesteps.device.type
        expect(kind == "meta", f"set_timesteps(device='meta') puts timesteps on {kind}")
    subject.set_timesteps(made, device="cpu")
    kind = made.timesteps.device.type
    expect(kind == "cpu", f"timesteps stay on {kind} when the device is the host again")
    device = torch.accelerator.current_accelerator()
    if device is not None:
        subject.set_timesteps(made, device=device)
        result = subject.loop(made, images().to(device), generator=seeded())
        expect(result.device.type == device.type, f"a run on {device} ends on {result.device}")
        host = subject.loop(subject.ready(), images(), generator=seeded())
        text = f"a run on {device} ends elsewhere than on the host"
        expect(close(result.cpu(), host, atol=1e-3), text)


def check_add_noise_grows_with_the_level(subject: Subject) -> None:
    """x_t = a x_0 + b ε with a, b of one level a label, b / (a + b) rising with noise.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made = subject.ready()
    labels = list(dict.fromkeys(made.timesteps.tolist()))
    timesteps = [made.timesteps[made.timesteps.tolist().index(each)] for each in labels]
    scales = [level(made, t) for t in timesteps]
    shares = [b / (abs(a) + b) for a, b in scales]
    rises = [s < t for s, t in pairwise(shares)]
    expect(all(rise == subject.ascends for rise in rises), f"shares of noise are {shares}")
    data, noise = images(1), images(2)
    for t, (a, b) in zip(timesteps, scales, strict=True):
        noisy = noised(made, data, noise, t.reshape(1).expand(2))
        same = close(noisy, a * data + b * noise)
        expect(same, f"add_noise at {t} is not {a:.4g} data + {b:.4g} noise")


def check_add_noise_takes_a_label_a_sample(subject: Subject) -> None:
    """Each sample of a batch gets the noise of its own label.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made, data, noise = subject.ready(), images(1), images(2)
    labels = made.timesteps[[-1, 1]]
    both = noised(made, data, noise, labels)
    for i in range(2):
        one = noised(made, data[[i]], noise[[i]], labels[[i]])
        expect(close(both[[i]], one), f"sample {i} has another noise in a batch than alone")


def check_add_noise_in_half_precision(subject: Subject) -> None:
    """The noise that halves get is right to their own rounding, at the lowest levels too.

    Parameters
    ----------
    subject : Subject
        The scheduler under test.
    """
    made = subject.ready(20)
    for t in (made.timesteps[-1], made.timesteps[-2], made.timesteps[0]):
        _, wanted = level(made, t)
        for dtype, tolerance in LOW.items():
            zeros, ones = torch.zeros(2, 4, dtype=dtype), torch.ones(2, 4, dtype=dtype)
            noisy = noised(made, zeros, ones, t.reshape(1).expand(2))
            expect(noisy.dtype is dtype, f"add_noise turns {dtype} into {noisy.dtype}")
            error = float((noisy.double() - wanted).abs().max())
            text = f"noise of {dtype} at {t} is off by {error / wanted:.1%}"
            expect(error <= tolerance * wanted, text)


CHECKS = (
    check_timesteps_are_a_walk,
    check_sigmas_fall,
    check_attributes_of_pipelines,
    check_timesteps_follow_the_device,
    check_add_noise_grows_with_the_level,
    check_add_noise_takes_a_label_a_sample,
    check_add_noise_in_half_precision,
)
