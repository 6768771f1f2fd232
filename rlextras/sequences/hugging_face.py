"""A causal language model of Hugging Face's transformers as a policy."""

from collections.abc import Callable
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor

from rlextras.sequences.policy import SequencePolicy


class HuggingFacePolicy(SequencePolicy):
    """A causal language model of ``transformers`` that learns as a policy.

    Its keys and values are kept while it writes, as long as all sequences are equally long;
    otherwise it reads them anew. Dropout is off.

    Parameters
    ----------
    observation_space : Dict
        Of "tokens" and "mask".
    action_space : Discrete
        The vocabulary, or the first tokens of the model's.
    lr_schedule : callable
        Learning rate by the progress remaining.
    make_model : callable
        Makes the model, as ``lambda: AutoModelForCausalLM.from_pretrained(name)``. It is kept in
        saved files; the weights are saved beside it.
    optimizer_class : type of Optimizer, default=AdamW
        Of the parameters.
    optimizer_kwargs : dict, optional
        Its further options.

    Raises
    ------
    TypeError
        If it makes no causal language model.
    ValueError
        If the spaces are of other kinds, or the model knows fewer tokens or places than they have.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Schedule,
        *,
        make_model: Callable[[], Any],
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.AdamW,
        optimizer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self._make_model = make_model
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            optimizer_class=optimizer_class,
            optimizer_kwargs=optimizer_kwargs,
        )

    def _build_network(self) -> None:
        model = self._make_model()
        if not (isinstance(model, torch.nn.Module) and callable(getattr(model, "generate", None))):
            raise TypeError(
                "HuggingFacePolicy: make_model must return a causal language model of "
                f"transformers, got a {type(model).__name__}. Return one of AutoModelForCausalLM."
            )
        n_tokens = int(self.observation_space["tokens"].high.max()) + 1  # type: ignore[index]
        limits = {
            "vocab_size": n_tokens,
            "max_position_embeddings": self.n_positions,
        }
        for name, least in limits.items():
            if getattr(model.config, name, least) < least:
                raise ValueError(
                    f"HuggingFacePolicy: the model's {name} must be {least} or more, got "
                    f"{getattr(model.config, name)}. The environment has as many."
                )
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0  # or the ratio of new to old policy would be noise
        self.model = model

    def _get_constructor_parameters(self) -> dict[str, Any]:
        data = super()._get_constructor_parameters()
        kept = ("observation_space", "action_space", "optimizer_class", "optimizer_kwargs")
        return {name: data[name] for name in (*kept, "lr_schedule")} | {
            "make_model": self._make_model
        }

    def _logits_at(self, tokens: Tensor, lengths: Tensor, row: Tensor, place: Tensor) -> Tensor:
        tokens = tokens[:, : int(lengths.max())]
        logits = self.model(input_ids=tokens, use_cache=False).logits
        asked = logits.flatten(0, 1).index_select(0, row * tokens.shape[1] + place)
        return self._of_actions(asked)

    def _of_actions(self, logits: Tensor) -> Tensor:
        """Those of the tokens that can be chosen."""
        return logits[:, : int(self.action_space.n)].float()  # type: ignore[attr-defined]

    def _logits_on(self, tokens: Tensor, lengths: Tensor, steps: Any) -> Tensor:
        n_tokens = int(lengths[0])
        if not bool((lengths == n_tokens).all()):
            steps.memory = None
            return super()._logits_on(tokens, lengths, steps)
        is_next = (
            steps.memory is not None
            and len(steps.lengths) == len(tokens)
            and int(steps.lengths[0]) + 1 == n_tokens
            and bool(steps.goes_on(tokens, lengths).all())
        )
        given = tokens[:, n_tokens - 1 : n_tokens] if is_next else tokens[:, :n_tokens]
        past = steps.memory if is_next else None
        done = self.model(input_ids=given, past_key_values=past, use_cache=True)
        steps.memory, steps.tokens, steps.lengths = done.past_key_values, tokens, lengths
        return self._of_actions(done.logits[:, -1])
