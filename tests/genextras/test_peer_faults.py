"""Faults of the peers: what theirs does, what ours does instead, and what ``compat`` brings back.

``compat="diffusers"`` brings back what a user may have tuned against: levels and noise. Errors,
NaN and noise that is lost are brought back by neither mode, and the tests of those run in both.
"""

import math

import diffusers
import numpy as np
import pytest
import torch
from diffusers.schedulers.deprecated import ScoreSdeVpScheduler

import genextras
from tests.oracles.genextras_gaussian import GaussianNetwork, run

# the host's own warning, of NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NETWORK = GaussianNetwork()
BOTH_MODES = pytest.mark.parametrize("compat", ["none", "diffusers"])


def images(seed=0, batch=2):
    return torch.randn(batch, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


@BOTH_MODES
@pytest.mark.parametrize("t", [0, 8])
def test_noise_in_bfloat16_is_not_lost(compat, t):
    """Theirs rounds 1 - ᾱ to bfloat16 before the root, where it is 0."""
    noise = images().bfloat16()
    ours, theirs = genextras.DDIMScheduler(compat=compat), diffusers.DDIMScheduler()
    lost, kept = (
        scheduler.add_noise(torch.zeros_like(noise), noise, torch.tensor([t]))
        for scheduler in (theirs, ours)
    )
    assert not lost.any()
    scale = kept.double().std() / noise.double().std()
    expected = (1 - ours.alphas_cumprod[t].double()).sqrt()
    assert scale.item() == pytest.approx(expected.item(), rel=2e-3)  # mean of 96 roundings


@BOTH_MODES
def test_own_levels_are_not_positions_on_a_ramp(compat):
    ours = genextras.EDMScheduler(solver="euler", compat=compat)
    theirs = diffusers.EDMEulerScheduler()
    ours.set_timesteps(sigmas=[10.0, 1.0, 0.1])
    theirs.set_timesteps(sigmas=torch.tensor([10.0, 1.0, 0.1]))
    np.testing.assert_allclose(ours.sigmas, [10, 1, 0.1, 0], rtol=1e-6)
    assert theirs.sigmas[0] < -1e7
    assert theirs.sigmas[2] == pytest.approx(45.3, rel=1e-2)


@BOTH_MODES
def test_edm_takes_networks_that_predict_the_data(compat):
    """Their multistep class documents "sample" and refuses it in its first step."""
    ours = genextras.EDMScheduler(
        solver="euler", prediction_type="sample", precondition=False, compat=compat
    )
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


@BOTH_MODES
def test_the_end_of_a_flow_is_shifted_once(compat):
    """Theirs shifts 0.001 when it is made and again in set_timesteps: 0.003, then 0.009."""
    ours = genextras.FlowMatchScheduler(shift=3.0, compat=compat)
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(10)
    assert theirs.sigmas[-2] == pytest.approx(0.00893, rel=1e-2)
    if compat == "diffusers":
        torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=1e-6, atol=0)
    else:
        even = 1 - np.arange(11) / 10
        np.testing.assert_allclose(ours.sigmas, 3 * even / (1 + 2 * even), rtol=1e-6)


START = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


@BOTH_MODES
def test_leading_starts_from_noise_where_data_are_not_gone(compat):
    """N(0, 1) is x at the last level of training alone, and "leading" starts below it.

    Pipelines draw that x, so the fault is the spacing's: a scheduler that is asked for "leading"
    shares it in both modes, as its labels are what the name means. The other spacings start at
    T - 1; with ``rescale_betas_zero_snr`` nothing is left there of the data.
    """
    network, bias, signal = GaussianNetwork(std=0.5, mean=2.0), {}, {}
    options = START | {"clip_sample": False, "compat": compat}
    cures = {
        "leading": {},
        "trailing": {"timestep_spacing": "trailing"},
        "zero": {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True},
    }
    for name, cure in cures.items():
        ours = genextras.DDIMScheduler(**options, **cure, prediction_type="v_prediction")
        ours.set_timesteps(10)
        signal[name] = ours.alphas_cumprod[ours.timesteps[0]].sqrt().item()
        x = images(7, 100).double()
        x = run(ours, network, "v_prediction", (x - x.mean()) / x.std())
        bias[name] = x.mean().item() - 2.0
    theirs = diffusers.DDIMScheduler(**START)
    theirs.set_timesteps(10)
    share = theirs.alphas_cumprod[theirs.timesteps[0]]
    assert share.sqrt() == pytest.approx(0.119, rel=1e-2)  # signal that N(0, 1) lacks
    assert ((1 - share) / share).sqrt() == pytest.approx(8.3, rel=1e-2)
    assert signal["leading"] == pytest.approx(share.sqrt().item(), rel=1e-6)
    assert signal["zero"] == 0 < signal["trailing"] < 0.6 * signal["leading"]
    assert abs(bias["zero"]) < abs(bias["trailing"]) < 0.7 * abs(bias["leading"])


