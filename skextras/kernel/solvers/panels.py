"""Compiled product of a symmetric matrix kept in panels, which reads each number once.

BLAS has such a product for a square half of whose memory is wasted, and one for packed triangles
that is half as fast.
"""

from typing import Any

from skextras.trees.compiling import compiled

__all__ = ["add_symmetric_product"]

REORDER = {"fastmath": {"contract", "reassoc", "nsz"}}  # sums in any order


@compiled(**REORDER)
def add_symmetric_product(panel: Any, v: Any, product: Any) -> None:
    """Add what the rows of a panel, and the columns that mirror them, give to K v.

    Rows are taken by four: v and the product are read once for them.

    Parameters
    ----------
    panel : ndarray of shape (n_panel, stop), C order
        Rows ``stop - n_panel`` to ``stop`` of K with all rows up to ``stop``.
    v : ndarray of shape (stop,) or more
        A vector in the panel's precision.
    product : ndarray of shape (stop,)
        Added to.
    """
    n_panel, stop = panel.shape
    start = stop - n_panel
    zero = panel.dtype.type(0)
    four = n_panel - n_panel % 4
    for i in range(0, four, 4):
        a, b, c, d = panel[i], panel[i + 1], panel[i + 2], panel[i + 3]
        k = start + i
        v_a, v_b, v_c, v_d = v[k], v[k + 1], v[k + 2], v[k + 3]
        sum_a, sum_b, sum_c, sum_d = zero, zero, zero, zero
        for j in range(start):
            x = v[j]
            sum_a += a[j] * x
            sum_b += b[j] * x
            sum_c += c[j] * x
            sum_d += d[j] * x
            product[j] += a[j] * v_a + b[j] * v_b + c[j] * v_c + d[j] * v_d
        product[k] += sum_a
        product[k + 1] += sum_b
        product[k + 2] += sum_c
        product[k + 3] += sum_d
    for i in range(four, n_panel):
        row, v_i, total = panel[i], v[start + i], zero
        for j in range(start):
            total += row[j] * v[j]
            product[j] += row[j] * v_i
        product[start + i] += total
    for i in range(n_panel):  # the square on the diagonal, both triangles
        row, total = panel[i], zero
        for j in range(start, stop):
            total += row[j] * v[j]
        product[start + i] += total
