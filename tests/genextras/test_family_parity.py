"""The rest of the family beside its peers: equal where they are right, both shown where not."""

import math

import diffusers
import numpy as np
import pytest
import torch

import genextras
from tests.oracles.genextras_gaussian import GaussianNetwork, edm_algorithm_2

# the host's own warning, of NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NETWORK = GaussianNetwork()
TOLERANCE = {"rtol": 0, "atol": 2e-5}


def images(seed=0, shape=(2, 3, 4, 4), dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def betas_level(scheduler, t):
    shares = scheduler.alphas_cumprod.double()
    sigmas = ((1 - shares) / shares).sqrt().numpy()
    sigma = float(np.interp(float(t), np.arange(len(sigmas)), sigmas))
    a = (1 + sigma**2) ** -0.5
    return a, sigma * a


def walk(scheduler, prediction, x, level, **options):
    """The same network for both, asked at the level that it reads from the label."""
    for t in scheduler.timesteps:
        output = NETWORK.output(prediction, x.double(), *level(scheduler, t)).to(x.dtype)
        x = scheduler.step(output, t, x, return_dict=False, **options)[0]
    return x


# --------------------------------------------------------------- multistep


@pytest.mark.parametrize("n_steps", [10, 20])
@pytest.mark.parametrize(
    "options",
    [
        {"solver_order": 1},
        {},
        {"solver_type": "heun"},
        {"solver_order": 3},
        {"algorithm_type": "sde-dpmsolver++"},
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 1},
        {"timestep_spacing": "trailing"},
        {"timestep_spacing": "leading", "steps_offset": 1},
        {"use_karras_sigmas": True},
        {"use_lu_lambdas": True},
        {"use_exponential_sigmas": True},
        {"use_beta_sigmas": True},
        {"final_sigmas_type": "sigma_min"},
        {"final_sigmas_type": "sigma_min", "use_lu_lambdas": True},  # whose last step goes nowhere
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 3},
        {"prediction_type": "v_prediction"},
        {"prediction_type": "sample"},
        {"thresholding": True},
        {"lower_order_final": False},
        {"euler_at_final": True},
    ],
)
def test_dpm_solvers_are_equal(options, n_steps):
    # the last step of the beta grid is from σ = 7.4 to 0.01: float32 rounding grows to 2e-5 there
    dtype = torch.float64 if "use_beta_sigmas" in options else torch.float32
    results = []
    for make, mode in (
        (diffusers.DPMSolverMultistepScheduler, {}),
        (genextras.MultistepScheduler, {"compat": "diffusers"}),
    ):
        scheduler = make(**options, **mode)
        scheduler.set_timesteps(n_steps)
        generator = torch.Generator().manual_seed(3)
        prediction = options.get("prediction_type", "epsilon")
        x = images(dtype=dtype)
        results.append(walk(scheduler, prediction, x, betas_level, generator=generator))
    torch.testing.assert_close(*results, **TOLERANCE)


