"""Several processes from one script, without a launcher on the command line."""

import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.multiprocessing.spawn import spawn

from genextras.training.interruption import StopRequest
from genextras.validation import check_integer, message

__all__ = ["launch"]


def launch(
    function: Callable[..., None], arguments: Sequence[Any] = (), *, num_processes: int
) -> None:
    """Run a function in several processes that train one network.

    Each process trains on a GPU of its own where there are enough, else on its part of the CPU's
    cores; ``Trainer`` inside the function does the rest. ``accelerate launch`` does the same from
    the command line. Ctrl-C stops a trainer in each of them, with a checkpoint; what follows this
    call is not done then.

    Parameters
    ----------
    function : callable
        At the top level of a module, since every process imports it anew; call ``launch`` under
        ``if __name__ == "__main__"``.
    arguments : sequence, default=()
        Passed to it.
    num_processes : int
        How many.

    Raises
    ------
    TypeError
        If ``num_processes`` is no whole number, or the function cannot be called.
    ValueError
        If there are fewer cores or GPUs, or this is itself such a process.
    ProcessRaisedException
        If the function raises in a process; the others are ended.
    KeyboardInterrupt
        After Ctrl-C, once all processes have stopped; a second one does not wait for them.

    References
    ----------
    .. [1] Li et al. (2020), PyTorch distributed: experiences on accelerating data parallel
       training, arXiv:2006.15704.

    Examples
    --------
    >>> launch(print, ["one process, no start-up"], num_processes=1)
    one process, no start-up
    """
    check_integer("launch", "num_processes", num_processes, low=1)
    if not callable(function):
        cure = "Pass a function and its arguments."
        raise TypeError(message("launch", "function", "callable", function, cure))
    n_gpus, n_cores = torch.cuda.device_count(), os.cpu_count() or 1
    if num_processes > max(n_gpus, n_cores):
        cure = "More would wait for one another."
        allowed = f"at most {max(n_gpus, n_cores)}, the number of cores"
        raise ValueError(message("launch", "num_processes", allowed, num_processes, cure))
    if "LOCAL_RANK" in os.environ and num_processes > 1:
        cure = "Call launch from the first process alone."
        raise ValueError(message("launch", "num_processes", "1 here", num_processes, cure))
    if num_processes == 1:
        function(*arguments)
        return
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(num_processes),
        "LOCAL_WORLD_SIZE": str(num_processes),
        "ACCELERATE_USE_CPU": str(n_gpus < num_processes).lower(),
    }
    n_threads = max(n_cores // num_processes, 1)
    if "OMP_NUM_THREADS" not in os.environ:  # accelerate would warn, and choose by itself
        shared["OMP_NUM_THREADS"] = str(n_threads)
    given = (function, tuple(arguments), shared, n_threads)
    with StopRequest() as stop:  # the processes hear it as well
        spawn(_run, given, nprocs=num_processes)
    if stop.is_made:
        raise KeyboardInterrupt


def _run(
    process: int,
    function: Callable[..., None],
    arguments: tuple,
    shared: dict[str, str],
    n_threads: int,
) -> None:
    os.environ.update({**shared, "RANK": str(process), "LOCAL_RANK": str(process)})
    torch.set_num_threads(n_threads)
    function(*arguments)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
