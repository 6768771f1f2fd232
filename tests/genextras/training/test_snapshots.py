"""Averages of other widths after a run equal those that were followed in it."""

import pytest
import torch

import genextras
from genextras.denoisers import MLPDenoiser
from genextras.training import blend, power_exponent, read_snapshots
from tests.genextras.networks import seeded
from tests.genextras.training.networks import cloud, points, quiet
from tests.oracles.genextras_training import power_average

FLOW = genextras.FlowMatchScheduler
N_STEPS = 40


def walk(folder, *cuts, **options):
    """Train, once in a go or with a resumption at each cut; the weights after each update."""
    seen = []
    for stop in (*cuts, N_STEPS):
        with seeded():
            model = MLPDenoiser(2, hidden_size=8, num_layers=1)
        trainer = quiet(model, FLOW(), folder=folder, snapshot_every=5, **options)
        step = trainer._loop._update

        def watched(loss, step=step, model=model):
            found = step(loss)
            seen.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
            return found

        trainer._loop._update = watched
        trainer.fit(cloud(), n_steps=stop, resume=stop != (*cuts, N_STEPS)[0])
    return trainer, seen


def test_snapshots_hold_the_averages_of_all_weights_so_far(tmp_path):
    _, seen = walk(tmp_path, 20)
    kept = read_snapshots(tmp_path)
    steps = [step for step in range(5, N_STEPS + 1, 5) for _ in range(2)]
    assert [each.step for each in kept] == steps
    for each in kept:  # brute force: the unrolled sum over the weights of every update
        found = torch.cat([part.flatten() for part in each.weights]).double()
        exponent = power_exponent(each.sigma_rel)
        columns = torch.stack(seen[: each.step]).double()
        expected = torch.tensor(power_average(columns.numpy(), exponent))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)  # float32 of 40 updates


def test_the_average_of_a_third_width_comes_near_what_was_followed(tmp_path):
    trainer, _ = walk(tmp_path, ema=0.08, learning_rate=1e-2)
    exact = trainer._loop.ema.shadow_params
    found = list(trainer.pipeline(weights=0.08).unet.parameters())
    other = list(trainer.model.parameters())

    def apart(weights):
        return sum((a - b).square().sum() for a, b in zip(weights, exact, strict=True)).sqrt()

    assert apart(found) < 0.1 * apart(other)
    by_hand = blend(read_snapshots(tmp_path), sigma_rel=0.08)
    assert all(torch.equal(a, b) for a, b in zip(found, by_hand, strict=True))
    trainer.save_pretrained(tmp_path / "pipe", weights=0.08)
    assert (tmp_path / "pipe" / "model_index.json").exists()


def test_a_resumed_run_keeps_what_the_unbroken_one_keeps(tmp_path):
    walk(tmp_path / "whole")
    walk(tmp_path / "parted", 15)
    pairs = (read_snapshots(tmp_path / name) for name in ("whole", "parted"))
    for a, b in zip(*pairs, strict=True):
        assert (a.step, a.sigma_rel) == (b.step, b.sigma_rel)
        assert all(torch.equal(x, y) for x, y in zip(a.weights, b.weights, strict=True))


def test_a_new_run_forgets_the_snapshots_of_an_old_one(tmp_path):
    options = {"folder": tmp_path, "snapshot_every": 2}
    quiet(points(), FLOW(), **options).fit(cloud(), n_steps=6)
    quiet(points(), FLOW(), **options).fit(cloud(), n_steps=2)
    assert {each.step for each in read_snapshots(tmp_path)} == {2}


def test_what_cannot_be_blended_is_refused(tmp_path):
    with pytest.raises(ValueError, match="folder must be given with snapshot_every"):
        quiet(points(), FLOW(), snapshot_every=2)
    with pytest.raises(ValueError, match="snapshot_every must be a whole number"):
        quiet(points(), FLOW(), snapshot_every=0, folder=tmp_path)
    trainer = quiet(points(), FLOW(), folder=tmp_path, snapshot_every=2)
    with pytest.raises(FileNotFoundError, match="folder must be one with snapshots"):
        trainer.pipeline(weights=0.1)
    trainer.fit(cloud(), n_steps=2)
    with pytest.raises(ValueError, match="sigma_rel must be a number"):
        trainer.pipeline(weights=0.5)
    with pytest.raises(ValueError, match="weights must be one of"):
        trainer.pipeline(weights="mean")
    with pytest.raises(ValueError, match="folder must be one of this network"):
        quiet(points(width=8), FLOW(), folder=tmp_path).pipeline(weights=0.1)
    with pytest.raises(ValueError, match="folder must be given for weights"):
        quiet(points(), FLOW()).pipeline(weights=0.1)
    next(tmp_path.glob("snapshot-*.pt")).write_bytes(b"no archive")
    with pytest.raises(ValueError, match="checkpoint must be readable"):
        read_snapshots(tmp_path)
