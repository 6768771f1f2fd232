"""Callbacks that look, count, stop and raise."""

from stable_baselines3.common.callbacks import BaseCallback


class Spy(BaseCallback):
    """Note the calls around rollouts, stop after some steps, raise after some steps."""

    def __init__(self, *, stop_at=None, raise_at=None):
        super().__init__()
        self.calls, self.stop_at, self.raise_at = [], stop_at, raise_at

    def _on_training_start(self):
        self.calls.append("training starts")

    def _on_rollout_start(self):
        self.calls.append("rollout starts")

    def _on_step(self):
        if self.n_calls == self.raise_at:
            raise KeyboardInterrupt
        return self.n_calls != self.stop_at

    def _on_rollout_end(self):
        self.calls.append("rollout ends")

    def _on_training_end(self):
        self.calls.append("training ends")


class AtEnd(BaseCallback):
    """Call a function with the callback itself at the end of each rollout."""

    def __init__(self, look):
        super().__init__()
        self.look = look

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        self.look(self)
