"""Does a mixture that sees each row once come near to one that keeps them all?

Two million rows pass by in batches. Prints held-out log-likelihoods.
"""

import numpy as np

from skextras import GaussianMixture

BATCHES, ROWS = 40, 50_000


def batch(number):
    """Rows around five centres; the number is the seed."""
    centres = 3 * np.random.default_rng(0).standard_normal((5, 4))
    rng = np.random.default_rng(number)
    return rng.standard_normal((ROWS, 4)) + centres[rng.integers(5, size=ROWS)]


def main():
    """One pass by stepwise EM beside EM on a part that fits memory."""
    stream = GaussianMixture(5, n_init=3, random_state=0)
    for number in range(1, BATCHES + 1):
        stream.partial_fit(batch(number))
    held = batch(10_000)
    whole = GaussianMixture(5, n_init=3, random_state=0).fit(batch(1))
    print(f"stream of {BATCHES * ROWS} rows: {stream.score(held):.4f} nats a row")
    print(f"one batch, many passes:  {whole.score(held):.4f} nats a row")
    assert stream.score(held) > whole.score(held) - 0.003


if __name__ == "__main__":
    main()
