"""CRC-32C equals the published vectors and a bit-by-bit twin, by either way to compute it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skextras.features.tfrecord.checksums import crc32c, crc32c_by_tables, masked_crc32c
from tests.oracles import tfrecord as oracle

WAYS = pytest.mark.parametrize("crc", [crc32c, crc32c_by_tables], ids=["quick", "tables"])
# RFC 3720, appendix B.4, and the check value of the CRC catalogue.
VECTORS = {
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
    b"123456789": 0xE3069283,
    b"": 0,
}


def array(data):
    return np.frombuffer(bytearray(data), np.uint8)


@WAYS
@pytest.mark.parametrize(("data", "expected"), VECTORS.items(), ids=range(len(VECTORS)))
def test_known_vectors(crc, data, expected):
    assert crc(array(data)) == expected == oracle.crc32c(data)


@WAYS
@settings(deadline=None)  # the first call compiles
@given(data=st.binary(max_size=100))
def test_any_bytes_equal_division_bit_by_bit(crc, data):
    assert crc(array(data)) == oracle.crc32c(data)


@settings(deadline=None)
@given(data=st.binary(max_size=100))
def test_the_mask_rotates_and_adds(data):
    assert masked_crc32c(array(data)) == oracle.masked_crc32c(data)