@pytest.mark.parametrize("spacing", ["trailing", "linspace", "leading"])
@pytest.mark.parametrize("algorithm", ["dpmsolver++", "sde-dpmsolver++"])
def test_dpm_solvers_are_equal_where_the_last_level_holds_no_signal(spacing, algorithm):
    """diffusers gives it a little; the default leaves it out, for x there is all noise."""
    options = {"timestep_spacing": spacing, "algorithm_type": algorithm}
    options |= {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    results, grids = [], []
    for make, mode in (
        (diffusers.DPMSolverMultistepScheduler, {}),
        (genextras.MultistepScheduler, {"compat": "diffusers"}),
        (genextras.MultistepScheduler, {}),
    ):
        scheduler, generator = make(**options, **mode), torch.Generator().manual_seed(3)
        scheduler.set_timesteps(10)
        grids.append(scheduler.timesteps.tolist())
        x = images()  # theirs draws noise in float32
        for t in scheduler.timesteps:
            output = torch.tanh(x + float(t) / 1000)
            x = scheduler.step(output, t, x, return_dict=False, generator=generator)[0]
        results.append(x)
    assert grids[0] == grids[1]
    torch.testing.assert_close(*results[:2], rtol=0, atol=2e-4)  # float32 coefficients there
    assert results[2].isfinite().all()
    assert max(grids[2]) < 999


def test_order_one_is_euler():
    """EulerDiscrete walks in σ, ours at constant variance: x differs by its scale alone."""
    theirs = diffusers.EulerDiscreteScheduler(use_karras_sigmas=True)
    ours = genextras.MultistepScheduler.from_config(theirs.config, solver_order=1)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(20)
    x, y = images(), images() * theirs.init_noise_sigma
    y = images() * (1 + theirs.sigmas[0] ** 2).sqrt()
    for i in range(20):
        a, b = ours._grid.a[i], ours._grid.b[i]
        x_output, y_output = (NETWORK.output("epsilon", z, a, b) for z in (x, a * y))
        x = ours.step(x_output, ours.timesteps[i], x).prev_sample
        y = theirs.step(y_output, theirs.timesteps[i], y).prev_sample
    torch.testing.assert_close(x, y, **TOLERANCE)


def test_labels_between_whole_numbers_show_the_network_its_own_level():
    """diffusers rounds them: up to a fifth of σ at 100 steps, and labels come twice."""
    errors, labels = {}, {}
    for mode in ("none", "diffusers"):
        scheduler = genextras.MultistepScheduler(use_karras_sigmas=True, compat=mode)
        scheduler.set_timesteps(100)
        seen = scheduler._sigmas_at(scheduler.timesteps.numpy())
        errors[mode] = np.abs(seen / scheduler.sigmas[:-1].numpy() - 1).max()
        labels[mode] = scheduler.timesteps.tolist()
    peer = diffusers.DPMSolverMultistepScheduler(use_karras_sigmas=True)
    peer.set_timesteps(100)
    assert labels["diffusers"] == peer.timesteps.tolist()
    assert errors["none"] < 1e-4
    assert errors["diffusers"] > 0.1
    assert len(set(labels["none"])) == 100 > len(set(labels["diffusers"]))


def test_a_second_pass_needs_no_second_set_timesteps():
    ours = genextras.MultistepScheduler()
    theirs = diffusers.DPMSolverMultistepScheduler()
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(5)
    first = walk(ours, "epsilon", images(), betas_level)
    assert torch.equal(walk(ours, "epsilon", images(), betas_level), first)
    walk(theirs, "epsilon", images(), betas_level)
    with pytest.raises(IndexError):
        walk(theirs, "epsilon", images(), betas_level)


def test_no_call_is_wasted_on_the_level_where_it_stands():
    ours = genextras.MultistepScheduler(final_sigmas_type="sigma_min", use_karras_sigmas=True)
    ours.set_timesteps(5)
    peer = diffusers.DPMSolverMultistepScheduler(
        final_sigmas_type="sigma_min", use_karras_sigmas=True
    )
    peer.set_timesteps(5)
    assert (ours.sigmas.diff() < 0).all()
    assert peer.sigmas[-1] == pytest.approx(peer.sigmas[-2].item(), rel=1e-6)


# --------------------------------------------------------------- EDM


@pytest.mark.parametrize("schedule", ["karras", "exponential"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_edm_euler_is_equal(schedule, prediction):
    options = {"sigma_schedule": schedule, "prediction_type": prediction}
    theirs = diffusers.EDMEulerScheduler(**options)
    ours = genextras.EDMScheduler(solver="euler", compat="diffusers", **options)
    word = {"epsilon": "edm", "v_prediction": "edm_negative"}[prediction]
    results = []
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(18)
        x = images() * scheduler.init_noise_sigma
        for t, sigma in zip(scheduler.timesteps, scheduler.sigmas.tolist(), strict=False):
            output = NETWORK.output(word, x.double(), 1.0, sigma, 0.5).float()
            results.append(scheduler.scale_model_input(x, t))
            x = scheduler.step(output, t, x).prev_sample
        results.append(x)
    n = len(results) // 2
    torch.testing.assert_close(results[:n], results[n:], **TOLERANCE)


@pytest.mark.parametrize("churn", [0.0, 5.0, 40.0])
def test_edm_with_churn_is_algorithm_2(churn, monkeypatch):
    """The noise of step i is drawn at the end of row i - 1, so that the network sees it."""
    n, shape = 18, (8, 2)
    draws = [images(i + 1, shape, torch.float64) for i in range(n)]
    options = {"s_churn": churn, "s_tmin": 0.05, "s_tmax": 50.0, "s_noise": 1.003}
    scheduler = genextras.EDMScheduler(**options)
    scheduler.set_timesteps(n)
    plain = (80 ** (1 / 7) + np.arange(n) / (n - 1) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    start = 80.0 * images(0, shape, torch.float64)
    expected = edm_algorithm_2(
        lambda x, sigma: NETWORK.data(x, 1.0, sigma),
        start,
        [*plain, 0.0],
        churn=churn,
        low=0.05,
        high=50.0,
        scale=1.003,
        draw=lambda i: draws[i],
    )
    used = iter([draws[i] for i in range(n) if churn and 0.05 <= plain[i] <= 50])
    monkeypatch.setattr(scheduler, "_noise", lambda like, generator: next(used))
    x, (_, levels) = start, scheduler._rows_levels()
    for t, sigma in zip(scheduler.timesteps, levels, strict=True):
        x = scheduler.step(NETWORK.output("edm", x, 1.0, sigma, 0.5), t, x).prev_sample
    assert next(used, None) is None
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-7)


def test_churn_keeps_the_variance_that_diffusers_raises():
    """Data N(0, 0.05²), 100 Euler steps: noise after the network was asked stays in the result."""
    data, gamma, spread = GaussianNetwork(std=0.05, mean=0.0), 0.25, {}
    for label in ("without", "ours", "diffusers"):
        if label == "diffusers":
            scheduler = diffusers.EDMEulerScheduler()
        else:
            scheduler = genextras.EDMScheduler(
                solver="euler", s_churn=100 * gamma if label == "ours" else 0.0
            )
        scheduler.set_timesteps(100)
        generator = torch.Generator().manual_seed(0)
        x = images(5, (20_000, 1)) * scheduler.init_noise_sigma
        options = {"s_churn": 100 * gamma} if label == "diffusers" else {}
        levels = scheduler.sigmas.tolist()
        if label != "diffusers":
            levels = scheduler._grid.b.tolist()
        for t, sigma in zip(scheduler.timesteps, levels, strict=False):
            output = data.output("edm", x.double(), 1.0, sigma, 0.5).float()
            x = scheduler.step(output, t, x, generator=generator, **options).prev_sample
        spread[label] = x.std().item() / 0.05
    assert spread["diffusers"] > 1.05  # over-dispersed
    assert 0.85 < spread["ours"] < 1.0  # as Euler's own error leaves it
    assert spread["without"] == pytest.approx(0.96, abs=0.03)


def test_own_sigmas_are_sigmas():
    ours, theirs = genextras.EDMScheduler(solver="euler"), diffusers.EDMEulerScheduler()
    ours.set_timesteps(sigmas=[10.0, 1.0, 0.1])
    theirs.set_timesteps(sigmas=torch.tensor([10.0, 1.0, 0.1]))
    np.testing.assert_allclose(ours.sigmas, [10, 1, 0.1, 0], rtol=1e-6)
    assert theirs.sigmas[0] < -1e6


def test_any_level_can_be_diffused_to():
    """EDM draws training levels from a log-normal law; diffusers knows only its own grid."""
    x, noise = images(), images(1)
    labels = torch.tensor([math.log(0.37) / 4, math.log(5.1) / 4])
    noisy = genextras.EDMScheduler().add_noise(x, noise, labels)
    scale = torch.tensor([0.37, 5.1]).view(2, 1, 1, 1)
    torch.testing.assert_close(noisy, x + scale * noise, rtol=1e-6, atol=1e-6)
    peer = diffusers.EDMEulerScheduler()
    with pytest.raises(IndexError):
        peer.add_noise(x, noise, labels)


def test_every_prediction_leads_to_the_same_samples():
    results = []
    for prediction in ("epsilon", "sample", "v_prediction", "flow_prediction", "score", "edm"):
        scheduler = genextras.EDMScheduler(prediction_type=prediction, precondition=False)
        scheduler.set_timesteps(10)
        x, (a, b) = 80 * images(dtype=torch.float64), scheduler._rows_levels()
        for i, t in enumerate(scheduler.timesteps):
            output = NETWORK.output(prediction, x, a[i], b[i], 0.5)
            x = scheduler.step(output, t, x).prev_sample
        results.append(x)
    for each in results[1:]:
        torch.testing.assert_close(each, results[0], rtol=0, atol=1e-9)


# --------------------------------------------------------------- flow


@pytest.mark.parametrize("own", [{}, {"sigmas": np.linspace(1, 0.1, 10)}])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shift": 3.0},
        {"use_dynamic_shifting": True},
        {"use_dynamic_shifting": True, "time_shift_type": "linear"},
        {"shift_terminal": 0.1},
        {"use_karras_sigmas": True},
        {"use_exponential_sigmas": True},
        {"use_beta_sigmas": True},
    ],
)
def test_flow_euler_is_equal(options, own):
    mu = {"mu": 1.2} if options.get("use_dynamic_shifting") else {}
    results = []
    for scheduler in (
        genextras.FlowMatchScheduler(compat="diffusers", **options),
        diffusers.FlowMatchEulerDiscreteScheduler(**options),
    ):
        scheduler.set_timesteps(**(own or {"num_inference_steps": 10}), **mu)
        path = walk(scheduler, "flow_prediction", images(), flow_level)
        results.append((path, scheduler.timesteps, scheduler.sigmas))
    torch.testing.assert_close(*(r[0] for r in results), **TOLERANCE)
    torch.testing.assert_close(*(r[1] for r in results), rtol=0, atol=2e-4)
    torch.testing.assert_close(*(r[2] for r in results), rtol=0, atol=2e-7)


def test_a_flow_may_tell_its_network_other_times():
    """CogView4 shifts its levels, and shows the network the times before the shift."""
    results, told = [], [1000.0, 600.0, 200.0]
    for scheduler in (
        genextras.FlowMatchScheduler(shift=3.0),
        diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    ):
        scheduler.set_timesteps(3, sigmas=[1.0, 0.6, 0.2], timesteps=told)
        assert scheduler.timesteps.tolist() == told
        results.append(walk(scheduler, "flow_prediction", images(), flow_level))
    torch.testing.assert_close(*results, **TOLERANCE)


def flow_level(scheduler, t):
    return 1 - float(t) / 1000, float(t) / 1000


def test_flow_heun_is_equal():
    results = []
    for scheduler in (
        genextras.FlowMatchScheduler(solver="heun", compat="diffusers"),
        diffusers.FlowMatchHeunDiscreteScheduler(),
    ):
        scheduler.set_timesteps(10)
        results.append(walk(scheduler, "flow_prediction", images(), flow_level))
    torch.testing.assert_close(*results, **TOLERANCE)


def test_the_shift_is_applied_once_and_no_call_is_wasted():
    ours = genextras.FlowMatchScheduler(shift=3.0)
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(10)
    even = 1 - np.arange(10) / 10
    np.testing.assert_allclose(ours.sigmas[:-1], 3 * even / (1 + 2 * even), rtol=1e-6)
    once, twice = 0.003 / 1.002, 0.0089
    assert theirs.sigmas[-2].item() == pytest.approx(twice, rel=0.01)
    assert theirs.sigma_min == pytest.approx(once, rel=0.01)


# --------------------------------------------------------------- inversion


@pytest.mark.parametrize("options", [{}, {"clip_sample": False, "timestep_spacing": "trailing"}])
def test_inversion_is_equal_for_epsilon(options):
    results = []
    for scheduler in (
        genextras.DDIMInverseScheduler(compat="diffusers", **options),
        diffusers.DDIMInverseScheduler(**options),
    ):
        scheduler.set_timesteps(10)
        results.append(walk(scheduler, "epsilon", images(), betas_level))
    torch.testing.assert_close(*results, **TOLERANCE)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "flow_prediction", "score"])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_inversion_undoes_each_step(prediction, spacing):
    """With the outputs that DDIM saw, data go back to the noise they came from."""
    options = {"clip_sample": False, "timestep_spacing": spacing, "prediction_type": prediction}
    forward, back = genextras.DDIMScheduler(**options), genextras.DDIMInverseScheduler(**options)
    for scheduler in (forward, back):
        scheduler.set_timesteps(15)
    x = start = images(dtype=torch.float64)
    outputs = []
    for t in forward.timesteps:
        a, b = (each.item() for each in forward._levels(t[None].double()))
        outputs.append(NETWORK.output(prediction, x, a, b))
        x = forward.step(outputs[-1], t, x).prev_sample
    for t, output in zip(back.timesteps, reversed(outputs), strict=True):
        x = back.step(output, t, x).prev_sample
    torch.testing.assert_close(x, start, rtol=0, atol=1e-9)
    if prediction == "v_prediction" and spacing == "leading":
        peer = diffusers.DDIMInverseScheduler(clip_sample=False, prediction_type=prediction)
        peer.set_timesteps(15)
        y = x_0 = forward.step(outputs[-1], forward.timesteps[-1], start).prev_sample
        y = peer.step(outputs[-1], peer.timesteps[0], x_0).prev_sample
        assert (y - start).abs().max() > 1e-4


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_inverted_flows_equal_the_peer_and_diffuse_data_to_their_labels(shift):
    """The peer's own scale_noise gives data where its labels say noise."""
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift, invert_sigmas=True)
    ours = genextras.FlowMatchScheduler.from_config(theirs.config)
    levels = 1 - np.linspace(0, 0.9, 6) ** 1.5
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(sigmas=levels)
    torch.testing.assert_close(ours.timesteps, theirs.timesteps, rtol=1e-6, atol=1e-3)
    torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=1e-6, atol=1e-6)
    generator = torch.Generator().manual_seed(0)
    data, noise = torch.randn(2, 3, 4, generator=generator)
    mine = peer = noise
    for t, their_t in zip(ours.timesteps, theirs.timesteps, strict=True):
        mine = ours.step(mine.tanh() + t / 1000, t, mine).prev_sample
        peer = theirs.step(peer.tanh() + their_t / 1000, their_t, peer).prev_sample
    torch.testing.assert_close(mine, peer, rtol=1e-5, atol=1e-5)
    share = ours.sigmas[2]  # of data
    noised = ours.scale_noise(data, ours.timesteps[2:3], noise)
    torch.testing.assert_close(noised, share * data + (1 - share) * noise, rtol=1e-5, atol=1e-5)
    ours.set_timesteps(1)
    ended = ours.step(data - noise, ours.timesteps[0], noise)
    torch.testing.assert_close(ended.prev_sample, data, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ended.pred_original_sample, data, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tokens_with_times_of_their_own_step_as_the_peers_do(dtype):
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=2.0)
    ours = genextras.FlowMatchScheduler.from_config(theirs.config, compat="diffusers")
    generator = torch.Generator().manual_seed(0)
    output, sample = torch.randn(2, 2, 7, 3, generator=generator).to(dtype)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(5)
    for t, their_t in zip(ours.timesteps, theirs.timesteps, strict=True):
        own = torch.tensor([[0.0, 100, 333, 500, 900, 1000, 1000], [1000.0] * 7]).minimum(t)
        expected = theirs.step(output, their_t, sample, per_token_timesteps=own).prev_sample
        found = ours.step(output, t, sample, per_token_timesteps=own)
        torch.testing.assert_close(found.prev_sample, expected, rtol=1e-5, atol=1e-5)
        assert ours.step_index == theirs.step_index
        pair = ours.step(output, t, sample, return_dict=False, per_token_timesteps=own)
        assert torch.equal(pair[0], found.prev_sample)
        clean = sample.float() + own[..., None] / 1000 * output.float()  # output is the negative
        torch.testing.assert_close(pair[1], clean, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("option", [{"solver": "heun"}, {"stochastic_sampling": True}])
def test_tokens_with_times_of_their_own_want_plain_steps(option):
    scheduler, x = genextras.FlowMatchScheduler(**option), torch.zeros(1, 2, 3)
    scheduler.set_timesteps(4)
    with pytest.raises(ValueError, match="per_token_timesteps must be None but with solver"):
        scheduler.step(x, 1000.0, x, per_token_timesteps=torch.zeros(1, 2))


@pytest.mark.parametrize("shape", [(1,), (1, 3), (2,), (1, 2, 3)])
def test_there_is_one_time_for_each_token(shape):
    scheduler, x = genextras.FlowMatchScheduler(), torch.zeros(1, 2, 3)
    scheduler.set_timesteps(4)
    with pytest.raises(ValueError, match=r"per_token_timesteps must be of shape \(B, T\)"):
        scheduler.step(x, 1000.0, x, per_token_timesteps=torch.zeros(shape))
    with pytest.raises(ValueError, match="model_output must"):
        scheduler.step(x[:, :1], 1000.0, x, per_token_timesteps=torch.zeros(1, 2))
