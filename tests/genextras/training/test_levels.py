"""Samplers of noise levels have the laws that they name, over the scheduler's own levels."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import genextras
from genextras.training import LossHistory, Objective, TrainingPath, importance_warp, uniforms
from genextras.training.levels import LAWS, cut

N = 20_000


def sigmas(scheduler, **options):
    path = TrainingPath(scheduler)
    levels = Objective(**options).draw(path, N, generator=torch.Generator().manual_seed(0)).levels
    return (levels.b / levels.a).numpy(), levels, path


def test_log_normal_levels_have_their_mean_and_spread():
    found, _, _ = sigmas(genextras.EDMScheduler(), levels="log-normal")
    logs = np.log(found)
    assert abs(logs.mean() + 1.2) < 2e-3  # an even spread errs as 1/n; the cut ends weigh 1e-5
    assert abs(logs.std() - 1.2) < 2e-3
    assert stats.kstest((logs + 1.2) / 1.2, "norm").statistic < 1e-3


def test_logit_normal_times_of_a_flow():
    _, levels, _ = sigmas(genextras.FlowMatchScheduler(), levels="logit-normal", mean=0.5, std=0.7)
    times = levels.labels.numpy() / 1000
    assert stats.kstest((np.log(times / (1 - times)) - 0.5) / 0.7, "norm").statistic < 1e-3


def test_cosine_levels_are_those_of_the_cosine_schedule():
    found, _, path = sigmas(genextras.EDMScheduler(), levels="cosine")
    low, high = (math.atan(end) for end in path.ends)
    shares = (np.arctan(found) - low) / (high - low)
    assert stats.kstest(shares, "uniform").statistic < 1e-3


@pytest.mark.parametrize("name", LAWS)
@settings(max_examples=30, deadline=None)
@given(low=st.floats(0.01, 0.5), ratio=st.floats(1.5, 100), u=st.floats(0.001, 0.999))
def test_quantiles_invert_the_distribution_within_its_cut(name, low, ratio, u):
    mean, std, make = LAWS[name]
    law = cut(make(mean, std), low, low * ratio)
    value = law.quantile(torch.tensor([u], dtype=torch.float64))
    assert math.log(low) <= value.item() <= math.log(low * ratio)
    assert law.cdf(value).item() == pytest.approx(u, abs=1e-8)


def test_uniform_levels_of_ddpm_meet_each_label_alike():
    _, levels, _ = sigmas(genextras.DDPMScheduler(), levels="uniform")
    counts = np.bincount(levels.labels.long().numpy(), minlength=1000)
    assert counts.min() >= 19
    assert counts.max() <= 21


def test_whole_labels_stay_whole_and_others_do_not():
    for law in ("log-normal", "cosine"):
        labels = sigmas(genextras.DDIMScheduler(), levels=law)[1].labels
        assert torch.equal(labels, labels.round())
        assert labels.max() <= 999
    labels = sigmas(genextras.MultistepScheduler(), levels="log-normal")[1].labels
    assert not torch.equal(labels, labels.round())


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 300), seed=st.integers(0, 9999))
def test_an_even_spread_leaves_no_gap(n, seed):
    u = uniforms(n, generator=torch.Generator().manual_seed(seed))
    assert ((u >= 0) & (u < 1)).all()
    assert torch.diff(u.sort().values).sub(1 / n).abs().max().item() < 1e-12 if n > 1 else True


def test_an_even_spread_makes_the_mean_of_a_batch_vary_less():
    generator = torch.Generator().manual_seed(0)

    def spread(kind):
        means = [uniforms(16, spread=kind, generator=generator).square().mean() for _ in range(300)]
        return torch.stack(means).std().item()

    assert spread("even") < spread("independent") / 3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.05, 1.0), min_size=1, max_size=12))
def test_importance_keeps_means_without_bias(sizes):
    p = torch.tensor(sizes, dtype=torch.float64)
    p /= p.sum()
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    warped, weights, bins = importance_warp(u, p)
    assert ((warped >= 0) & (warped <= 1)).all()
    shares = torch.bincount(bins, minlength=len(p)) / len(u)
    torch.testing.assert_close(shares.double(), p, rtol=0, atol=2e-4)
    assert (weights * warped.square()).mean().item() == pytest.approx(1 / 3, abs=1e-3)


def test_levels_of_large_losses_are_drawn_more_often_once_all_were_seen():
    history = LossHistory(n_bins=4, n_kept=2, floor=0.0)
    assert history.probabilities().tolist() == [0.25] * 4
    bins = torch.arange(4)
    for _ in range(3):  # the oldest of three is forgotten
        history.record(bins, torch.tensor([3.0, 1.0, 1.0, 1.0]))
    assert history.probabilities().tolist() == pytest.approx([0.5, 1 / 6, 1 / 6, 1 / 6])
    objective = Objective(importance=True)
    path = TrainingPath(genextras.FlowMatchScheduler())
    draw = objective.draw(path, 1000, history=history, generator=torch.Generator().manual_seed(0))
    assert (draw.levels.labels < 250).double().mean().item() == pytest.approx(0.5, abs=0.01)
    assert (draw.importance * (draw.bins == 0)).mean().item() == pytest.approx(0.25, abs=0.01)
    again = LossHistory(n_bins=4, n_kept=2, floor=0.0)
    again.load_state_dict(history.state_dict())
    assert torch.equal(again.probabilities(), history.probabilities())
