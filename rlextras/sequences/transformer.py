"""A causal transformer, and the keys and values that it has seen."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu
from torch.utils.checkpoint import checkpoint


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
        self.keys = torch.zeros(shape, device=device)
        self.values = torch.zeros(shape, device=device)


def rotation(n_positions: int, width: int) -> Tensor:
    """Cosines and sines by which a head is turned at each position.

    cos(m θ_i), sin(m θ_i) with θ_i = 10000^(-2i/d): eq. 15 of [1]_.

    Parameters
    ----------
    n_positions : int
        Positions m.
    width : int
        d, of a head; even.

    Returns
    -------
    Tensor of shape (2, n_positions, width / 2)
        Cosines, then sines.

    References
    ----------
    .. [1] J. Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021,
       https://arxiv.org/abs/2104.09864.
    """
    rates = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(n_positions)[:, None] * rates
    return torch.stack([angles.cos(), angles.sin()])


def rotated(heads: Tensor, turn: Tensor) -> Tensor:
    """Turn pairs of numbers by the angles of their positions: eq. 34 of RoFormer.

    Parameters
    ----------
    heads : Tensor of shape (..., T, d)
        Queries or keys; a pair is a number of the first half, and that of the second.
    turn : Tensor of shape (2, ..., T, d / 2)
        Cosines and sines.

    Returns
    -------
    Tensor of shape (..., T, d)
        Of the same lengths; products depend on the distance of positions alone.
    """
    cosine, sine = turn.unbind()
    first, second = heads.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


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

    def projected(self, x: Tensor, turn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values.

        Parameters
        ----------
        x : Tensor of shape (n, T, D)
            What comes in.
        turn : Tensor of shape (2, ..., T, d / 2)
            Of its positions.

        Returns
        -------
        tuple of Tensor, each of shape (n, heads, T, d)
            The first two are turned.
        """
        n, n_positions, width = x.shape
        shape = n, n_positions, 3, self.n_heads, width // self.n_heads
        both = self.project(self.before_attention(x)).view(shape).permute(2, 0, 3, 1, 4)
        queries, keys = rotated(both[:2], turn).unbind()
        return queries, keys, both[2]

    def joined(self, x: Tensor, seen: Tensor) -> Tensor:
        """What goes out.

        Parameters
        ----------
        x : Tensor of shape (n, T, D)
            What came in.
        seen : Tensor of shape (n, heads, T, d)
            What attention found.

        Returns
        -------
        Tensor of shape (n, T, D)
            For the next block.
        """
        x = x + self.gather(seen.transpose(1, 2).flatten(2))
        return x + self.narrow(silu(self.widen(self.before_layers(x))))

    def forward(self, x: Tensor, turn: Tensor, first: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Read whole sequences.

        Parameters
        ----------
        x : Tensor of shape (n, T, D)
            What comes in.
        turn : Tensor of shape (2, T, d / 2)
            Of positions 0 to T - 1.
        first : int, default=0
            The first position that anybody asks for.

        Returns
        -------
        x : Tensor of shape (n, T - first, D)
            For the next block.
        keys, values : Tensor of shape (n, heads, T, d)
            To be remembered.
        """
        queries, keys, values = self.projected(x, turn)
        seen = scaled_dot_product_attention(queries, keys, values, is_causal=True)
        return self.joined(x[:, first:], seen[:, :, first:]), keys, values


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
            The first position that anybody asks for: the last block leaves out those before.

        Returns
        -------
        Tensor of shape (n, T - first, D)
            For the head.
        """
        turn = self.turn[:, : tokens.shape[1]]  # type: ignore[index]
        x = self.embed(tokens) + self.place.weight[: tokens.shape[1]]
        for k, block in enumerate(self.blocks):
            begin = first if k == len(self.blocks) - 1 else 0
            if self.has_checkpoints and torch.is_grad_enabled():
                x, _, _ = checkpoint(block, x, turn, begin, use_reentrant=False)
            else:
                x, _, _ = block(x, turn, begin)
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
        n_positions = tokens.shape[1]
        both = torch.cat([tokens, lengths[:, None]], dim=1)
        unique, which = both.unique(dim=0, return_inverse=True)
        tokens, lengths = unique[:, :-1], unique[:, -1]
        turn, first = self.turn[:, :n_positions], int(lengths.min()) - 1  # type: ignore[index]
        x = self.embed(tokens) + self.place.weight[: tokens.shape[1]]
        for k, block in enumerate(self.blocks):
            begin = first if k == len(self.blocks) - 1 else 0
            x, keys, values = block(x, turn, begin)
            memory.keys[k, rows, :, :n_positions] = keys[which]
            memory.values[k, rows, :, :n_positions] = values[which]
        last = x[torch.arange(len(x), device=x.device), lengths - 1 - first]
        return self.last_norm(last)[which]

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
        is_all = len(rows) == memory.keys.shape[1]
        turn = self.turn[:, places][:, :, None, None]  # type: ignore[index]  # (2, n, 1, 1, d / 2)
        mask = None
        if first != last:
            mask = torch.arange(last + 1, device=places.device) <= places[:, None]
            mask = mask[:, None, None]  # (n, 1, 1, T)
        x = (self.embed(tokens) + self.place(places))[:, None]
        for k, block in enumerate(self.blocks):
            queries, key, value = block.projected(x, turn)  # type: ignore[operator]
            keys, values = memory.keys[k], memory.values[k]
            if is_all and mask is None:
                keys[:, :, last], values[:, :, last] = key[:, :, 0], value[:, :, 0]
            else:
                keys[rows, :, places], values[rows, :, places] = key[:, :, 0], value[:, :, 0]
                if not is_all:
                    keys, values = keys[rows], values[rows]
            seen = scaled_dot_product_attention(
                queries, keys[:, :, : last + 1], values[:, :, : last + 1], attn_mask=mask
            )
            x = block.joined(x, seen)  # type: ignore[operator]
        return self.last_norm(x[:, 0])
