"""Schedulers with one fault each, and the check that must find it."""

import torch
from diffusers.schedulers.scheduling_utils import SchedulerMixin  # from_pretrained looks here

import genextras

__all__ = ["FAULTS", "SchedulerMixin"]


class Good(genextras.DDIMScheduler):
    """No fault."""


class Forgets(Good):
    """Has a clip range of its own."""

    def _start(self):
        self.register_to_config(clip_sample=True)
        super()._start()


class ReadsEarly(Good):
    """Keeps an option beside the config, which a folder does not bring back."""

    def _start(self):
        super()._start()
        self.register_to_config(steps_offset=self.config["steps_offset"] + 1)


class LoadsAnother(Good):
    """Comes back from a folder as another class."""

    @classmethod
    def from_pretrained(cls, *args, **kwargs):
        return Good.from_pretrained(*args, **kwargs)


class DropsForeign(Good):
    """Throws options of other schedulers away."""

    @classmethod
    def from_config(cls, config=None, **kwargs):
        own = {k: v for k, v in dict(config).items() if k in cls._get_init_keys(cls)}
        return super().from_config(own, **kwargs)


class NotFinite(Good):
    """Two options together give NaN."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        config = self.config
        if config["timestep_spacing"] == "trailing" and config["prediction_type"] == "sample":
            model_output = model_output / 0
        return super().step(model_output, timestep, sample, *args, **kwargs)


class OneTooMany(Good):
    """Asks the network once more than it was told."""

    def _choose(self, n_steps, timesteps, sigmas):
        return super()._choose(n_steps + 1, timesteps, sigmas)


class TurnsBack(Good):
    """Visits its first two levels in the wrong order."""

    def set_timesteps(self, *args, **kwargs):
        super().set_timesteps(*args, **kwargs)
        t = self.timesteps.clone()
        t[:2] = t[:2].flip(0)
        self.timesteps = t


class RisingSigmas(Good):
    """Lists sigmas from data to noise, unlike its timesteps."""

    @property
    def sigmas(self):
        return torch.linspace(0, 1, len(self.timesteps) + 1)


class WritesScaled(Good):
    """Scales the sample in place."""

    def scale_model_input(self, sample, timestep=None):
        return sample.mul_(1.0)[..., :].mul_(0.999)


class StaysHome(Good):
    """Leaves timesteps on the host."""

    def set_timesteps(self, num_inference_steps=None, device=None, *args, **kwargs):
        super().set_timesteps(num_inference_steps, None, *args, **kwargs)


class WrongWay(Good):
    """Reads labels from the other end."""

    def _scales(self, timesteps, sample):
        return super()._scales(len(self) - 1 - timesteps, sample)


class OneLabelForAll(Good):
    """Takes the first label for the whole batch."""

    def add_noise(self, original_samples, noise, timesteps):
        return super().add_noise(original_samples, noise, timesteps[:1])


class RoundsEarly(Good):
    """Rounds 1 - ᾱ before the square root, as diffusers does."""

    def add_noise(self, original_samples, noise, timesteps):
        share = self.alphas_cumprod[timesteps].to(original_samples.dtype).reshape(-1, 1)
        shape = (-1, *[1] * (original_samples.ndim - 1))
        a, b = share.sqrt().reshape(shape), (1 - share).sqrt().reshape(shape)
        return a * original_samples + b * noise


class FixedStride(Good):
    """Goes to t - T // n, whatever comes next."""

    def _arrivals(self, labels):
        return [max(label - len(self) // len(self._labels), -1) for label in labels]


class TooMuchNoise(Good):
    """Draws noise of two standard deviations."""

    def _noise(self, like, generator):
        return 2 * super()._noise(like, generator)


class LeavesNoise(Good):
    """Stops at the first label's level."""

    @property
    def final_alpha_cumprod(self):
        return torch.tensor(0.99)


class Widens(Good):
    """Gives float32 for halves."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        return super().step(model_output.float(), timestep, sample.float(), *args, **kwargs)


class WritesOutput(Good):
    """Bounds the network's output in place."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        return super().step(model_output.clamp_(-3, 3), timestep, sample, *args, **kwargs)


class OtherTuple(Good):
    """The tuple's first entry is the predicted data."""

    def step(self, *args, return_dict=True, **kwargs):
        made = super().step(*args, **kwargs)
        return made if return_dict else (made.pred_original_sample, made.prev_sample)


class GlobalNoise(Good):
    """Ignores the generator."""

    def _noise(self, like, generator):
        return super()._noise(like, None)


class FirstGenerator(Good):
    """Draws for the whole batch from the first generator of a list."""

    def _noise(self, like, generator):
        return super()._noise(like, generator[0] if isinstance(generator, list) else generator)


class Centres(Good):
    """Bounds by the batch's largest entry."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        scale = model_output.abs().amax().clamp(min=1)
        return super().step(model_output / scale, timestep, sample, *args, **kwargs)


class FirstLabel(Good):
    """Steps the whole batch from the first label."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        t = timestep.reshape(-1)[0] if isinstance(timestep, torch.Tensor) else timestep
        return super().step(model_output, t, sample, *args, **kwargs)


class Counts(Good):
    """Steps from where it is, not from the label."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        row = self._step_index if self._step_index is not None else self._begin_index or 0
        row = row if row < len(self.timesteps) else 0
        return super().step(model_output, self.timesteps[row], sample, *args, **kwargs)


class Remembers(Good):
    """Mixes in what the last run left."""

    left = 0.0

    def step(self, model_output, timestep, sample, *args, **kwargs):
        result = super().step(model_output + self.left, timestep, sample, *args, **kwargs)
        self.left = 0.01
        return result


class OnlyOnce(Good):
    """Fails in a second run."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        if self._step_index is not None and self._step_index >= len(self.timesteps):
            raise IndexError("index out of range")
        return super().step(model_output, timestep, sample, *args, **kwargs)


class ForgetsTheStart(Good):
    """Does not keep the row that a run starts with."""

    def set_begin_index(self, begin_index=0):
        super().set_begin_index(0)


class HidesNaN(Good):
    """Turns NaN into zero."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        return super().step(model_output.nan_to_num(), timestep, sample, *args, **kwargs)


class Waits(Good):
    """Asks the device whether all is well."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        if bool(model_output.isnan().any()):
            raise ValueError("Waits: model_output must be finite, got NaN. Train it again.")
        return super().step(model_output, timestep, sample, *args, **kwargs)


class Trusts(Good):
    """Checks no option."""

    def _check_config(self):
        if self.config["prediction_type"] not in {"epsilon", "sample", "v_prediction"}:
            self.register_to_config(prediction_type="epsilon")
        if self.config["beta_schedule"].endswith("x"):
            self.register_to_config(beta_schedule="linear")


class Reversible(Good):
    """Swaps a reversed range."""

    def _check_config(self):
        low, high = sorted((self.config["beta_start"], self.config["beta_end"]))
        self.register_to_config(beta_start=low, beta_end=high)
        super()._check_config()


class AnyCount(Good):
    """Takes at least one step."""

    def set_timesteps(self, num_inference_steps=None, *args, **kwargs):
        count = int(num_inference_steps) if num_inference_steps != "ten" else 10
        super().set_timesteps(max(count, 1), *args, **kwargs)


class Sorts(Good):
    """Sorts what was given."""

    def _descending(self, name, values):
        return super()._descending(name, sorted(values, reverse=True))


class BreaksBefore(Good):
    """Divides by the number of steps before there is one."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        scale = 1 / (self.num_inference_steps or 0)
        return super().step(model_output * scale, timestep, sample, *args, **kwargs)


class BreaksOffGrid(Good):
    """Looks a label up in a list."""

    def _off_grid(self, value, expected):
        return list(range(10))[int(value)]


class Stretches(Good):
    """Lets torch stretch the output."""

    def step(self, model_output, timestep, sample, *args, **kwargs):
        output = model_output.expand_as(sample)
        return super().step(output, timestep, sample, *args, **kwargs)


FAULTS = {
    Forgets: "check_constructor_keeps_each_option",
    ReadsEarly: "check_config_returns_from_a_folder",
    LoadsAnother: "check_a_pipeline_returns_it",
    DropsForeign: "check_foreign_options_survive",
    NotFinite: "check_all_pairs_of_options",
    OneTooMany: "check_timesteps_are_a_walk",
    TurnsBack: "check_timesteps_are_a_walk",
    RisingSigmas: "check_sigmas_fall",
    WritesScaled: "check_attributes_of_pipelines",
    StaysHome: "check_timesteps_follow_the_device",
    WrongWay: "check_add_noise_grows_with_the_level",
    OneLabelForAll: "check_add_noise_takes_a_label_a_sample",
    RoundsEarly: "check_add_noise_in_half_precision",
    FixedStride: "check_a_step_arrives_at_the_next_level",
    TooMuchNoise: "check_a_step_keeps_the_law",
    LeavesNoise: "check_the_last_step_gives_the_data",
    Widens: "check_dtypes_are_kept",
    WritesOutput: "check_nothing_handed_in_is_written",
    OtherTuple: "check_tuple_and_named_results_agree",
    GlobalNoise: "check_a_generator_decides",
    FirstGenerator: "check_each_sample_may_have_its_generator",
    Centres: "check_batch_mates_do_not_matter",
    FirstLabel: "check_each_sample_may_have_its_label",
    Counts: "check_the_same_arguments_give_the_same_step",
    Remembers: "check_a_second_run_starts_anew",
    OnlyOnce: "check_a_second_run_needs_no_new_timesteps",
    ForgetsTheStart: "check_runs_may_start_in_the_middle",
    HidesNaN: "check_a_broken_network_is_named",
    Waits: "check_a_run_reads_nothing_back",
    Trusts: "check_misspelt_choices_are_refused",
    Reversible: "check_reversed_ranges_are_refused",
    AnyCount: "check_impossible_counts_are_refused",
    Sorts: "check_unsorted_grids_are_refused",
    BreaksBefore: "check_a_step_before_set_timesteps",
    BreaksOffGrid: "check_a_label_off_the_grid",
    Stretches: "check_shapes_that_differ_are_refused",
}