@BOTH_MODES
def test_the_last_level_is_not_visited_twice(compat):
    options = {"final_sigmas_type": "sigma_min", "use_karras_sigmas": True}
    ours = genextras.MultistepScheduler(**options, compat=compat)
    theirs = diffusers.DPMSolverMultistepScheduler(**options)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(5)
    assert theirs.sigmas[-1] == pytest.approx(theirs.sigmas[-2].item(), rel=1e-6)
    if compat == "diffusers":
        torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=1e-5, atol=0)
    else:
        assert (ours.sigmas.diff() < 0).all()
        assert len(ours.timesteps) == len(theirs.timesteps) - 1


@BOTH_MODES
def test_a_run_can_be_repeated(compat):
    """Theirs counts on past its table: an IndexError from within, and stale slopes before it."""
    ours = genextras.MultistepScheduler(compat=compat)
    theirs = diffusers.DPMSolverMultistepScheduler()
    results = []
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(5)
    for _ in range(2):
        x = images()
        for t in ours.timesteps:
            x = ours.step(0.3 * x, t, x).prev_sample
        results.append(x)
    assert torch.equal(*results)
    for t in theirs.timesteps:
        theirs.step(0.3 * images(), t, images())
    with pytest.raises(IndexError):
        theirs.step(0.3 * images(), theirs.timesteps[0], images())


@BOTH_MODES
def test_levels_of_training_need_not_be_on_the_grid(compat):
    """EDM draws them from a log-normal law; theirs looks them up among its own 1001."""
    x, noise, sigmas = images(), images(1), torch.tensor([0.37, 5.1])
    labels = sigmas.log() / 4
    noisy = genextras.EDMScheduler(compat=compat).add_noise(x, noise, labels)
    expected = x + sigmas.view(2, 1, 1, 1) * noise
    torch.testing.assert_close(noisy, expected, rtol=1e-6, atol=1e-6)
    with pytest.raises(IndexError):
        diffusers.EDMEulerScheduler().add_noise(x, noise, labels)


@BOTH_MODES
def test_churn_is_noise_that_the_network_sees(compat):
    """Of one step with data known to be 0: x' = (σ'/σ̂) (x + √(σ̂² - σ²) z), and no more noise.

    Theirs asks the network at σ and adds the noise afterwards, so D of the raised x keeps the share
    c_skip of it. In ours z is added by the step before, and the level of the call is σ̂.
    """
    gamma, n_steps = 0.25, 10
    ours = genextras.EDMScheduler(solver="euler", s_churn=gamma * n_steps, compat=compat)
    theirs = diffusers.EDMEulerScheduler()
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(n_steps)
    zero, generator = GaussianNetwork(std=0.0, mean=0.0), torch.Generator().manual_seed(0)
    x = images(3, 400)
    spread = {}
    for name, scheduler, level in (
        ("ours", ours, ours._grid.b[8]),
        ("theirs", theirs, theirs.sigmas[8].item()),
    ):
        output = zero.output("edm", (level * x).double(), 1.0, level, 0.5).float()
        words = {"s_churn": gamma * n_steps} if name == "theirs" else {}
        scheduler.set_begin_index(8)
        step = scheduler.step(
            output, scheduler.timesteps[8], level * x, generator=generator, **words
        )
        spread[name] = step.prev_sample.std().item()
    raised = ours._grid.b[9].item()
    assert math.isclose(raised, (1 + gamma) * theirs.sigmas[9].item(), rel_tol=1e-5)
    assert spread["ours"] == pytest.approx(raised, rel=0.02)  # exactly the level of the next call
    assert spread["theirs"] > 1.05 * theirs.sigmas[9].item()  # that level, and noise on top


@BOTH_MODES
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("DDIMScheduler", "DDIMScheduler"),
        ("DDPMScheduler", "DDPMScheduler"),
        ("MultistepScheduler", "DPMSolverMultistepScheduler"),
    ],
)
def test_each_sample_may_stand_at_its_own_level(ours, theirs, compat):
    ours, theirs = getattr(genextras, ours)(compat=compat), getattr(diffusers, theirs)()
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
