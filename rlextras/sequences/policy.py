"""Policies whose observation is a sequence of tokens, and whose action is the next one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn

from rlextras.onpolicy.actor import CriticFree
from rlextras.sequences.compiled import CompiledTransformer, obstacle
from rlextras.sequences.reading import Reading
from rlextras.sequences.transformer import CausalTransformer


class SequencePolicy(CriticFree):
    """A critic-free policy over tokens; abstract: a member adds its network.

    An observation is a dict of "tokens" (n, T) and "mask" (n, T), which is 1 where there is a
    token; sequences stand on the left.

    Parameters
    ----------
    observation_space : Dict
        Of "tokens" and "mask".
    action_space : Discrete
        The vocabulary.
    lr_schedule : callable
        Learning rate by the progress remaining.
    optimizer_class : type of Optimizer, default=Adam
        Of the parameters.
    optimizer_kwargs : dict, optional
        Its further options.

    Raises
    ------
    ValueError
        If the spaces are of other kinds.
    """

    needs_whole_episodes: ClassVar[bool] = True

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Schedule,
        *,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        owner = type(self).__name__
        is_dict = isinstance(observation_space, spaces.Dict)
        if not (is_dict and {"tokens", "mask"} <= set(observation_space.spaces)):  # type: ignore[attr-defined]
            raise ValueError(
                f"{owner}: observation_space must be a Dict of 'tokens' and 'mask', got "
                f"{observation_space}. rlextras.envs.TokenEnv has such a one."
            )
        if not isinstance(action_space, spaces.Discrete):
            raise ValueError(
                f"{owner}: action_space must be a Discrete over the vocabulary, got {action_space}."
            )
        self.n_positions = int(observation_space["tokens"].shape[0])  # type: ignore[index]
        self._steps: _Steps | None = None
        if optimizer_kwargs is None and optimizer_class is torch.optim.Adam:
            # The host's Adam has 1e-5, more than many gradients here.
            optimizer_kwargs = {"eps": 1e-8}
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            features_extractor_class=FlattenExtractor,  # not used, and without parameters
            optimizer_class=optimizer_class,
            optimizer_kwargs=optimizer_kwargs,
        )

    def _build(self, lr_schedule: Schedule) -> None:
        self._build_network()
        self.optimizer = self.optimizer_class(
            self.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def _build_network(self) -> None:
        """Make the network."""
        raise TypeError(f"{type(self).__name__}: a sequence policy has its own network.")

    def obstacle(self, *, any_size: bool = False) -> str:
        """Why the kernels cannot run this policy.

        Parameters
        ----------
        any_size : bool, default=False
            Whether large networks are welcome.

        Returns
        -------
        str
            A clause; empty if they can.
        """
        return f"the policy is a {type(self).__name__}, not CausalTransformerPolicy"

    def run_by_kernels(self, is_asked: bool) -> None:
        """Choose what computes from here on.

        Parameters
        ----------
        is_asked : bool
            Whether kernels do, where ``obstacle`` has nothing against it; otherwise torch does.
        """

    def _logits_at(self, tokens: Tensor, lengths: Tensor, row: Tensor, place: Tensor) -> Tensor:
        """Logits at some places of sequences (n, T), (B, V)."""
        raise TypeError(f"{type(self).__name__}: a sequence policy has its own network.")

    def _logits_on(self, tokens: Tensor, lengths: Tensor, steps: "_Steps") -> Tensor:
        """Logits at the ends, (n, V), with the help of what was read before."""
        return self._logits_at_ends(tokens, lengths)

    def _logits_at_ends(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Logits at the ends, (n, V)."""
        row = torch.arange(len(tokens), device=tokens.device)
        return self._logits_at(tokens, lengths, row, lengths - 1)

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Keep what was read of sequences for as long as the context lasts.

        The parameters must stay as they are. What is seen is compared with what was seen before, so
        that any sequences may come.

        Yields
        ------
        None
            Nothing; actions are chosen faster.
        """
        self._steps = _Steps()
        try:
            yield
        finally:
            self._steps = None

    def _logits(self, obs: PyTorchObs) -> Tensor:
        """Logits of the next token, (n, V)."""
        tokens, lengths = _sequences(obs)
        if self._steps is None:
            return self._logits_at_ends(tokens, lengths)
        return self._logits_on(tokens, lengths, self._steps)

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """Distribution of the next token.

        Parameters
        ----------
        obs : dict of Tensor
            Sequences.

        Returns
        -------
        Distribution
            Over the vocabulary.
        """
        return self.action_dist.proba_distribution(self._logits(obs))

    def forward(
        self, obs: PyTorchObs, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose the next token.

        Parameters
        ----------
        obs : dict of Tensor
            n sequences.
        deterministic : bool, default=False
            Whether to take the most likely one.

        Returns
        -------
        actions : LongTensor of shape (n,)
            The tokens.
        values : Tensor of shape (n, 1)
            Zeros.
        log_prob : Tensor of shape (n,), nats
            log π(a|s).
        """
        log_probs = self._logits(obs).log_softmax(dim=-1)
        if deterministic:
            actions = log_probs.argmax(dim=-1)
        else:  # the largest p / e, with e exponential, is a draw from p
            actions = (log_probs.exp() / torch.empty_like(log_probs).exponential_()).argmax(dim=-1)
        log_prob = log_probs.gather(1, actions[:, None])[:, 0]
        return actions, torch.zeros_like(log_prob)[:, None], log_prob

    def evaluate_episodes(
        self, obs: PyTorchObs, actions: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the actions of whole episodes, each of which is read once.

        Parameters
        ----------
        obs : dict of Tensor
            B sequences, of the steps of one episode after the other.
        actions : LongTensor of shape (B,)
            The tokens that followed.
        lengths : LongTensor of shape (M,)
            Steps of each episode.

        Returns
        -------
        log_prob : Tensor of shape (B,), nats
            log π(a|s).
        entropy : Tensor of shape (B,), nats
            Of the distributions that they came from.
        """
        tokens, places = _sequences(obs)
        last = lengths.cumsum(0) - 1
        episode = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)
        logits = self._logits_at(tokens[last], places[last], episode, places - 1)
        log_probs = logits.log_softmax(dim=-1)
        entropy = -(log_probs.exp() * log_probs).sum(dim=-1)
        return log_probs.gather(1, actions.long()[:, None])[:, 0], entropy


class CausalTransformerPolicy(SequencePolicy):
    """A causal transformer with rotary positions, which keeps keys and values while it writes.

    A vector learnt for each position is added: how far apart tokens are is not where they are.

    Parameters
    ----------
    observation_space : Dict
        Of "tokens" and "mask".
    action_space : Discrete
        The vocabulary.
    lr_schedule : callable
        Learning rate by the progress remaining.
    width : int, default=64
        Of the model; a multiple of twice the number of heads.
    n_layers : int, default=2
        Blocks of attention and a layer each.
    n_heads : int, default=2
        Heads of attention.
    gradient_checkpointing : bool, default=False
        Whether the update computes the blocks anew in its backward pass, to keep less in memory.
    optimizer_class : type of Optimizer, default=Adam
        Of the parameters.
    optimizer_kwargs : dict, optional
        Its further options.

    Raises
    ------
    ValueError
        If the spaces are of other kinds, or the width does not fit the heads.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Schedule,
        *,
        width: int = 64,
        n_layers: int = 2,
        n_heads: int = 2,
        gradient_checkpointing: bool = False,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self._shape = {"width": width, "n_layers": n_layers, "n_heads": n_heads}
        self._has_checkpoints = gradient_checkpointing
        self._engine: CompiledTransformer | None = None  # None is torch
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            optimizer_class=optimizer_class,
            optimizer_kwargs=optimizer_kwargs,
        )

    def _build_network(self) -> None:
        n_tokens = int(self.observation_space["tokens"].high.max()) + 1  # type: ignore[index]
        self.transformer = CausalTransformer(
            n_tokens, self.n_positions, has_checkpoints=self._has_checkpoints, **self._shape
        )
        n_actions = int(self.action_space.n)  # type: ignore[attr-defined]
        if n_actions != n_tokens:
            self.transformer.head = nn.Linear(self._shape["width"], n_actions, bias=False)
            nn.init.normal_(self.transformer.head.weight, std=0.02)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        data = super()._get_constructor_parameters()
        kept = ("observation_space", "action_space", "optimizer_class", "optimizer_kwargs")
        own = {**self._shape, "gradient_checkpointing": self._has_checkpoints}
        return {name: data[name] for name in kept} | {"lr_schedule": data["lr_schedule"]} | own

    def obstacle(self, *, any_size: bool = False) -> str:
        """Why the kernels cannot run this policy.

        Parameters
        ----------
        any_size : bool, default=False
            Whether large networks are welcome.

        Returns
        -------
        str
            A clause; empty if they can.
        """
        if type(self) is not CausalTransformerPolicy:
            return super().obstacle()
        if self._engine is not None and self._engine.knows(self.transformer):
            return ""
        self._engine = None
        return obstacle(self.transformer, any_size=any_size)

    @property
    def engine(self) -> CompiledTransformer | None:
        """The kernels that compute.

        Returns
        -------
        CompiledTransformer or None
            None if torch does.
        """
        return self._engine

    def run_by_kernels(self, is_asked: bool) -> None:
        """Choose what computes from here on.

        Parameters
        ----------
        is_asked : bool
            Whether kernels do, where ``obstacle`` has nothing against it; otherwise torch does.
        """
        if not is_asked:
            self._engine = None
        elif self._engine is None:
            self._engine = CompiledTransformer(self.transformer)

    def set_training_mode(self, mode: bool) -> None:
        """Choose between training and evaluation.

        Parameters
        ----------
        mode : bool
            Whether to train.
        """
        if self._engine is None:
            super().set_training_mode(mode)
        else:
            self.training = mode  # none of the layers that the kernels know asks for it

    def _logits_at(self, tokens: Tensor, lengths: Tensor, row: Tensor, place: Tensor) -> Tensor:
        if self._engine is not None:
            return self._engine.logits(tokens, lengths, row, place)
        return self.transformer.head(self.transformer.read_places(tokens, lengths, row, place))

    def _logits_on(self, tokens: Tensor, lengths: Tensor, steps: "_Steps") -> Tensor:
        if self._engine is None:
            return self.transformer.head(self._read_on(tokens, lengths, steps))
        if steps.memory is None:
            self._engine.turn_weights()
            steps.memory = Reading(self._engine)
        return steps.memory.next_logits(tokens, lengths)

    def _read_on(self, tokens: Tensor, lengths: Tensor, steps: "_Steps") -> Tensor:
        """What the last tokens say to the head, with the help of what was read before."""
        if steps.memory is None or len(steps.lengths) != len(tokens):
            steps.memory = self.transformer.memory(len(tokens))
            steps.lengths = torch.zeros_like(lengths)
            steps.tokens = torch.zeros_like(tokens)
        is_next = steps.goes_on(tokens, lengths)
        rows = torch.arange(len(tokens), device=tokens.device)
        fresh, known = rows[~is_next], rows[is_next]
        parts = []
        if len(fresh):
            given = tokens[fresh], lengths[fresh]
            parts.append(self.transformer.begin(*given, steps.memory, fresh))
        if len(known):
            places = lengths[known] - 1
            parts.append(self.transformer.go_on(tokens[known, places], places, steps.memory, known))
        steps.tokens, steps.lengths = tokens, lengths
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts).index_select(0, torch.cat([fresh, known]).argsort())


class _Steps:
    """What a policy saw last, and remembers of it."""

    def __init__(self) -> None:
        self.memory: Any = None
        self.tokens = self.lengths = torch.zeros(0, dtype=torch.long)

    def goes_on(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Whether each sequence is the last one, or one token longer; (n,)."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        is_same = (tokens == self.tokens) | (places >= self.lengths[:, None])
        longer = lengths - self.lengths
        return is_same.all(dim=1) & (longer >= 0) & (longer <= 1) & (self.lengths > 0)


def _sequences(obs: PyTorchObs) -> tuple[Tensor, Tensor]:
    """Tokens (n, T) and lengths (n,)."""
    if not isinstance(obs, dict):
        raise TypeError(f"SequencePolicy: obs must be a dict, got a {type(obs).__name__}.")
    return obs["tokens"].long(), obs["mask"].sum(dim=1, dtype=torch.long)
