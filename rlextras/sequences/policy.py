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
from rlextras.sequences.transformer import CausalTransformer, Memory


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
        if optimizer_kwargs is None:  # the host's Adam has 1e-5, more than many gradients here
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

    def _read(self, tokens: Tensor, first: int = 0) -> Tensor:
        """What whole sequences (n, T) say at each place from some first on, (n, T - first, D)."""
        raise TypeError(f"{type(self).__name__}: a sequence policy has its own network.")

    def _head(self, read: Tensor) -> Tensor:
        """Logits (..., V) of what was read (..., D)."""
        raise TypeError(f"{type(self).__name__}: a sequence policy has its own network.")

    def _read_on(self, tokens: Tensor, lengths: Tensor, steps: "_Steps") -> Tensor:
        """What the last tokens say, (n, D), with the help of what was read before."""
        return _at_ends(self._read(tokens), lengths)

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
            return self._head(_at_ends(self._read(tokens), lengths))
        return self._head(self._read_on(tokens, lengths, self._steps))

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
        first, longest = int(places.min()) - 1, int(places.max())
        read = self._read(tokens[last, :longest], first)
        rows = episode * read.shape[1] + places - 1 - first
        log_probs = self._head(read.flatten(0, 1).index_select(0, rows)).log_softmax(dim=-1)
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

    def _read(self, tokens: Tensor, first: int = 0) -> Tensor:
        return self.transformer(tokens, first)

    def _head(self, read: Tensor) -> Tensor:
        return self.transformer.head(read)

    def _read_on(self, tokens: Tensor, lengths: Tensor, steps: "_Steps") -> Tensor:
        if steps.memory is None or len(steps.lengths) != len(tokens):
            steps.memory = self.transformer.memory(len(tokens))
            steps.lengths = torch.zeros_like(lengths)
            steps.tokens = torch.zeros_like(tokens)
        is_next = steps.goes_on(tokens, lengths)
        read = torch.empty(len(tokens), self._shape["width"], device=tokens.device)
        rows = torch.arange(len(tokens), device=tokens.device)
        fresh = rows[~is_next]
        if len(fresh):
            longest = int(lengths[fresh].max())
            given = tokens[fresh, :longest], lengths[fresh]
            read[fresh] = self.transformer.begin(*given, steps.memory, fresh)
        known = rows[is_next]
        if len(known):
            places = lengths[known] - 1
            last = tokens[known, places]
            read[known] = self.transformer.go_on(last, places, steps.memory, known)
        steps.tokens, steps.lengths = tokens, lengths
        return read


class _Steps:
    """What a policy saw last, and remembers of it."""

    def __init__(self) -> None:
        self.memory: Memory | Any = None
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
    return obs["tokens"].long(), obs["mask"].long().sum(dim=1)


def _at_ends(read: Tensor, lengths: Tensor) -> Tensor:
    """What was read (n, T, D) at the last token of each sequence, (n, D)."""
    return read[torch.arange(len(read), device=read.device), lengths - 1]
