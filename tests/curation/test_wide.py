"""Many bytes at a time, against a byte at a time."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herdbook.curation import wide


@numba.njit
def _looked_at(text, i):
    space = np.uint8(32)
    return (
        wide.eight(text, i), wide.within(text, i, 0x80, 0xBF), wide.letter(text, i, 97),
        wide.first_bit(wide.within(text, i, space, space)), wide.n_bits(wide.letter(text, i, 122)),
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=wide.LEAST, max_size=200), st.data())
def test_eight_and_sixty_four_bytes(data, draw):
    i = draw.draw(st.integers(0, len(data) - 1))
    part = data[i : i + 64]
    assert _looked_at(np.frombuffer(data, np.uint8), i) == (
        int.from_bytes(data[i : i + 8], "little"),
        sum((0x80 <= byte <= 0xBF) << k for k, byte in enumerate(part)),
        sum((byte in b"aA") << k for k, byte in enumerate(part)),
        next((k for k, byte in enumerate(part) if byte == 32), 64),
        sum(byte in b"zZ" for byte in part),
    )


@given(st.binary(min_size=wide.LEAST, max_size=100), st.data())
def test_digest_equals_its_twin_and_sees_every_byte(data, draw):
    start = draw.draw(st.integers(0, len(data)))
    stop = draw.draw(st.integers(start, len(data)))
    found = wide.digest(np.frombuffer(data, np.uint8), start, stop)
    assert found == wide.digest_of(data[start:stop])
    for at in range(start, stop):
        changed = bytearray(data)
        changed[at] ^= 1
        assert wide.digest(np.frombuffer(bytes(changed), np.uint8), start, stop) != found


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65])
def test_lowest_and_padded(n):
    assert wide.lowest(n) == (1 << min(n, 64)) - 1
    data = wide.padded(np.arange(n, dtype=np.uint8))
    assert len(data) == max(n, wide.LEAST)
    assert data[:n].tolist() == list(range(n))
    assert not data[n:].any()


@numba.njit
def _rewritten(text, out):
    word = wide.eight(text, 0)
    wide.put_eight(out, 1, wide.lower_8(word))
    return wide.n_single_blanks(word), wide.n_letters(word)


@given(st.lists(st.sampled_from([*b"aAzZ@[`{ !\t\n~0", 0, 0x7F, 0x80, 0xC1, 0xFF]), min_size=8, max_size=8).map(bytes))
def test_eight_in_lower_case_and_what_they_are(data):
    out = np.zeros(10, np.uint8)
    blanks, letters = _rewritten(np.frombuffer(data.ljust(wide.LEAST), np.uint8), out)
    assert out.tobytes() == b"\0" + data.lower() + b"\0"
    plain = [32 <= byte < 128 and not (byte == 32 and data[:k].endswith(b" ")) for k, byte in enumerate(data)]
    assert blanks == (plain + [False]).index(False)
    assert letters == [*(bytes([byte]).isalpha() for byte in data), False].index(False)
