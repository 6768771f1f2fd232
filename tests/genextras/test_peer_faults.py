"""Faults of the peers that no other file shows: what theirs does, and what ours does instead."""

import diffusers
import pytest
import torch
from diffusers.schedulers.deprecated import ScoreSdeVpScheduler

import genextras
from tests.oracles.genextras_gaussian import GaussianNetwork

# the host's own warning, of NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NETWORK = GaussianNetwork()


def images(seed=0, batch=2):
    return torch.randn(batch, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_edm_takes_networks_that_predict_the_data():
    """Their multistep class documents "sample" and refuses it in its first step."""
    ours = genextras.EDMScheduler(solver="euler", prediction_type="sample", precondition=False)
    theirs = diffusers.EDMDPMSolverMultistepScheduler(prediction_type="sample")
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(5)
    x, t = 80 * images(), ours.timesteps[-1]
    assert torch.equal(ours.step(images(1), t, x, return_dict=False)[0], images(1))
    with pytest.raises(ValueError, match="sample is not supported"):
        theirs.step(images(1), theirs.timesteps[0], x)


def test_a_sample_does_not_depend_on_its_neighbours_in_the_batch():
    """The step size of their corrector holds norms averaged over the batch."""
    pair, other = images(0), images(0)
    other[1] *= 5  # another neighbour of the same first sample
    moved = {}
    for make in (diffusers.ScoreSdeVeScheduler, genextras.SDEScheduler):
        firsts = []
        for x in (pair, other):
            scheduler = make(sigma_min=0.01, sigma_max=50.0)
            generator = torch.Generator().manual_seed(1)
            if make is genextras.SDEScheduler:
                scheduler.register_to_config(sde="ve", n_corrector_steps=1)
                scheduler.set_timesteps(10)
                t = scheduler.timesteps[0]
                made = scheduler.step(-x, t, x, generator=generator).prev_sample
            else:
                scheduler.set_timesteps(10)
                scheduler.set_sigmas(10)
                made = scheduler.step_correct(-x, x, generator=generator).prev_sample
            firsts.append(made[0])
        moved[make] = (firsts[0] - firsts[1]).abs().max().item()
    assert moved[genextras.SDEScheduler] == 0
    assert moved[diffusers.ScoreSdeVeScheduler] > 1e-3


def test_the_vp_equation_can_be_used_in_a_pipeline():
    """Theirs has nothing of what a pipeline calls, and leaves noise of 0.01 in the result."""
    theirs = ScoreSdeVpScheduler()
    needs = ("step", "add_noise", "init_noise_sigma", "scale_model_input")
    assert not any(hasattr(theirs, name) for name in needs)
    ours = genextras.SDEScheduler(sde="vp")
    assert all(hasattr(ours, name) for name in needs)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(10)
    x, a, b = images(), *ours._rows_levels()
    last = NETWORK.output("score", x, a[-1], b[-1])
    data = NETWORK.data(x, a[-1], b[-1])
    made = ours.step(last, ours.timesteps[-1], x, return_dict=False)[0]
    torch.testing.assert_close(made, data, rtol=0, atol=1e-5)
    stride = 1 / len(theirs.timesteps)  # what their step takes for dt
    spacing = (theirs.timesteps[0] - theirs.timesteps[1]).item()
    assert abs(stride / spacing - 1) > 0.09


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("DDIMScheduler", "DDIMScheduler"),
        ("DDPMScheduler", "DDPMScheduler"),
        ("MultistepScheduler", "DPMSolverMultistepScheduler"),
    ],
)
def test_each_sample_may_stand_at_its_own_level(ours, theirs):
    ours, theirs = getattr(genextras, ours)(), getattr(diffusers, theirs)()
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(10)
    x, t = images(), ours.timesteps[[1, 4]]
    assert ours.step(0.3 * x, t, x).prev_sample.isfinite().all()
    with pytest.raises(RuntimeError):
        theirs.step(0.3 * x, theirs.timesteps[[1, 4]], x)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="asks a GPU whether the host waits")
@pytest.mark.parametrize("name", [n for n in genextras.__all__ if n.endswith("Scheduler")])
def test_a_loop_on_a_gpu_never_waits(name):
    scheduler = getattr(genextras, name)()
    scheduler.set_timesteps(50, device="cuda")
    x = images().to("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        for t in scheduler.timesteps:
            x = scheduler.step(0.3 * scheduler.scale_model_input(x, t), t, x, return_dict=False)[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_levels_of_a_rectified_grid_are_levels_of_training():
    """Below label 0 a network knows no level: it would be told a higher one than the step takes."""
    scheduler = genextras.MultistepScheduler(timestep_spacing="rectified", kappa=2.0)
    for n_steps in (5, 50, 200):
        scheduler.set_timesteps(n_steps)
        a, b = scheduler._levels(scheduler.timesteps.double())
        sigmas = scheduler.sigmas[:-1].double()
        torch.testing.assert_close(b / a, sigmas, rtol=1e-4, atol=0)  # labels are float32
        assert (sigmas.diff() < 0).all()
