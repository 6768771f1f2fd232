"""Slow twins of the denoisers' parts: one token, one matrix, one step at a time."""

import math

import torch


def rotation_matrix(position, head_dim, theta):
    """R of one place (RoFormer, eq. 34), pairs (i, i + d/2), an equal share for each axis."""
    n_pairs = head_dim // 2
    share = n_pairs // len(position)
    matrix = torch.zeros(head_dim, head_dim, dtype=torch.float64)
    for pair in range(n_pairs):
        axis, step = divmod(pair, share)
        angle = position[axis] * theta ** (-step / share)
        i, j = pair, pair + n_pairs
        matrix[i, i] = matrix[j, j] = math.cos(angle)
        matrix[i, j], matrix[j, i] = -math.sin(angle), math.sin(angle)
    return matrix


def rotary_attention(query, key, value, places, theta):
    """Attention of one head, (N, d) each, every logit from two explicit rotations."""
    turns = [rotation_matrix(place, query.shape[1], theta) for place in places]
    rows = []
    for q, here in zip(query, turns, strict=True):
        logits = [
            float((here @ q) @ (there @ k)) / math.sqrt(len(q))
            for k, there in zip(key, turns, strict=True)
        ]
        rows.append(torch.softmax(torch.tensor(logits, dtype=torch.float64), 0) @ value)
    return torch.stack(rows)


def patches_of(sample, patch):
    """Patches of one (C, H, W) image, row by row, channels first within each."""
    _, height, width = sample.shape
    return [
        sample[:, i : i + patch, j : j + patch].flatten()
        for i in range(0, height, patch)
        for j in range(0, width, patch)
    ]


def recurrence(x, log_decay, write, read):
    """Mamba-2, eq. 2, one position after the other; shapes as in ``selective_scan``."""
    state = x.new_zeros(len(x), x.shape[2], x.shape[3], write.shape[2])  # (B, H, p, n)
    outputs = []
    columns = (each.unbind(1) for each in (x, log_decay.exp(), write, read))
    for x_t, decay, b_t, c_t in zip(*columns, strict=True):
        state = decay[..., None, None] * state + x_t[..., None] * b_t[:, None, None]
        outputs.append((state @ c_t[:, None, :, None]).squeeze(-1))
    return torch.stack(outputs, 1)
