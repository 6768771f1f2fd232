"""Small denoisers whose parameters are random, those that start at zero too."""

import torch

from genextras.denoisers import DiT, MLPDenoiser, SSMDenoiser
from tests.genextras.networks import seeded

TINY = {"hidden_size": 16, "num_layers": 3, "num_class_embeds": 3}
TINY |= {"in_channels": 2, "sample_size": 4}
MAKERS = {
    "MLPDenoiser": lambda **options: MLPDenoiser(**TINY | options),
    "SSMDenoiser": lambda **options: SSMDenoiser(**TINY | {"head_dim": 8} | options),
    "DiT": lambda **options: DiT(**TINY | {"num_attention_heads": 2} | options),
}


def awake(model, seed=0, std=0.2):
    """The model with no parameter at zero: an untrained one says 0 whatever it is asked."""
    with seeded(seed), torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=std)
    return model.eval()


def make(name, **options):
    return awake(MAKERS[name](**options))


def noise(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def assert_same_weights(one, other):
    """Bit for bit. What models then say may differ in its last digits: where a file's numbers lie
    in memory decides in which order some processors add.
    """
    ours, theirs = one.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name]), name


def assert_close_answers(one, other):
    """To single precision, relative to the largest."""
    size = float(other.detach().abs().max())
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * size)
