"""A causal transformer, and the keys and values that it has seen."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu
from torch.utils.checkpoint import checkpoint

from rlextras.sequences.prefixes import Prefixes, prefixes_of
from rlextras.sequences.rotary import Turned, rotation, with_values


class Memory:
    """Keys and values of n sequences in every layer.

    Parameters
    ----------
    shape : tuple of (int, int, int, int, int)
        Layers, n, heads, positions, and the width of a head.
    device : device
        Where they live.
    """

    def __init__(self, shape: tuple[int, int, int, int, int], device: torch.device) -> None:
        n_layers, *rest = shape
        self.heads = torch.zeros(n_layers, 2, *rest, device=device)


class Block(nn.Module):
    """Attention to what came before, then a layer of its own for each position.

    Parameters
    ----------
    width : int
        Of the model.
    n_heads : int
        Heads.
    """

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.before_attention, self.before_layers = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.gather = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def projected(self, x: Tensor, turn: Tensor) -> Tensor:
        """Queries, keys and values.

        Parameters
        ----------
        x : Tensor of shape (N, D)
            What comes in.
        turn : Tensor of shape (2, N, 1, 1, d / 2)
            Of its positions.

        Returns
        -------
        Tensor of shape (N, 3, heads, d)
            The first two are turned.
        """
        n, width = x.shape
        heads = self.project(self.before_attention(x))
        heads = heads.view(n, 3, self.n_heads, width // self.n_heads)
        if torch.is_grad_enabled():
            return Turned.apply(heads, turn)
        return with_values(heads, *turn.unbind())

    def joined(self, x: Tensor, seen: Tensor) -> Tensor:
        """What goes out.

        Parameters
        ----------
        x : Tensor of shape (N, D)
            What came in.
        seen : Tensor of shape (N, D)
            What attention found.

        Returns
        -------
        Tensor of shape (N, D)
            For the next block.
        """
        x = x + self.gather(seen)
        return x + self.narrow(silu(self.widen(self.before_layers(x))))

    def forward(
        self, x: Tensor, turn: Tensor, prefixes: Prefixes, asked: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read prefixes.

        Parameters
        ----------
        x : Tensor of shape (N, D)
            What comes in.
        turn : Tensor of shape (2, N, 1, 1, d / 2)
            Of their places.
        prefixes : Prefixes
            Who sees whom.
        asked : LongTensor of shape (K,), optional
            Prefixes that anybody asks for; all if None.

        Returns
        -------
        x : Tensor of shape (K, D)
            For the next block.
        heads : Tensor of shape (N, 3, heads, d)
            Queries, keys and values.
        """
        heads = self.projected(x, turn)
        slots = heads.flatten(1).index_select(0, prefixes.slots.flatten())
        slots = slots.view(*prefixes.slots.shape, *heads.shape[1:])
        mask, (queries, keys, values) = prefixes.mask, slots.permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=mask is None
        )
        homes = prefixes.homes
        if asked is not None:
            x, homes = x.index_select(0, asked), homes[asked]
        seen = seen.transpose(1, 2).reshape(-1, x.shape[1]).index_select(0, homes)
        return self.joined(x, seen), heads


