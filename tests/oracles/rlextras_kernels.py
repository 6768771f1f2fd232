"""Slow twins of the kernels: the same table read by torch, differentiated by autograd."""

import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent, Normal

ACTIVATIONS = {
    0: lambda x, _: x,
    1: lambda x, _: x.tanh(),
    2: lambda x, _: x.relu(),
    3: nn.functional.leaky_relu,
    4: nn.functional.elu,
    5: lambda x, _: x.sigmoid(),
}


class Twin:
    """Actor and critic of a plan, with parameters cut out of a vector that requires a gradient."""

    def __init__(self, theta, table, slope):
        self.table, self.slope = table.tolist(), slope
        self.theta = torch.tensor(theta, requires_grad=True)
        self.kind, self.n_parts, _, self.n_actor, self.n_layers, _ = self.table[0]
        self.sizes = [row[0] for row in self.table[1 + self.n_layers :]]

    def run(self, rows, x):
        for n_in, n_out, weight, bias, activation, _ in rows:
            matrix = self.theta[weight : weight + n_in * n_out].view(n_out, n_in)
            x = ACTIVATIONS[activation](x @ matrix.T + self.theta[bias : bias + n_out], self.slope)
        return x

    def outputs(self, observations):
        return self.run(self.table[1 : 1 + self.n_actor], observations)

    def values(self, observations):
        return self.run(self.table[1 + self.n_actor : 1 + self.n_layers], observations).flatten()

    def distributions(self, observations):
        z = self.outputs(observations)
        if self.kind == 0:
            return [Categorical(logits=part) for part in z.split(self.sizes, dim=1)]
        if self.kind == 1:
            return [Independent(Bernoulli(logits=z), 1)]
        return [Independent(Normal(z, self.theta[: self.n_parts].exp().expand_as(z)), 1)]

    def log_prob(self, observations, actions):
        parts = self.distributions(observations)
        if self.kind == 0:
            return sum(part.log_prob(a) for part, a in zip(parts, actions.T, strict=True))
        return parts[0].log_prob(actions)

    def entropy(self, observations):
        return sum(part.entropy() for part in self.distributions(observations))


def ppo_loss(twin, batch, *, clip_range, clip_range_vf, ent_coef, vf_coef):
    """Loss of a minibatch, eq. 9 of the PPO paper with its sign turned."""
    observations, actions, advantages, returns, old_log_prob, old_values = batch
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = (twin.log_prob(observations, actions) - old_log_prob).exp()
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    surrogate = torch.min(ratio * advantages, clipped * advantages).mean()
    moved = (twin.values(observations) - old_values).clamp(-clip_range_vf, clip_range_vf)
    critic = (old_values + moved - returns).square().mean()
    return -surrogate + vf_coef * critic - ent_coef * twin.entropy(observations).mean()


def grouped_loss(twin, rows, lengths, **options):
    """GRPO's loss of whole episodes, one episode at a time."""
    n_in = twin.table[1][0]
    n = n_in + twin.n_parts
    inputs, actions = rows[:, :n_in], rows[:, n_in:n]
    advantages, old, reference, weights = rows[:, n:].T
    log_prob, entropy = twin.log_prob(inputs, actions), twin.entropy(inputs)
    low, high = 1 - options["clip_low"], 1 + options["clip_high"]
    gains, away = [], []
    first = 0
    for length in lengths:
        here = slice(first, first + int(length))
        first += int(length)
        log_ratio, advantage, weight = (log_prob - old)[here], advantages[here], weights[here]
        if options["mode"] == 2:
            whole = log_ratio.sum()
            gains.append(weight[:1] * (advantage[0] * whole - options["tau"] / 2 * whole**2))
        else:
            if options["mode"] == 1:
                log_ratio = log_ratio.mean().expand(len(advantage))
            ratio = log_ratio.exp()
            terms = torch.min(ratio * advantage, ratio.clamp(low, high) * advantage)
            gains.append(weight * terms)
        gap = (reference - log_prob)[here]
        kind = {1: -gap, 2: gap**2 / 2, 3: gap.exp() - 1 - gap}[options["estimator"]]
        away.append(weight * kind)
    divisor = len(lengths) if options["mode"] == 2 else len(rows)
    gain, divergence = (torch.cat(each).sum() / divisor for each in (gains, away))
    bonus = (weights * entropy).mean()
    return -gain - options["ent_coef"] * bonus + options["beta"] * divergence
