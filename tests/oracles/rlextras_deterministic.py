"""The slow twin of DDPG's kernels: the same vectors read by torch, differentiated by autograd."""

import numpy as np
import torch

from tests.oracles.rlextras_kernels import ACTIVATIONS


def run(theta, place, layers, x, slope):
    """Outputs of a network whose numbers stand in a vector from a place on."""
    for layer in layers:
        end = place + layer.n_in * layer.n_out
        weight, bias = theta[place:end].view(layer.n_out, layer.n_in), theta[end:][: layer.n_out]
        x = ACTIVATIONS[layer.activation](x @ weight.T + bias, slope)
        place = end + layer.n_out
    return x


def adam(theta, moments, gradient, span, step, options):
    """One step of Adam over a part of a vector."""
    rate, beta1, beta2, eps = options
    mean, square = moments
    mean[span] = beta1 * mean[span] + (1 - beta1) * gradient[span]
    square[span] = beta2 * square[span] + (1 - beta2) * gradient[span] ** 2
    corrected = square[span].div(1 - beta2**step).sqrt() + eps
    theta.data[span] -= rate * mean[span] / (1 - beta1**step) / corrected


def twin_of_updates(memory, networks, storage, indices, noise, settings, slope):
    """Parameters and targets after some updates, their losses, and how far the critics were off."""
    gamma, tau, clip, delay = settings[:4]
    of_actor, of_critics = settings[5:9], settings[10:14]
    theta, target = torch.tensor(memory[0], requires_grad=True), torch.tensor(memory[1])
    moments, losses, far, n_actor = (torch.zeros_like(target), torch.zeros_like(target)), [], [], 0
    sizes = [sum(layer.n_out * (layer.n_in + 1) for layer in net) for net in networks]
    starts = np.cumsum([0, *sizes])
    actor, critics = slice(0, sizes[0]), slice(sizes[0], None)
    (seen, taken, following), columns = storage
    for u, batch in enumerate(indices):
        s, a, s_next = (torch.from_numpy(rows[batch]) for rows in (seen, taken, following))
        r, done, limit = (torch.from_numpy(each[batch]) for each in columns[:3])
        discount, weight = (
            torch.from_numpy(each[batch]) if len(each) else torch.tensor(usual)
            for each, usual in zip(columns[3:], (gamma, 1.0), strict=True)
        )

        def values(vector, states, actions):
            x = torch.cat([states, actions], dim=1)
            pairs = zip(starts[1:], networks[1:], strict=False)
            return torch.cat([run(vector, p, net, x, slope) for p, net in pairs], dim=1)

        with torch.no_grad():
            best = run(target, 0, networks[0], s_next, slope)
            if noise.size:
                best = (best + torch.from_numpy(noise[u]).clamp(-clip, clip)).clamp(-1, 1)
            least = values(target, s_next, best).min(dim=1).values
            y = r + (1 - done * (1 - limit)) * discount * least
        errors = values(theta, s, a) - y[:, None]
        loss = (weight * errors.square().T).mean(dim=1).sum()
        [gradient] = torch.autograd.grad(loss, theta)
        adam(theta, moments, gradient, critics, u + 1, of_critics)
        told = [loss.item(), 0.0]
        if (u + 1) % delay == 0:
            n_actor += 1
            acted = run(theta, 0, networks[0], s, slope)
            climb = -values(theta, s, acted)[:, 0].mean()
            [gradient] = torch.autograd.grad(climb, theta)
            adam(theta, moments, gradient, actor, n_actor, of_actor)
            target += tau * (theta.data - target)
            told[1] = climb.item()
        losses.append(told)
        far.append(errors.detach().abs().mean(dim=1).numpy())
    return torch.stack([theta.detach(), target]), np.array(losses), np.stack(far)
