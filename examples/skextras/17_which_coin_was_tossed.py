"""Which of two coins was tossed in each round? Your own model in three lines.

The example of Do and Batzoglou (Nature Biotechnology, 2008). Prints the biases of the coins.
"""

import numpy as np
from scipy.stats import binom

from skextras.mixture import EMModel, responsibilities


class TwoCoins(EMModel):
    """Rounds of ten tosses, each with a coin chosen in secret."""

    def e_step(self, heads, bias):
        """Probability of each coin in each round, and the log-likelihood."""
        return responsibilities(binom.logpmf(heads[:, None], 10, bias) + np.log(0.5))

    def m_step(self, heads, coin):
        """Share of heads of each coin."""
        return heads @ coin / (10 * coin.sum(axis=0))


def main():
    """Fit, plainly and accelerated."""
    heads, start = np.array([5, 9, 8, 4, 7]), np.array([0.6, 0.5])
    plain = TwoCoins().fit(heads, start, tol=1e-10)
    quick = TwoCoins().fit(heads, start, tol=1e-10, acceleration="squarem")
    print(f"biases {plain.parameters.round(2)} after {plain.n_iter} iterations")
    print(f"with SQUAREM after {quick.n_iter}")
    assert np.allclose(plain.parameters, [0.80, 0.52], atol=0.005)


if __name__ == "__main__":
    main()
