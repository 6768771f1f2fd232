"""Files that are cut short, damaged, or somebody else's are refused in one line."""

import io
import json
import zipfile

import pytest
import sb3_contrib
import stable_baselines3

from rlextras import DDPG, PPO, TRPO

SMALL = {"n_steps": 16, "batch_size": 16, "seed": 0, "device": "cpu"}


def saved(algorithm=PPO, env="CartPole-v1", **options):
    file = io.BytesIO()
    algorithm("MlpPolicy", env, **options).save(file)
    return file.getvalue()


@pytest.fixture(scope="module")
def whole():
    return saved(**SMALL)


def refused(algorithm, content, why, tmp_path):
    """The same sentence for a path and for a file in memory."""
    path = tmp_path / "model.zip"
    path.write_bytes(content)
    owner = algorithm.__name__
    for target, name in ((path, "'.*model.zip'"), (io.BytesIO(content), "a BytesIO")):
        message = (
            rf"^{owner}: path must be a file that {owner}\.save wrote, got {name}, which {why}"
        )
        with pytest.raises(ValueError, match=message) as caught:
            algorithm.load(target)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut_short(share, whole, tmp_path):
    why = (
        "(wasn't a zip-file, or not a whole one|holds no 'data')"  # a part is a zip file of its own
    )
    refused(PPO, whole[: int(share * len(whole))], why, tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04" + 40 * b"\0"])
def test_a_file_that_is_none(content, tmp_path):
    refused(PPO, content, "wasn't a zip-file, or not a whole one", tmp_path)


def test_a_bit_that_fell_over(whole, tmp_path):
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        offset = archive.getinfo("policy.pth").header_offset
    damaged = bytearray(whole)
    damaged[offset + 200] ^= 1
    refused(PPO, bytes(damaged), r"is damaged in 'policy\.pth'", tmp_path)


def without(content, name, **changed):
    """A file with a part left out, or with attributes changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            part = old.read(info)
            if info.filename == "data":
                data = {k: v for k, v in json.loads(part).items() if k not in changed}
                part = changed.get("data", json.dumps(data))
            if info.filename != name:
                new.writestr(info.filename, part)
    return out.getvalue()


def test_a_file_that_lacks_a_part(whole, tmp_path):
    for name in ("data", "policy.pth", "policy.optimizer.pth"):
        refused(PPO, without(whole, name), f"holds no '{name}'", tmp_path)
    refused(PPO, without(whole, "", data="[not json"), "holds no readable attributes", tmp_path)
    lacking = without(whole, "", action_space=None)
    refused(PPO, lacking, "holds no 'action_space': another algorithm saved it", tmp_path)


@pytest.mark.parametrize(
    ("algorithm", "other", "env"),
    [
        (PPO, stable_baselines3.A2C, "CartPole-v1"),
        (PPO, stable_baselines3.DQN, "CartPole-v1"),
        (PPO, stable_baselines3.SAC, "Pendulum-v1"),
        (PPO, sb3_contrib.TRPO, "CartPole-v1"),
        (TRPO, stable_baselines3.PPO, "CartPole-v1"),
    ],
)
def test_a_file_of_another_algorithm(algorithm, other, env, tmp_path):
    content = saved(other, env)
    refused(algorithm, content, "holds no '.*'", tmp_path)


@pytest.mark.parametrize(
    ("algorithm", "other"), [(PPO, stable_baselines3.PPO), (TRPO, sb3_contrib.TRPO)]
)
def test_a_file_of_the_hosts_class_of_that_name_is_taken(algorithm, other):
    assert algorithm.load(io.BytesIO(saved(other))).num_timesteps == 0


def test_a_file_that_is_not_there_is_the_hosts_affair(tmp_path):
    with pytest.raises(FileNotFoundError):
        PPO.load(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("algorithm", "env", "names"),
    [
        (PPO, "CartPole-v1", ["clip_range", "gae_lambda"]),
        (TRPO, "CartPole-v1", ["cg_max_steps", "gae_lambda"]),
        (DDPG, "Pendulum-v1", ["policy_delay", "tau"]),
    ],
)
def test_attributes_that_were_left_out_are_the_usual_ones(algorithm, env, names):
    model, file = algorithm("MlpPolicy", env, device="cpu"), io.BytesIO()
    model.save(file, exclude=names)
    file.seek(0)
    loaded = algorithm.load(file, device="cpu")
    for name in names:
        one, other = getattr(loaded, name), getattr(model, name)
        assert (one(1.0), 1) == (other(1.0), 1) if callable(one) else one == other


def test_networks_that_are_none_of_the_options(tmp_path):
    stable_baselines3.TD3("MlpPolicy", "Pendulum-v1", buffer_size=10).save(tmp_path / "td3")
    message = r"^DDPG: path must be a file whose networks are those of its options, got others\. "
    with pytest.raises(ValueError, match=message) as caught:
        DDPG.load(tmp_path / "td3", device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_buffer_that_was_cut_short(share, tmp_path):
    model = DDPG("MlpPolicy", "Pendulum-v1", buffer_size=10, device="cpu")
    path = tmp_path / "buffer.pkl"
    model.save_replay_buffer(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    message = (
        r"^DDPG: path must be a file that save_replay_buffer wrote, got '.*buffer\.pkl', which"
    )
    with pytest.raises(ValueError, match=message):
        model.load_replay_buffer(path)
    with pytest.raises(ValueError, match=r"wrote, got a BytesIO, which wasn't one"):
        model.load_replay_buffer(io.BytesIO(b"not a buffer"))