class CausalTransformer(nn.Module):
    """A transformer that predicts the next token from those before it.

    Attention turns its heads by rotary positions, which tell how far apart tokens are; a vector
    learnt for each position tells where they are. On tasks like reversing a word, rotary positions
    alone learn several times slower.

    Parameters
    ----------
    n_tokens : int
        Size of the vocabulary.
    n_positions : int
        The longest sequence.
    width : int
        Of the model; a multiple of twice the number of heads.
    n_layers : int
        Blocks.
    n_heads : int
        Heads of attention.
    has_checkpoints : bool
        Whether a backward pass computes the blocks anew, to keep less in memory.

    Raises
    ------
    ValueError
        If the width does not fit the heads.
    """

    def __init__(
        self,
        n_tokens: int,
        n_positions: int,
        *,
        width: int,
        n_layers: int,
        n_heads: int,
        has_checkpoints: bool = False,
    ) -> None:
        if width % (2 * n_heads):
            raise ValueError(
                f"CausalTransformer: width must be a multiple of 2 * n_heads = {2 * n_heads}, got "
                f"{width}. Rotary positions turn pairs of numbers."
            )
        super().__init__()
        self.n_positions, self.has_checkpoints = n_positions, has_checkpoints
        self.embed = nn.Embedding(n_tokens, width)
        self.place = nn.Embedding(n_positions, width)
        self.blocks = nn.ModuleList(Block(width, n_heads) for _ in range(n_layers))
        self.last_norm, self.head = nn.LayerNorm(width), nn.Linear(width, n_tokens, bias=False)
        self.register_buffer("turn", rotation(n_positions, width // n_heads), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:  # GPT-2's start: what adds up over layers begins smaller
                adds = name.endswith(("gather.weight", "narrow.weight"))
                nn.init.normal_(parameter, std=0.02 / (math.sqrt(2 * n_layers) if adds else 1.0))
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def memory(self, n: int) -> Memory:
        """Room for keys and values.

        Parameters
        ----------
        n : int
            Sequences.

        Returns
        -------
        Memory
            Of nothing yet.
        """
        block: Block = self.blocks[0]  # type: ignore[assignment]
        width = self.embed.embedding_dim // block.n_heads
        shape = (len(self.blocks), n, block.n_heads, self.n_positions, width)
        return Memory(shape, self.embed.weight.device)

    def forward(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Read whole sequences.

        Parameters
        ----------
        tokens : LongTensor of shape (n, T)
            Whatever follows the end of a sequence is not seen before it.
        first : int, default=0
            The first position that anybody asks for.

        Returns
        -------
        Tensor of shape (n, T - first, D)
            For the head.
        """
        n, n_places = tokens.shape
        row, place = torch.ones(n, n_places - first, device=tokens.device).nonzero(as_tuple=True)
        lengths = torch.full((n,), n_places, device=tokens.device)
        read = self.read_places(tokens, lengths, row, place + first)
        return read.view(n, n_places - first, -1)

    def read_places(self, tokens: Tensor, lengths: Tensor, row: Tensor, place: Tensor) -> Tensor:
        """Read sequences, whatever they have in common once, for what they say at some places.

        Parameters
        ----------
        tokens : LongTensor of shape (n, T)
            The sequences.
        lengths : LongTensor of shape (n,)
            Of each.
        row, place : LongTensor of shape (B,)
            Which sequences are asked, and where.

        Returns
        -------
        Tensor of shape (B, D)
            For the head.
        """
        prompts = torch.full_like(lengths, tokens.shape[1])
        prompts = prompts.scatter_reduce(0, row, place + 1, "amin").minimum(lengths)
        prefixes = prefixes_of(tokens, lengths, prompts)
        nodes, which = prefixes.rows[row, place].unique(return_inverse=True)
        return self._read(prefixes, nodes).index_select(0, which)

    def _read(self, prefixes: Prefixes, asked: Tensor, heads: list[Tensor] | None = None) -> Tensor:
        """What some prefixes say, (K, D); and heads of all of them, by block."""
        x = self.embed(prefixes.tokens) + self.place(prefixes.places)
        turn = self.turn[:, prefixes.places, None, None]  # type: ignore[index]
        for k, block in enumerate(self.blocks):
            given = x, turn, prefixes, asked if k == len(self.blocks) - 1 else None
            if self.has_checkpoints and torch.is_grad_enabled():
                x, own = checkpoint(block, *given, use_reentrant=False)
            else:
                x, own = block(*given)
            if heads is not None:
                heads.append(own)
        return self.last_norm(x)

    def begin(self, tokens: Tensor, lengths: Tensor, memory: Memory, rows: Tensor) -> Tensor:
        """Read the beginnings of some sequences, and remember their keys and values.

        Those that several sequences share, as the prompt of a group, are read once.

        Parameters
        ----------
        tokens : LongTensor of shape (n, T)
            The beginnings.
        lengths : LongTensor of shape (n,)
            Of each.
        memory : Memory
            Filled in.
        rows : LongTensor of shape (n,)
            Which sequences of the memory they are.

        Returns
        -------
        Tensor of shape (n, D)
            For the head.
        """
        prefixes = prefixes_of(tokens, lengths, lengths)
        heads: list[Tensor] = []
        last = prefixes.rows.gather(1, lengths[:, None] - 1)[:, 0]
        nodes, which = last.unique(return_inverse=True)
        read = self._read(prefixes, nodes, heads)
        n_places = prefixes.rows.shape[1]
        for k, own in enumerate(heads):
            memory.heads[k, :, rows, :, :n_places] = own[prefixes.rows, 1:].permute(2, 0, 3, 1, 4)
        return read.index_select(0, which)

    def go_on(self, tokens: Tensor, places: Tensor, memory: Memory, rows: Tensor) -> Tensor:
        """Read one more token of some sequences.

        Parameters
        ----------
        tokens : LongTensor of shape (n,)
            The tokens.
        places : LongTensor of shape (n,)
            Where they stand.
        memory : Memory
            Of what came before; it grows.
        rows : LongTensor of shape (n,)
            Which sequences of the memory they are.

        Returns
        -------
        Tensor of shape (n, D)
            For the head.
        """
        first, last = int(places.min()), int(places.max())
        is_all = len(rows) == memory.heads.shape[2]
        turn = self.turn[:, places, None, None]  # type: ignore[index]
        mask = None
        if first != last:
            mask = torch.arange(last + 1, device=places.device) <= places[:, None]
            mask = mask[:, None, None]  # (n, 1, 1, T)
        x = self.embed(tokens) + self.place(places)
        for k, block in enumerate(self.blocks):
            heads = block.projected(x, turn)  # type: ignore[operator]
            known = memory.heads[k]
            if is_all and mask is None:
                known[:, :, :, last] = heads[:, 1:].transpose(0, 1)
            else:
                known[:, rows, :, places] = heads[:, 1:]
                known = known if is_all else known[:, rows]
            keys, values = known[..., : last + 1, :].unbind()
            seen = scaled_dot_product_attention(heads[:, 0, :, None], keys, values, attn_mask=mask)
            x = block.joined(x, seen.flatten(1))  # type: ignore[operator]
        return self.last_norm(x)
