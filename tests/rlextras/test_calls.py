"""Helpers are asked for while they are of use, and a forked process does without them."""

import os
import signal
import time

import numpy as np
import pytest
import torch

from rlextras import DDPG
from rlextras.offpolicy.calls import FEWEST, MOST, Pace


def n_alone(pace):
    """Calls without help from here on."""
    for n in range(MOST + 1):
        if pace.is_worth_it():
            return n
    return -1


def test_one_slow_call_among_many_changes_nothing():
    pace = Pace()
    for k in range(100):
        assert pace.is_worth_it()
        pace.note(5.0 if k % 10 == 9 else 1.0)


def test_after_slow_calls_there_is_no_help_for_longer_and_longer():
    pace = Pace()
    pace.note(1.0)
    for _ in range(3):
        assert pace.is_worth_it()
        pace.note(5.0)
    rests = []
    for _ in range(8):
        rests.append(n_alone(pace))
        pace.note(5.0)
    assert rests[0] == FEWEST - 1
    assert rests == sorted(rests)
    assert rests[-1] == MOST - 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_updates_and_ends():
    n_before = torch.get_num_threads()
    options = {"buffer_size": 200, "seed": 0, "device": "cpu", "batch_size": 160}
    options["policy_kwargs"] = {"net_arch": [400, 300]}
    try:
        torch.set_num_threads(2)
        model = DDPG("MlpPolicy", "Pendulum-v1", **options).learn(105)
        child = os.fork()
        if child == 0:
            try:
                model.train(3, 160)
            finally:
                os._exit(not np.isfinite(model._shared.memory).all())
        for _ in range(600):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            time.sleep(0.1)
        else:
            os.kill(child, signal.SIGKILL)
        assert (pid, status) == (child, 0)
        model.train(3, 160)
    finally:
        torch.set_num_threads(n_before)
