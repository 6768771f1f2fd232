"""FarmHash's 64-bit fingerprint of bytes [1]_, and the way in which TensorFlow joins two of them.

The numbers are part of files that people keep: they never change, and equal those that
TensorFlow's ``string_to_hash_bucket_fast`` and ``sparse_cross_hashed`` compute.

.. [1] G. Pike, "Introducing FarmHash", Google Open Source Blog, 2014.
"""

import numpy as np

from skextras.features.kernels.words import folded, mixed, rotated, word32, word64
from skextras.trees.compiling import compiled, inner

U = np.uint64
K0, K1, K2 = U(0xC3A5C85C97CB3127), U(0xB492B66FBE98F273), U(0x9AE16A3B2F90404F)
JOIN = U(0xC6A4A7935BD1E995)  # the multiplier of MurmurHash2
CROSS_SEED = U(0xDECAFCAFFE)  # TensorFlow's hash_key of crosses


@inner
def _pair(u: np.uint64, v: np.uint64, times: np.uint64) -> np.uint64:
    """Two words as one."""
    return folded((v ^ folded((u ^ v) * times)) * times) * times


@inner
def _to_16(data: np.ndarray, at: int, n: int) -> np.uint64:
    """Of 0 to 16 bytes."""
    length = U(n)
    times = K2 + length * U(2)
    if n >= 8:
        a, b = word64(data, at) + K2, word64(data, at + n - 8)
        return _pair(rotated(b, U(37)) * times + a, (rotated(a, U(25)) + b) * times, times)
    if n >= 4:
        return _pair(length + (word32(data, at) << U(3)), word32(data, at + n - 4), times)
    if n > 0:
        start = U(data[at]) + (U(data[at + (n >> 1)]) << U(8))
        end = length + (U(data[at + n - 1]) << U(2))
        return folded((start * K2) ^ (end * K0)) * K2
    return K2


@inner
def _to_32(data: np.ndarray, at: int, n: int) -> np.uint64:
    """Of 17 to 32 bytes."""
    times = K2 + U(n) * U(2)
    a, b = word64(data, at) * K1, word64(data, at + 8)
    c, d = word64(data, at + n - 8) * times, word64(data, at + n - 16) * K2
    u = rotated(a + b, U(43)) + rotated(c, U(30)) + d
    return _pair(u, a + rotated(b + K2, U(18)) + c, times)


@inner
def _to_64(data: np.ndarray, at: int, n: int) -> np.uint64:
    """Of 33 to 64 bytes."""
    times = K2 + U(n) * U(2)
    a, b = word64(data, at) * K2, word64(data, at + 8)
    c, d = word64(data, at + n - 8) * times, word64(data, at + n - 16) * K2
    y = rotated(a + b, U(43)) + rotated(c, U(30)) + d
    z = _pair(y, a + rotated(b + K2, U(18)) + c, times)
    e, f = word64(data, at + 16) * times, word64(data, at + 24)
    g, h = (y + word64(data, at + n - 32)) * times, (z + word64(data, at + n - 24)) * times
    u = rotated(e + f, U(43)) + rotated(g, U(30)) + h
    return _pair(u, e + rotated(f + a, U(18)) + g, times)


