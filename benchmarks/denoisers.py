"""Denoisers: what checkpoints save and cost, the scan beside the recurrence, rotary positions.

Seconds are for a step of training (forward and backward) where that is said. Activations are what
torch's allocator holds at most during a step beyond what it held before, gradients of parameters
being there already. The recurrence is one position after the other in torch, inputs unbound
beforehand, the form whose backward is linear in length. Differences are relative to the largest
entry; those of the scan are from the recurrence in float64.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.harness import Contest, Contestant, Table, growth, hold
from genextras.core.rotary import axial_angles, rotate, token_positions
from genextras.core.scan import selective_scan
from genextras.denoisers import DiT, SSMDenoiser
from tests.oracles.genextras_denoisers import recurrence, rotary_attention

LENGTHS = (1024, 4096, 16384)
HEADS, HEAD_DIM, STATE = 4, 32, 16
ROUNDS = 7
FEW = 2  # runs of the recurrence at the last length, each of which takes seconds
MOST_MEMORY, MOST_TIME, MOST_ERROR = 0.4, 1.4, 1e-6  # what checkpoints may take, and change
MODELS = {
    "DiT, 12 blocks of 192, 256 tokens, batch 4": partial(
        DiT, sample_size=32, hidden_size=192, num_layers=12, num_attention_heads=6
    ),
    "SSMDenoiser, 12 blocks of 128, 256 tokens, batch 4": partial(
        SSMDenoiser, sample_size=32, hidden_size=128, num_layers=12
    ),
}


def tables() -> Iterator[Table]:
    """Rotations, checkpoints, scans of three lengths, then those with their gradients."""
    torch.set_num_threads(1)
    yield rotations()
    for name, make in MODELS.items():
        yield checkpoints(name, make)
    for is_training in (False, True):
        reports = []
        for length in LENGTHS:  # each is shown as soon as it is there
            reports.append(hold(scan_contest(length, is_training=is_training)))
            yield Table(reports[-1].markdown(), reports[-1].is_fair)
        yield Table(growth(reports), is_fair=True)


# ------------------------------------------------------------ the scan


def scan_contest(length: int, *, is_training: bool) -> Contest:
    """The scan and the recurrence on the same float32 inputs."""
    inputs = scan_inputs(length)
    weights = torch.randn(inputs[0].shape, generator=torch.Generator().manual_seed(1))
    exact = work(recurrence, [each.double() for each in inputs], weights.double(), is_training)
    runs = {"genextras: scan in chunks": selective_scan, "recurrence in torch": recurrence}
    words = "forward and backward" if is_training else "forward"
    return Contest(
        task=f"selective scan, {words}, {HEADS} heads of {HEAD_DIM} x {STATE}",
        size=length,
        quality_name="difference",
        tolerance=1e-5,
        contestants=[
            Contestant(
                name=name,
                run=partial(work, run, inputs, weights, is_training),
                quality=lambda made: max(map(difference, made, exact)),
                rounds=FEW if run is recurrence and length > LENGTHS[1] else None,
            )
            for name, run in runs.items()
        ],
    )


def scan_inputs(length: int) -> list[Tensor]:
    """Decays as an untrained network has them: from 0.2 to nearly 1."""
    generator = torch.Generator().manual_seed(0)
    sizes = [(HEADS, HEAD_DIM), (HEADS,), (STATE,), (STATE,)]
    x, decay, write, read = (torch.randn(1, length, *s, generator=generator) for s in sizes)
    return [x, -(decay - 2).exp(), write / math.sqrt(STATE), read]


def work(
    run: Callable[..., Tensor], inputs: list[Tensor], weights: Tensor, is_training: bool
) -> list[Tensor]:
    """The outputs, or the gradients of all inputs."""
    if not is_training:
        with torch.no_grad():
            return [run(*inputs)]
    leaves = [each.detach().requires_grad_() for each in inputs]
    return list(torch.autograd.grad(run(*leaves), leaves, weights))


def difference(made: Tensor, exact: Tensor) -> float:
    return float((made - exact).abs().max() / exact.abs().max())


# ------------------------------------------------------------ checkpoints


def checkpoints(name: str, make: Callable[[], nn.Module]) -> Table:
    """Steps with and without, in turns."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make()
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.05)
    x = torch.randn(4, 3, 32, 32, generator=generator)
    ways = {"off": model.disable_gradient_checkpointing, "on": model.enable_gradient_checkpointing}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    held, gradients = {}, {}
    for way, switch in ways.items():
        switch()
        model.zero_grad()
        step(model, x)
        gradients[way] = [parameter.grad.clone() for parameter in model.parameters()]
        held[way] = most_held(partial(step, model, x))
    for _ in range(ROUNDS):
        for way, switch in ways.items():
            switch()
            start = time.process_time()
            step(model, x)
            seconds[way].append(time.process_time() - start)
    error = max(map(difference, gradients["on"], gradients["off"]))
    memory = held["on"] / held["off"]
    times = statistics.median(
        on / off for on, off in zip(seconds["on"], seconds["off"], strict=True)
    )
    rows = [f"| {name} | CPU s a step | activations MB |", "|---|---|---|"]
    for way in ways:
        median, megabytes = statistics.median(seconds[way]), held[way] / 1e6
        rows.append(f"| checkpoints {way} | {median:.3g} | {megabytes:.1f} |")
    rows += [
        "",
        f"Memory {memory:.0%} (at most {MOST_MEMORY:.0%}), time {times:.2f} times (at most "
        f"{MOST_TIME}), gradients differ by {error:.1g} (at most {MOST_ERROR:g}).",
    ]
    return Table("\n".join(rows), memory <= MOST_MEMORY and error <= MOST_ERROR)


def step(model: nn.Module, x: Tensor) -> None:
    model(x, 500).sample.square().mean().backward()


def most_held(run: Callable[[], None]) -> int:
    """Bytes that torch's allocator held at most, beyond those before."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        run()
    held = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


# ------------------------------------------------------------ rotary positions


def rotations() -> Table:
    """Attention beside explicit rotation matrices, and logits of pairs that are moved alike."""
    rows = ["| rotary positions, 8 x 8 tokens, heads of 16 | float32 | float64 |", "|---|---|---|"]
    found = {}
    for dtype in (torch.float32, torch.float64):
        generator = torch.Generator().manual_seed(0)
        query, key, value = torch.randn(3, 64, 16, generator=generator, dtype=torch.float64)
        places = token_positions((8, 8)).double()
        exact = rotary_attention(query, key, value, places.tolist(), 100.0)
        turned = [turn(each, places, dtype) for each in (query, key)]
        attend = nn.functional.scaled_dot_product_attention
        made = attend(turned[0][None], turned[1][None], value.to(dtype)[None])[0]
        moved = [turn(each, places + 7, dtype) for each in (query, key)]
        logits, again = (one @ other.T for one, other in (turned, moved))
        found[dtype] = difference(made, exact), difference(again, logits)
    for i, name in enumerate(("from explicit matrices", "after a shift by (7, 7)")):
        rows.append(f"| {name} | " + " | ".join(f"{each[i]:.1g}" for each in found.values()) + " |")
    return Table("\n".join(rows), found[torch.float32][0] <= MOST_ERROR)


def turn(x: Tensor, places: Tensor, dtype: torch.dtype) -> Tensor:
    angles = axial_angles(places.to(dtype), x.shape[1] // 2, 100.0)
    return rotate(x.to(dtype), angles.cos(), angles.sin())
