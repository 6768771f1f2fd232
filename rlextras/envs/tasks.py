"""Tasks over tokens whose answers a few lines of code can check."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.random import Generator


class TokenTask(ABC):
    """A task over tokens; abstract.

    Attributes
    ----------
    words : sequence of str
        The vocabulary; token k is ``words[k]``.
    end : int or None
        The token that ends an answer; None if all answers are equally long.
    max_prompt : int
        The longest prompt.
    max_answer : int
        The longest answer, its end included.
    """

    words: Sequence[str]
    end: int | None = None
    max_prompt: int
    max_answer: int

    def __init_subclass__(cls, **options: object) -> None:
        """Let a class whose ``reward`` is newer than its ``rewards`` check one by one."""
        super().__init_subclass__(**options)
        owners = [vars(owner) for owner in cls.__mro__]
        newest = {
            name: next(k for k, own in enumerate(owners) if name in own)
            for name in ("reward", "rewards")
        }
        if newest["reward"] < newest["rewards"]:
            cls.rewards = TokenTask.rewards  # type: ignore[method-assign]

    @abstractmethod
    def prompt(self, rng: Generator) -> list[int]:
        """Draw a prompt.

        Parameters
        ----------
        rng : Generator
            What it is drawn with.

        Returns
        -------
        list of int
            Its tokens.
        """

    @abstractmethod
    def reward(self, prompt: Sequence[int], answer: Sequence[int]) -> float:
        """Check an answer.

        Parameters
        ----------
        prompt : sequence of int
            What was asked.
        answer : sequence of int
            What was written, without its end.

        Returns
        -------
        float
            In [0, 1]; 1 if it is right.
        """

    def rewards(self, texts: np.ndarray, n_asked: np.ndarray, n_written: np.ndarray) -> np.ndarray:
        """Check many answers, one by one; a task may state a quicker form that says the same.

        Parameters
        ----------
        texts : ndarray of int64, shape (n, T)
            Prompts, each with its answer behind it; what follows means nothing.
        n_asked : ndarray of int64, shape (n,)
            Tokens of each prompt.
        n_written : ndarray of int64, shape (n,)
            Tokens of each answer, without its end.

        Returns
        -------
        ndarray of float64, shape (n,)
            What ``reward`` says of each.
        """
        rows = zip(texts.tolist(), n_asked.tolist(), n_written.tolist(), strict=True)
        return np.array([self.reward(text[:k], text[k : k + n]) for text, k, n in rows], float)

    def encode(self, text: str) -> list[int]:
        """Tokens of a text whose words are single characters.

        Parameters
        ----------
        text : str
            The text.

        Returns
        -------
        list of int
            Its tokens.
        """
        return [self.words.index(character) for character in text]

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of tokens.

        Parameters
        ----------
        tokens : sequence of int
            The tokens.

        Returns
        -------
        str
            Their words in a row.
        """
        return "".join(self.words[token] for token in tokens)


class Reverse(TokenTask):
    """Write digits backwards: "1234:" wants "4321".

    Parameters
    ----------
    n_digits : int, default=4
        How many.

    Raises
    ------
    ValueError
        If there are none.
    """

    def __init__(self, n_digits: int = 4) -> None:
        _check_count("Reverse", n_digits)
        self.words = (*"0123456789", ":")
        self.max_prompt, self.max_answer = n_digits + 1, n_digits
        self._n_digits = n_digits

    def prompt(self, rng: Generator) -> list[int]:
        """Draw digits.

        Parameters
        ----------
        rng : Generator
            What they are drawn with.

        Returns
        -------
        list of int
            The digits and a colon.
        """
        return [*rng.integers(10, size=self._n_digits).tolist(), 10]

    def reward(self, prompt: Sequence[int], answer: Sequence[int]) -> float:
        """Share of digits that are right.

        Parameters
        ----------
        prompt : sequence of int
            The digits and a colon.
        answer : sequence of int
            What was written.

        Returns
        -------
        float
            In [0, 1].
        """
        return _share_right(answer, list(prompt[-2::-1]))

    def rewards(self, texts: np.ndarray, n_asked: np.ndarray, n_written: np.ndarray) -> np.ndarray:
        """Shares of digits that are right.

        Parameters
        ----------
        texts : ndarray of int64, shape (n, T)
            Prompts, each with its answer behind it.
        n_asked : ndarray of int64, shape (n,)
            Tokens of each prompt.
        n_written : ndarray of int64, shape (n,)
            Tokens of each answer.

        Returns
        -------
        ndarray of float64, shape (n,)
            In [0, 1].
        """
        row, place = np.arange(len(texts))[:, None], np.arange(self.max_answer)
        behind = n_asked[:, None]
        mirrored, here = behind - 2 - place, np.minimum(behind + place, texts.shape[1] - 1)
        is_right = texts[row, here] == texts[row, np.maximum(mirrored, 0)]
        is_right &= (mirrored >= 0) & (place < n_written[:, None])
        return is_right.sum(axis=1) / (n_asked - 1)


