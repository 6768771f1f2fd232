import pytest
import torch

from genextras import DDIMScheduler
from tests.oracles import genextras as oracles


def images(seed=0, n=2):
    return torch.randn(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def ready(n_steps=10, **options):
    scheduler = DDIMScheduler(**options)
    scheduler.set_timesteps(n_steps)
    return scheduler


def test_step_before_set_timesteps_is_refused():
    with pytest.raises(ValueError, match="Call set_timesteps"):
        DDIMScheduler().step(images(), 5, images())


@pytest.mark.parametrize("eta", [-0.1, 1.1, float("nan")])
def test_eta_outside_its_range_is_refused(eta):
    scheduler = ready()
    with pytest.raises(ValueError, match=r"eta must be in \[0, 1\]"):
        scheduler.step(images(), scheduler.timesteps[0], images(), eta=eta)


def test_two_sources_of_noise_are_refused():
    scheduler, x = ready(), images()
    noise = {"variance_noise": x, "generator": torch.Generator()}
    with pytest.raises(ValueError, match="None with variance_noise"):
        scheduler.step(x, scheduler.timesteps[0], x, eta=1.0, **noise)


def test_given_noise_is_the_noise_a_generator_draws():
    scheduler, x = ready(), images()
    t = scheduler.timesteps[3]
    drawn = scheduler.step(x, t, x, eta=0.7, generator=torch.Generator().manual_seed(5))
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(5))
    given = scheduler.step(x, t, x, eta=0.7, variance_noise=noise)
    assert torch.equal(drawn.prev_sample, given.prev_sample)


def test_without_eta_no_noise_is_drawn():
    scheduler, generator = ready(), torch.Generator().manual_seed(0)
    before = generator.get_state()
    scheduler.step(images(), scheduler.timesteps[0], images(), generator=generator)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(("set_alpha_to_one", "level"), [(True, 1.0), (False, 1 - 1e-4)])
def test_the_last_step_arrives_at_the_final_level(set_alpha_to_one, level):
    scheduler = ready(set_alpha_to_one=set_alpha_to_one, clip_sample=False)
    assert scheduler.final_alpha_cumprod.item() == pytest.approx(level, abs=1e-7)
    x, epsilon = images(), images(1)
    previous, data = scheduler.step(epsilon, 0, x, return_dict=False)
    expected = level**0.5 * data + (1 - level) ** 0.5 * epsilon
    torch.testing.assert_close(previous, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("n_steps", [7, 15, 61])
def test_a_perfect_network_of_one_datum_leads_to_it_through_every_level(spacing, n_steps):
    """x = √ᾱ x_0 + √(1 - ᾱ) ε stays on the path of its (x_0, ε) at each level evaluated."""
    scheduler = ready(n_steps, timestep_spacing=spacing, clip_sample=False)
    x_0, epsilon = images(), images(1)
    x = scheduler.add_noise(x_0, epsilon, scheduler.timesteps[:1])
    for t in scheduler.timesteps:
        torch.testing.assert_close(x, scheduler.add_noise(x_0, epsilon, t), rtol=0, atol=2e-4)
        x = scheduler.step(epsilon, t, x).prev_sample
    torch.testing.assert_close(x, x_0, rtol=0, atol=2e-4)  # 1/√ᾱ_T = 157 float32 roundings


def test_diffusers_mode_goes_one_stride_back():
    scheduler = ready(4, timestep_spacing="linspace", compat="diffusers")
    labels = scheduler.timesteps.tolist()
    assert [scheduler.previous_timestep(t) for t in labels] == [749, 416, 83, -1]


def test_bounded_data_turn_the_noise_only_if_asked():
    scheduler, x, epsilon = ready(), images(), 3 * images(1)
    t = int(scheduler.timesteps[2])
    alpha_bar, alpha_bar_prev = scheduler.alphas_cumprod[[t, t - 100]].double().tolist()
    for rederive in (False, True):
        previous, data = scheduler.step(
            epsilon, t, x, use_clipped_model_output=rederive, return_dict=False
        )
        again = (x - alpha_bar**0.5 * data) / (1 - alpha_bar) ** 0.5
        expected = oracles.ddim_mean(
            None, data, again if rederive else epsilon, alpha_bar_prev, sigma=0.0
        )
        torch.testing.assert_close(previous, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("pair", "variance"), [((420, 400), 0.1477), ((487, 486), 0.0098), ((0, 0), 0.0)]
)
def test_variance_between_two_timesteps_equals_bayes_rule(pair, variance):
    scheduler = DDIMScheduler()
    assert scheduler._get_variance(*pair).item() == pytest.approx(variance, abs=5e-5)
