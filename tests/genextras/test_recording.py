"""What a watched run says: the step that was not finite, x on the way, and a picture of it."""

import diffusers
import pytest
import torch
from matplotlib.figure import Figure

import genextras
from genextras.recording import TrajectoryDisplay, listening

SCHEDULERS = [
    genextras.DDIMScheduler,
    genextras.EDMScheduler,
    genextras.MultistepScheduler,
    diffusers.DDIMScheduler,
    diffusers.FlowMatchEulerDiscreteScheduler,
]
EVERY = pytest.mark.parametrize("scheduler_class", SCHEDULERS)


def images(*shape):
    return torch.randn(shape or (2, 3, 8, 8), generator=torch.Generator().manual_seed(0))


def ready(scheduler_class, n_steps=6):
    scheduler = scheduler_class()
    scheduler.set_timesteps(n_steps)
    return scheduler


def run(scheduler, x, broken=None, return_dict=False):
    kept = [x]
    for i, t in enumerate(scheduler.timesteps):
        output = 0.3 * x
        if i == broken:
            output = output.clone()
            output[0, 0, 0, 0] = torch.inf
        x = scheduler.step(output, t, x, return_dict=return_dict)[0]
        kept.append(x)
    return kept


@EVERY
@pytest.mark.parametrize("broken", [0, 3])
def test_the_step_that_broke_is_named(scheduler_class, broken):
    scheduler = ready(scheduler_class)
    t = scheduler.timesteps[broken].item()
    text = (
        rf"{scheduler_class.__name__}: model_output must be finite, got NaN or infinity at step "
        rf"{broken} \(timestep {t}\) of {len(scheduler.timesteps)}. Check"
    )
    with pytest.raises(ValueError, match=text), genextras.check_finite(scheduler):
        run(scheduler, images(), broken)


@EVERY
def test_a_finite_run_is_left_as_it_is(scheduler_class):
    expected = run(ready(scheduler_class), images())[-1]
    scheduler = ready(scheduler_class)
    with genextras.check_finite(scheduler):
        made = run(scheduler, images())[-1]
    assert torch.equal(made, expected)


def test_an_empty_block_says_nothing_and_an_error_inside_is_not_covered_up():
    scheduler = ready(genextras.DDIMScheduler)
    with genextras.check_finite(scheduler):
        pass

    def fails():
        with genextras.check_finite(scheduler):
            run(scheduler, images(), broken=0)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fails()
    assert "step" not in vars(scheduler)


def test_a_watch_ends_with_its_block_and_watches_may_be_nested():
    scheduler = ready(genextras.DDIMScheduler)
    with genextras.trajectory(scheduler) as outer:
        with genextras.trajectory(scheduler) as inner:
            run(scheduler, images())
        run(scheduler, images())
    run(scheduler, images())
    assert (len(inner.samples), len(outer.timesteps)) == (7, 12)


def test_a_listener_hears_every_call_in_any_form():
    scheduler, heard = ready(genextras.DDIMScheduler), []
    with listening(scheduler, lambda *each: heard.append(each)):
        x, t = images(), scheduler.timesteps[0]
        scheduler.step(x, t, x)
        scheduler.step(model_output=x, timestep=t, sample=x, eta=0.5)
    assert [each[2] is x for each in heard] == [True, True]


@EVERY
@pytest.mark.parametrize("return_dict", [True, False])
def test_a_trajectory_is_the_run(scheduler_class, return_dict):
    scheduler = ready(scheduler_class)
    with genextras.trajectory(scheduler) as path:
        kept = run(scheduler, images(), return_dict=return_dict)
    assert path.timesteps == scheduler.timesteps.tolist()
    assert len(path.samples) == len(kept)
    assert all(torch.equal(a, b) for a, b in zip(path.samples, kept, strict=True))
    if scheduler_class.__module__.startswith("genextras"):
        assert len(path.predictions) == len(path.timesteps)


def test_what_is_kept_survives_writing_into_the_sample():
    scheduler, x = ready(genextras.DDIMScheduler), images()
    copy = x.clone()
    with genextras.trajectory(scheduler) as path:
        scheduler.step(0.3 * x, scheduler.timesteps[0], x)
        x.zero_()
    assert torch.equal(path.samples[0], copy)


def pictured(shape, **options):
    scheduler = ready(genextras.DDIMScheduler, 10)
    with genextras.trajectory(scheduler) as path:
        run(scheduler, images(*shape))
    return path, path.plot(**options)


def test_images_are_drawn_in_two_rows():
    path, display = pictured((2, 3, 8, 8), n_columns=4, i=1)
    assert display is path
    assert [len(ax.images) for ax in display.axes_] == [1] * 8
    assert [ax.get_title() for ax in display.axes_[:4]] == ["900", "600", "200", "end"]
    shown = torch.from_numpy(display.axes_[3].images[0].get_array().data).permute(2, 0, 1)
    last = path.samples[-1][1]
    torch.testing.assert_close(shown, (last - last.min()) / (last.max() - last.min()))


def test_other_data_are_drawn_as_lines(tmp_path):
    path, display = pictured((5, 2))
    (ax,) = display.axes_
    assert len(ax.lines) == 10
    drawn = torch.tensor([line.get_ydata()[-1] for line in ax.lines])
    torch.testing.assert_close(drawn, path.samples[-1].flatten())
    display.figure_.savefig(tmp_path / "path.png", dpi=40)
    assert (tmp_path / "path.png").stat().st_size > 1000


def test_a_figure_may_be_given_and_short_runs_show_each_step_once():
    figure = Figure()
    scheduler = ready(genextras.DDIMScheduler, 2)
    with genextras.trajectory(scheduler) as path:
        run(scheduler, images(1, 1, 8, 8))
    assert path.plot(figure=figure).figure_ is figure
    assert len(path.axes_) == 2 * 3
    flat = TrajectoryDisplay([0.0], [torch.zeros(1, 1, 2, 2)] * 2, [])
    assert len(flat.plot().axes_) == 2  # one row, and no division by a range of 0


def test_nothing_to_draw_is_said():
    with genextras.trajectory(ready(genextras.DDIMScheduler)) as path:
        pass
    with pytest.raises(ValueError, match=r"^TrajectoryDisplay: samples must be there, got \[\]"):
        path.plot()
    for wrong, kind in ((1, ValueError), (2.5, TypeError)):
        with pytest.raises(kind, match="n_columns must be a whole number"):
            path.plot(n_columns=wrong)