@inner
def _quarter(data: np.ndarray, at: int, a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """32 bytes, mixed into two words."""
    last = word64(data, at + 24)
    a += word64(data, at)
    b = rotated(b + a + last, U(21))
    before = a
    a += word64(data, at + 8) + word64(data, at + 16)
    return a + last, b + rotated(a, U(44)) + before


@inner
def _block(
    data: np.ndarray,
    at: int,
    state: tuple[np.uint64, ...],
    times: np.uint64,
    weight: np.uint64,
) -> tuple[np.uint64, ...]:
    """64 bytes, mixed into the seven words of the state."""
    x, y, z, v0, v1, w0, w1 = state
    x = rotated(x + y + v0 + word64(data, at + 8), U(37)) * times
    y = rotated(y + v1 + word64(data, at + 48), U(42)) * times
    x ^= w1 * weight
    y += v0 * weight + word64(data, at + 40)
    z = rotated(z + w0, U(33)) * times
    v0, v1 = _quarter(data, at, v1 * times, x + w0)
    w0, w1 = _quarter(data, at + 32, z + w1, y + word64(data, at + 16))
    return z, y, x, v0, v1, w0, w1


@inner
def _beyond_64(data: np.ndarray, at: int, n: int) -> np.uint64:
    """Of more than 64 bytes: whole blocks, then the last 64 bytes, which may overlap them."""
    x, y = U(81), U(81) * K1 + U(113)
    z = folded(y * K2 + U(113)) * K2
    zero = U(0)
    state = (x * K2 + word64(data, at), y, z, zero, zero, zero, zero)
    n_blocks = (n - 1) // 64
    for block in range(n_blocks):
        state = _block(data, at + 64 * block, state, K1, U(1))
    x, y, z, v0, v1, w0, w1 = state
    times = K1 + ((z & U(0xFF)) << U(1))
    w0 += U((n - 1) & 63)
    v0 += w0
    w0 += v0
    state = (x, y, z, v0, v1, w0, w1)
    x, y, z, v0, v1, w0, w1 = _block(data, at + n - 64, state, times, U(9))
    u = _pair(v0, w0, times) + folded(y) * K0 + z
    return _pair(u, _pair(v1, w1, times) + x, times)


@inner
def fingerprint(data: np.ndarray, at: int, n: int) -> np.uint64:
    """FarmHash's Fingerprint64 of n bytes."""
    if n <= 16:
        return _to_16(data, at, n)
    if n <= 32:
        return _to_32(data, at, n)
    if n <= 64:
        return _to_64(data, at, n)
    return _beyond_64(data, at, n)


@inner
def joined(first: np.uint64, second: np.uint64) -> np.uint64:
    """TensorFlow's FingerprintCat64: the hash of a pair; the order counts."""
    mixed = ((first ^ JOIN) ^ (folded(second * JOIN) * JOIN)) * JOIN
    return folded(folded(mixed) * JOIN)


@compiled
def fingerprints(offsets: np.ndarray, data: np.ndarray, out: np.ndarray) -> None:
    """Fingerprint of each string.

    Parameters
    ----------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each string starts; the last one's end.
    data : ndarray of uint8
        UTF-8 or any other bytes.
    out : ndarray of uint64 of shape (n,)
        The fingerprints.
    """
    for row in range(len(out)):
        out[row] = fingerprint(data, offsets[row], offsets[row + 1] - offsets[row])


@compiled
def buckets(offsets: np.ndarray, data: np.ndarray, n_buckets: int, out: np.ndarray) -> None:
    """Fingerprint of each string, modulo the number of buckets.

    Parameters
    ----------
    offsets : ndarray of int64 of shape (n + 1,)
        Where each string starts; the last one's end.
    data : ndarray of uint8
        Bytes.
    n_buckets : int
        At most 2**31 - 1.
    out : ndarray of int32 of shape (n,)
        The buckets.
    """
    modulus = U(n_buckets)
    for row in range(len(out)):
        word = fingerprint(data, offsets[row], offsets[row + 1] - offsets[row])
        out[row] = np.int32(word % modulus)


@compiled
def join(running: np.ndarray, words: np.ndarray, codes: np.ndarray, is_mixed: bool) -> bool:
    """Join a further column to the words of the crosses so far.

    Parameters
    ----------
    running : ndarray of uint64 of shape (n,)
        Changed in place.
    words : ndarray of uint64 of shape (n_levels,)
        Of the column's levels: fingerprints of text, or numbers themselves.
    codes : ndarray of int32 of shape (n,)
        Level of each row. What a row without one gets means nothing.
    is_mixed : bool
        Whether to join by SplitMix64's step, else as TensorFlow does.

    Returns
    -------
    bool
        Whether all rows have one.
    """
    lowest = np.int32(0)
    for row in range(len(running)):
        code = codes[row]
        lowest = min(lowest, code)
        word = words[max(code, np.int32(0))]
        running[row] = mixed(running[row] ^ word) if is_mixed else joined(running[row], word)
    return bool(lowest >= 0)


@compiled
def placed(words: np.ndarray, n_buckets: int, codes: np.ndarray, is_mixed: bool) -> None:
    """Words as buckets: the rest modulo their number, or the upper 32 bits as a share of it.

    Parameters
    ----------
    words : ndarray of uint64 of shape (n,)
        Hashes.
    n_buckets : int
        At most 2**31 - 1.
    codes : ndarray of int32 of shape (n,)
        Gets the buckets; stays as it is where it is negative.
    is_mixed : bool
        Whether by share: all bits of a mixed word are alike, and it takes no division.
    """
    modulus, half = U(n_buckets), U(32)
    for row in range(len(words)):
        if codes[row] >= 0:
            word = words[row]
            bucket = ((word >> half) * modulus) >> half if is_mixed else word % modulus
            codes[row] = np.int32(bucket)
