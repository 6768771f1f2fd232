"""Checks of ``learn``: counts, callbacks, schedules, interruptions, logs."""

import io
import itertools

from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.logger import Logger

from rlextras.testing.probes import Record, Spy
from rlextras.testing.subject import N_STEPS, Subject, expect, optimizers_of, same

LOGGED = (
    *("rollout/ep_rew_mean", "rollout/ep_len_mean"),
    *("time/fps", "time/total_timesteps", "train/n_updates"),
)
LOCALS = {"rewards", "dones", "infos"}
STOP_AT = 5


def check_learn_counts_steps(subject: Subject) -> None:
    """``learn`` returns the model, counts the steps of all environments, and goes on if asked.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model = subject.make()
    expect(model.learn(N_STEPS) is model, "learn must return the model itself")
    n_first = model.num_timesteps
    expect(N_STEPS <= n_first < 2 * N_STEPS, f"learn({N_STEPS}) counted {n_first} steps")
    model.learn(N_STEPS, reset_num_timesteps=False)
    expect(model.num_timesteps >= n_first + N_STEPS, "reset_num_timesteps=False must count on")
    model.learn(N_STEPS)
    expect(model.num_timesteps == n_first, "reset_num_timesteps=True must count anew")


def check_callbacks_are_called(subject: Subject) -> None:
    """Callbacks hear of training, rollouts and every step, in order, with the step's outcome.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    spy = Spy()
    model = subject.make()
    model.learn(N_STEPS, callback=spy)
    expect(spy.events[:2] == ["training starts", "rollout starts"], f"began {spy.events[:2]}")
    expect(spy.events[-1] == "training ends", f"the last call was {spy.events[-1]!r}")
    n_starts, n_ends = (spy.events.count(f"rollout {each}") for each in ("starts", "ends"))
    expect(n_starts == n_ends, f"{n_starts} rollouts started, {n_ends} ended")
    steps = [(k + 1) * model.n_envs for k in range(len(spy.counts))]
    expect(spy.counts == steps, f"num_timesteps went {spy.counts[:4]}..., not {steps[:4]}...")
    expect(spy.counts[-1] == model.num_timesteps, "a step was not shown to the callback")
    expect(spy.names >= LOCALS, f"locals must hold {sorted(LOCALS)}, hold {sorted(spy.names)}")


def check_callbacks_stop_training(subject: Subject) -> None:
    """A callback that returns False stops at that very step.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model, spy = subject.make(), Spy(stop_at=STOP_AT)
    model.learn(10 * N_STEPS, callback=spy)
    n_steps = STOP_AT * model.n_envs
    expect(
        model.num_timesteps == n_steps,
        f"the callback stopped after {n_steps} steps, training did after {model.num_timesteps}",
    )
    expect(spy.events[-1] == "training ends", "a stopped training must still end")


def check_evaluation_callback(subject: Subject) -> None:
    """The host's ``EvalCallback`` evaluates the policy meanwhile.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    callback = EvalCallback(
        subject.env(n_envs=1), n_eval_episodes=2, eval_freq=N_STEPS // 8, verbose=0
    )
    subject.make().learn(N_STEPS, callback=callback)
    expect(callback.last_mean_reward == 5.0, f"mean reward {callback.last_mean_reward}, not 5")


def check_interrupted_models_stay_usable(subject: Subject) -> None:
    """After Ctrl-C in ``learn`` a model predicts, is saved and loaded, and learns on.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    model = subject.make()
    try:
        model.learn(N_STEPS, callback=Spy(raise_at=STOP_AT))
    except KeyboardInterrupt:
        pass
    else:
        expect(False, "an interruption in a callback must reach the caller of learn")
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = subject.algorithm.load(file, device="cpu")
    expect(same(subject.choices(model), subject.choices(loaded)), "the file acts otherwise")
    model.learn(N_STEPS)
    expect(model.num_timesteps >= N_STEPS, f"then learned {model.num_timesteps} steps only")


def check_learning_rate_schedules(subject: Subject) -> None:
    """A learning rate that is a function is asked with the progress left, and obeyed.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    asked = []

    def _schedule(progress: float) -> float:
        asked.append(progress)
        return 1e-3 * (1 + progress)

    model = subject.make(learning_rate=_schedule)
    del asked[:]
    model.learn(2 * N_STEPS)
    expect(asked and min(asked) < 0.6, f"progress left never fell, it was {asked[-3:]}")
    expect(all(0 <= each <= 1 for each in asked), f"progress left must be in [0, 1]: {asked}")
    ordered = all(a >= b for a, b in itertools.pairwise(asked))
    expect(ordered, f"progress left must fall, it went {asked}")
    rates = [group["lr"] for each in optimizers_of(model).values() for group in each.param_groups]
    expect(
        any(abs(rate - 1e-3 * (1 + asked[-1])) < 1e-9 for rate in rates),
        f"the schedule asked for {1e-3 * (1 + asked[-1])}, the optimisers have {rates}",
    )


def check_logger_keys(subject: Subject) -> None:
    """The log has the host's words, and the episodes' true numbers.

    Parameters
    ----------
    subject : Subject
        The algorithm under test.
    """
    record = Record()
    model = subject.make(subject.env(limit=5))
    model.set_logger(Logger(folder=None, output_formats=[record]))
    model.learn(2 * N_STEPS, log_interval=1)
    missing = [key for key in LOGGED if key not in record.values]
    expect(not missing, f"the log lacks {missing}; it has {sorted(record.values)}")
    for key in LOGGED[:2]:  # five steps with a reward of one
        expect(abs(record.values[key] - 5) < 1e-6, f"{key} is {record.values[key]}, not 5")
    n_logged = record.values["time/total_timesteps"]
    expect(
        0 < n_logged <= model.num_timesteps and n_logged % model.n_envs == 0,
        f"time/total_timesteps is {n_logged} of {model.num_timesteps}",
    )


CHECKS = (
    check_learn_counts_steps,
    check_callbacks_are_called,
    check_callbacks_stop_training,
    check_evaluation_callback,
    check_interrupted_models_stay_usable,
    check_learning_rate_schedules,
    check_logger_keys,
)
