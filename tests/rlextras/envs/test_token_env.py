"""Token environments: answers that a few lines check, one by one and in arrays."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_util import make_vec_env

from rlextras.envs import Addition, Brackets, Reverse, TokenEnv, TokenVecEnv

TASKS = [Reverse(3), Addition(2), Brackets(3)]
IDS = [type(task).__name__ for task in TASKS]


def right_answer(task, prompt):
    """The answer, found without looking at how rewards are computed."""
    text = task.decode(prompt)
    if isinstance(task, Reverse):
        return text[:-1][::-1]
    if isinstance(task, Addition):
        return f"{sum(map(int, text[:-1].split('+'))):0{task.max_answer}d}"
    while "()" in text or "[]" in text:
        text = text.replace("()", "").replace("[]", "")
    return text[::-1].translate(str.maketrans("([", ")]")) + "."


@pytest.mark.parametrize("task", TASKS, ids=IDS)
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31))
def test_the_right_answer_earns_one_and_no_other_does(task, seed):
    env = TokenEnv(task)
    env.reset(seed=seed)
    answer = task.encode(right_answer(task, env.prompt))
    total = 0.0
    for token in answer:
        _, reward, terminated, truncated, info = env.step(token)
        total += reward
    assert (total, terminated, truncated, info) == (1.0, True, False, {"is_success": True})
    body = answer[:-1] if task.end is not None else answer
    for i in range(len(body)):
        for wrong in range(len(task.words)):
            if wrong not in {body[i], task.end}:
                changed = [*body[:i], wrong, *body[i + 1 :]]
                assert 0 <= task.reward(env.prompt, changed) < 1


@pytest.mark.parametrize("task", TASKS, ids=IDS)
def test_gymnasium_has_nothing_to_say_against_it(task):
    check_env(TokenEnv(task), skip_render_check=True)


@pytest.mark.parametrize("task", TASKS, ids=IDS)
def test_many_in_arrays_are_many_alone(task):
    ours = TokenVecEnv(task, n_envs=5, seed=3)
    theirs = make_vec_env(lambda: TokenEnv(task), n_envs=5, seed=3)
    rng = np.random.default_rng(0)
    seen = ours.reset(), theirs.reset()
    for _ in range(40):
        for key in ("tokens", "mask"):
            assert np.array_equal(seen[0][key], seen[1][key])
        actions = rng.integers(len(task.words), size=5)
        steps = [env.step(actions) for env in (ours, theirs)]
        seen = [step[0] for step in steps]
        assert np.array_equal(steps[0][1], steps[1][1])
        assert np.array_equal(steps[0][2], steps[1][2])
        for one, other in zip(steps[0][3], steps[1][3], strict=True):
            assert one.get("is_success") == other.get("is_success")
            assert one["TimeLimit.truncated"] == other["TimeLimit.truncated"]
            if "episode" in other:
                assert one["episode"]["r"] == pytest.approx(other["episode"]["r"], abs=1e-6)
                last = one["terminal_observation"], other["terminal_observation"]
                assert np.array_equal(last[0]["tokens"], last[1]["tokens"])


@pytest.mark.parametrize("task", TASKS, ids=IDS)
def test_environments_that_share_a_seed_are_many_alone(task):
    seeds = [4, 9, 4, 4, 9]
    ours, alone = TokenVecEnv(task, n_envs=5, seed=0), [TokenEnv(task) for _ in seeds]
    for _ in range(2):  # generators are there the second time
        ours._seeds = list(seeds)
        seen = ours.reset()
        firsts = [env.reset(seed=seed)[0] for env, seed in zip(alone, seeds, strict=True)]
        for _ in range(3 * task.max_answer):
            for key in ("tokens", "mask"):
                assert np.array_equal(seen[key], [first[key] for first in firsts])
            seen, _, dones, _ = ours.step(np.zeros(5, int))
            for i, env in enumerate(alone):
                firsts[i] = env.step(0)[0]
                if dones[i]:
                    firsts[i] = env.reset()[0]


def test_an_answer_without_its_end_is_truncated():
    env = TokenEnv(Brackets(2))
    env.reset(options={"prompt": env.task.encode("([")})
    steps = [env.step(1) for _ in range(3)]
    assert [step[2:4] for step in steps] == [(False, False), (False, False), (False, True)]


def test_a_prompt_can_be_given():
    env = TokenEnv(Addition(2))
    seen, _ = env.reset(options={"prompt": env.task.encode("12+34=")})
    assert env.task.decode(seen["tokens"][seen["mask"] == 1]) == "12+34="
    rewards = [env.step(int(token))[1] for token in "046"]
    assert rewards == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("make", [Reverse, Addition, Brackets])
def test_tasks_of_no_size_are_refused(make):
    with pytest.raises(ValueError, match=f"{make.__name__}: the size must be an int of 1 or more"):
        make(0)
    with pytest.raises(ValueError, match="TokenVecEnv: n_envs must be 1 or more, got 0"):
        TokenVecEnv(Reverse(), n_envs=0)


def test_it_is_an_environment_of_gymnasium():
    assert isinstance(TokenEnv(Reverse()), gymnasium.Env)


@pytest.mark.parametrize("task", [*TASKS, Reverse(1), Addition(25), Brackets(1)])
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31))
def test_many_answers_earn_what_each_earns_alone(task, seed):
    rng = np.random.default_rng(seed)
    texts, n_asked, n_written, alone = [], [], [], []
    for _ in range(7):
        prompt = task.prompt(rng)
        answer = task.encode(right_answer(task, prompt))
        answer = answer[:-1] if task.end is not None else answer
        for k in range(len(answer)):
            if rng.random() < 0.3:
                answer[k] = int(rng.integers(len(task.words)))
        answer = answer[: int(rng.integers(len(answer) + 1))] if rng.random() < 0.5 else answer
        n_free = task.max_prompt + task.max_answer - len(prompt) - len(answer)
        texts.append([*prompt, *answer, *rng.integers(len(task.words), size=n_free).tolist()])
        n_asked.append(len(prompt))
        n_written.append(len(answer))
        alone.append(task.reward(prompt, answer))
    given = (np.array(each) for each in (texts, n_asked, n_written))
    assert task.rewards(*given).tolist() == alone


class Strict(Reverse):
    """All or nothing; says nothing of batches."""

    def reward(self, prompt, answer):
        return float(super().reward(prompt, answer) == 1.0)


class OneOrMore:
    """What may stand before a task: the first digit is enough."""

    def reward(self, prompt, answer):
        return float(answer[0] == prompt[-2])


class Lenient(OneOrMore, Reverse):
    """A task whose single form is newer than that for batches."""


class Shorter(Reverse):
    """Prompts of any length up to the longest."""

    def prompt(self, rng):
        return [*rng.integers(10, size=rng.integers(1, self.max_prompt)).tolist(), 10]


@pytest.mark.parametrize("task", [Strict(2), Lenient(2), Shorter(3)])
def test_a_task_of_ones_own_is_checked_in_its_own_way(task):
    env = TokenVecEnv(task, n_envs=40, seed=0)
    seen = env.reset()
    n_asked = seen["mask"].sum(axis=1)
    prompts = [row[:n].tolist() for row, n in zip(seen["tokens"], n_asked, strict=True)]
    written = np.array([[*p[-2::-1], *[0] * task.max_answer][: task.max_answer] for p in prompts])
    written[::2, -1] = (written[::2, -1] + 1) % 10
    for k in range(task.max_answer):
        _, rewards, dones, _ = env.step(written[:, k])
    assert dones.all()
    pairs = zip(prompts, written.tolist(), strict=True)
    assert rewards.tolist() == pytest.approx([task.reward(*pair) for pair in pairs])


class Given(Reverse):
    """Asks what it is told to."""

    def __init__(self, prompt):
        super().__init__(2)
        self.given = prompt

    def prompt(self, rng):
        return self.given


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([], "Given: a prompt must have 1 to max_prompt = 3 tokens, got 0"),
        ([1, 2, 3, 10], "Given: a prompt must have 1 to max_prompt = 3 tokens, got 4"),
        ([1, 11, 10], r"Given: a prompt must consist of tokens in \[0, 10\], got \[1, 11, 10\]"),
        ([-1, 1, 10], r"Given: a prompt must consist of tokens in \[0, 10\], got \[-1, 1, 10\]"),
    ],
)
def test_prompts_that_do_not_fit_are_refused(prompt, message):
    with pytest.raises(ValueError, match=message):
        TokenEnv(Given(prompt)).reset(seed=0)
    with pytest.raises(ValueError, match=message.replace("Given", "Reverse")):
        TokenEnv(Reverse(2)).reset(options={"prompt": prompt})
    with pytest.raises(ValueError, match=message):
        TokenVecEnv(Given(prompt), n_envs=2).reset()