class Addition(TokenTask):
    """Add two numbers: "12+34=" wants "046", with leading zeros.

    Parameters
    ----------
    n_digits : int, default=2
        Digits of each number.

    Raises
    ------
    ValueError
        If there are none.
    """

    def __init__(self, n_digits: int = 2) -> None:
        _check_count("Addition", n_digits)
        self.words = (*"0123456789", "+", "=")
        self.max_prompt, self.max_answer = 2 * n_digits + 2, n_digits + 1
        self._n_digits = n_digits

    def prompt(self, rng: Generator) -> list[int]:
        """Draw two numbers.

        Parameters
        ----------
        rng : Generator
            What they are drawn with.

        Returns
        -------
        list of int
            The question.
        """
        first, second = rng.integers(10, size=(2, self._n_digits)).tolist()
        return [*first, 10, *second, 11]

    def reward(self, prompt: Sequence[int], answer: Sequence[int]) -> float:
        """Share of digits of the sum that are right.

        Parameters
        ----------
        prompt : sequence of int
            The question.
        answer : sequence of int
            What was written.

        Returns
        -------
        float
            In [0, 1].
        """
        first, second = self.decode(prompt)[:-1].split("+")
        total = str(int(first) + int(second)).zfill(self.max_answer)
        return _share_right(answer, self.encode(total))

    def rewards(self, texts: np.ndarray, n_asked: np.ndarray, n_written: np.ndarray) -> np.ndarray:
        """Shares of digits of the sums that are right.

        Parameters
        ----------
        texts : ndarray of int64, shape (n, T)
            Questions, each with its answer behind it.
        n_asked : ndarray of int64, shape (n,)
            Tokens of each question.
        n_written : ndarray of int64, shape (n,)
            Tokens of each answer.

        Returns
        -------
        ndarray of float64, shape (n,)
            In [0, 1].
        """
        n, first = self._n_digits, self.max_prompt
        if not ((n_asked == first).all() and (texts[:, n] == 10).all()):
            return super().rewards(texts, n_asked, n_written)  # numbers of other lengths
        wanted, carry = np.empty((len(texts), n + 1), np.int64), np.zeros(len(texts), np.int64)
        for k in range(n - 1, -1, -1):  # digit by digit: numbers may be longer than a word
            total = texts[:, k] + texts[:, n + 1 + k] + carry
            carry, wanted[:, k + 1] = np.divmod(total, 10)
        wanted[:, 0] = carry
        is_written = np.arange(n + 1) < n_written[:, None]
        is_right = (texts[:, first : first + n + 1] == wanted) & is_written
        return is_right.sum(axis=1) / (n + 1)


class Brackets(TokenTask):
    """Close what is open: "([" wants "])" and an end. Prompts are of different lengths.

    Parameters
    ----------
    max_open : int, default=4
        Brackets that may be open.

    Raises
    ------
    ValueError
        If none may be.
    """

    PAIRS: ClassVar[dict[str, str]] = {"(": ")", "[": "]"}

    def __init__(self, max_open: int = 4) -> None:
        _check_count("Brackets", max_open)
        self.words = ("(", ")", "[", "]", ".")
        self.end = 4
        self.max_prompt, self.max_answer = 2 * max_open, max_open + 1
        self._max_open = max_open

    def prompt(self, rng: Generator) -> list[int]:
        """Draw the beginning of a text.

        Parameters
        ----------
        rng : Generator
            What it is drawn with.

        Returns
        -------
        list of int
            With at least one bracket left open.
        """
        text, still_open = "", ""
        for _ in range(int(rng.integers(1, self.max_prompt + 1))):
            if len(still_open) == self._max_open == 1:
                break  # no other may be opened, and the only one stays open
            closes = len(still_open) > 1 and rng.random() < 0.4
            if closes or len(still_open) == self._max_open:
                text, still_open = text + self.PAIRS[still_open[-1]], still_open[:-1]
            else:
                bracket = "(["[int(rng.integers(2))]
                text, still_open = text + bracket, still_open + bracket
        return self.encode(text)

    def reward(self, prompt: Sequence[int], answer: Sequence[int]) -> float:
        """Share of the brackets that are right, up to the first wrong one.

        Parameters
        ----------
        prompt : sequence of int
            The beginning.
        answer : sequence of int
            What was written.

        Returns
        -------
        float
            In [0, 1]; 1 if the whole text is balanced and nothing is too much.
        """
        still_open = ""
        for character in self.decode(prompt):
            still_open = still_open + character if character in self.PAIRS else still_open[:-1]
        wanted = self.encode("".join(self.PAIRS[each] for each in reversed(still_open)))
        n_right = 0
        while n_right < min(len(answer), len(wanted)) and answer[n_right] == wanted[n_right]:
            n_right += 1
        return n_right / max(len(wanted), len(answer))


def _share_right(answer: Sequence[int], wanted: Sequence[int]) -> float:
    """Share of places that are right."""
    pairs = zip(answer, wanted, strict=False)
    return sum(one == other for one, other in pairs) / len(wanted)


def _check_count(owner: str, value: int) -> None:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{owner}: the size must be an int of 1 or more, got {value!r}.")
