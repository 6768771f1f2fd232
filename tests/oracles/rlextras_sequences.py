"""A causal transformer, one sequence and one position at a time, in double precision."""

import math

import torch
from torch.nn.functional import layer_norm, silu


def doubles(net):
    """Parameters by name, as leaves in double precision."""
    return {name: p.detach().double().requires_grad_() for name, p in net.named_parameters()}


def plain_logits(net, weights, tokens):
    """Logits (T, V) behind each token of one sequence; attention looks back place by place."""
    n_heads, width = net.blocks[0].n_heads, net.embed.embedding_dim
    depth = width // n_heads

    def normed(x, name):
        return layer_norm(x, (width,), weights[f"{name}.weight"], weights[f"{name}.bias"])

    def layer(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def turned(x, place):  # eq. 15 of RoFormer, on pairs (i, i + d/2)
        angles = place * 10_000.0 ** (-torch.arange(0, depth, 2, dtype=torch.float64) / depth)
        first, second = x[: depth // 2], x[depth // 2 :]
        cosine, sine = angles.cos(), angles.sin()
        return torch.cat([first * cosine - second * sine, second * cosine + first * sine])

    x = torch.stack([weights["embed.weight"][token] for token in tokens])
    x = x + weights["place.weight"][: len(tokens)]
    for k in range(len(net.blocks)):
        name = f"blocks.{k}"
        both = layer(normed(x, f"{name}.before_attention"), f"{name}.project")
        heads = both.view(len(tokens), 3, n_heads, depth)
        found = []
        for t in range(len(tokens)):
            for h in range(n_heads):
                query = turned(heads[t, 0, h], t)
                keys = torch.stack([turned(heads[s, 1, h], s) for s in range(t + 1)])
                shares = (keys @ query / math.sqrt(depth)).softmax(dim=0)
                found.append(shares @ heads[: t + 1, 2, h])
        x = x + layer(torch.stack(found).view(len(tokens), width), f"{name}.gather")
        wide = silu(layer(normed(x, f"{name}.before_layers"), f"{name}.widen"))
        x = x + layer(wide, f"{name}.narrow")
    return normed(x, "last_norm") @ weights["head.weight"].T
