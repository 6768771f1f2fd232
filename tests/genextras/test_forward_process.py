"""``add_noise`` and ``get_velocity``, which the two schedulers share."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genextras import DDIMScheduler, DDPMScheduler

BOTH = pytest.mark.parametrize("scheduler_class", [DDIMScheduler, DDPMScheduler])


def images(seed=0, batch=2, dtype=torch.float32):
    values = torch.randn(batch, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return values.to(dtype)


@BOTH
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**16), t=st.lists(st.integers(0, 999), min_size=1, max_size=4))
def test_data_and_noise_come_back_from_the_noisy_sample_and_the_velocity(scheduler_class, seed, t):
    scheduler, t = scheduler_class(), torch.tensor(t)
    x_0, noise = images(seed, len(t), torch.float64), images(seed + 1, len(t), torch.float64)
    a = scheduler.alphas_cumprod[t].double().sqrt().view(-1, 1, 1, 1)
    b = (1 - scheduler.alphas_cumprod[t].double()).sqrt().view(-1, 1, 1, 1)
    x_t, velocity = scheduler.add_noise(x_0, noise, t), scheduler.get_velocity(x_0, noise, t)
    torch.testing.assert_close(x_t, a * x_0 + b * noise)
    torch.testing.assert_close(a * x_t - b * velocity, x_0)
    torch.testing.assert_close(b * x_t + a * velocity, noise)


@BOTH
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("t", [0, 1, 4, 8, 32, 999])
def test_noise_of_half_precision_has_its_full_scale(scheduler_class, dtype, t):
    scheduler, noise = scheduler_class(), images(dtype=dtype)
    noisy = scheduler.add_noise(torch.zeros_like(noise), noise, torch.tensor([t]))
    scale = noisy.double().std() / noise.double().std()
    expected = (1 - scheduler.alphas_cumprod[t].double()).sqrt()
    assert scale.item() == pytest.approx(expected.item(), rel=2e-3)  # mean of 96 roundings


@BOTH
@pytest.mark.parametrize("n_dims", [2, 3, 5])
def test_one_timestep_serves_a_batch_of_any_rank(scheduler_class, n_dims):
    scheduler, x = scheduler_class(), torch.ones(3, *[2] * (n_dims - 1))
    one = scheduler.add_noise(x, x, torch.tensor([7]))
    each = scheduler.add_noise(x, x, torch.tensor([7, 7, 7]))
    scalar = scheduler.add_noise(x, x, torch.tensor(7))
    assert torch.equal(one, each)
    assert torch.equal(one, scalar)


@BOTH
@pytest.mark.parametrize("method", ["add_noise", "get_velocity"])
@pytest.mark.parametrize(
    ("t", "kind", "text"),
    [
        ([0.5, 1.0], TypeError, "a tensor of int64, got torch.float32"),
        ([1, 2, 3], ValueError, "1 or 2 labels, got 3"),
        ([1, 1000], ValueError, r"in \[0, 1000\), got \[1000\]"),
        ([-1, 5], ValueError, r"in \[0, 1000\), got \[-1\]"),
    ],
)
def test_wrong_timesteps_of_the_forward_process_are_refused(scheduler_class, method, t, kind, text):
    x = images()
    with pytest.raises(kind, match=text):
        getattr(scheduler_class(), method)(x, x, torch.tensor(t))
