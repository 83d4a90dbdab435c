"""Learning merges at native speed (compiled by numba): every pair of neighbours is counted once, then kept up to date.

Each place of each distinct piece is a node of two lists: its neighbours in the piece, all places with the same pair.
Joining a pair visits only the places where it stands; a queue ordered by (count, ids) gives the next pair. Slow twin:
`slow_training.slow_train_ranks`.

Letters of shapes: N places (bytes of all distinct pieces), W pieces, S slots of the table of pairs (a power of 2).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_EMPTY = -1


@numba.njit(cache=True, nogil=True, inline="always")
def _find(keys_S: Any, key: Any) -> Any:
    """The slot of a pair, or the free slot where it belongs."""
    mask = keys_S.size - 1
    digest = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64((digest >> np.uint64(20)) & np.uint64(mask))
    while keys_S[slot] != _EMPTY and keys_S[slot] != key:
        slot = (slot + 1) & mask
    return slot


@numba.njit(cache=True, nogil=True)
def _larger_table(keys_S: Any, counts_S: Any, heads_S: Any) -> tuple[Any, Any, Any, int]:
    """A table with the pairs that still stand somewhere, at most a third full; and their number."""
    live = 0
    for slot in range(keys_S.size):
        if keys_S[slot] != _EMPTY and heads_S[slot] >= 0:
            live += 1
    size = 1 << 10
    while size < live * 3:
        size *= 2
    keys = np.full(size, _EMPTY, dtype=np.int64)
    counts = np.zeros(size, dtype=np.int64)
    heads = np.full(size, -1, dtype=np.int32)
    for slot in range(keys_S.size):
        if keys_S[slot] != _EMPTY and heads_S[slot] >= 0:
            new = _find(keys, keys_S[slot])
            keys[new], counts[new], heads[new] = keys_S[slot], counts_S[slot], heads_S[slot]
    return keys, counts, heads, live


@numba.njit(cache=True, nogil=True, inline="always")
def _before(count_a: int, key_a: int, count_b: int, key_b: int) -> bool:
    return count_a > count_b or (count_a == count_b and key_a < key_b)


@numba.njit(cache=True, nogil=True)
def _push(heap_counts: Any, heap_keys: Any, size: int, count: int, key: int) -> None:
    """Put an entry into a heap of `size` entries; the arrays have room."""
    at = size
    while at > 0:
        parent = (at - 1) >> 1
        if not _before(count, key, heap_counts[parent], heap_keys[parent]):
            break
        heap_counts[at], heap_keys[at] = heap_counts[parent], heap_keys[parent]
        at = parent
    heap_counts[at], heap_keys[at] = count, key


@numba.njit(cache=True, nogil=True)
def _pop(heap_counts: Any, heap_keys: Any, size: int) -> None:
    """Take the first entry out of a heap of `size` entries."""
    last = size - 1
    count, key = heap_counts[last], heap_keys[last]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= last:
            break
        if child + 1 < last and _before(
            heap_counts[child + 1], heap_keys[child + 1], heap_counts[child], heap_keys[child]
        ):
            child += 1
        if not _before(heap_counts[child], heap_keys[child], count, key):
            break
        heap_counts[at], heap_keys[at] = heap_counts[child], heap_keys[child]
        at = child
    heap_counts[at], heap_keys[at] = count, key


@numba.njit(cache=True, nogil=True, inline="always")
def _unlink(place: int, slot: int, heads_S: Any, same_next_N: Any, same_last_N: Any) -> None:
    after, before = same_next_N[place], same_last_N[place]
    if before >= 0:
        same_next_N[before] = after
    else:
        heads_S[slot] = after
    if after >= 0:
        same_last_N[after] = before


@numba.njit(cache=True, nogil=True, inline="always")
def _link(place: int, slot: int, heads_S: Any, same_next_N: Any, same_last_N: Any) -> None:
    head = heads_S[slot]
    same_next_N[place], same_last_N[place] = head, -1
    if head >= 0:
        same_last_N[head] = place
    heads_S[slot] = place


@numba.njit(cache=True, nogil=True)
def _token_hash(content: Any, start: int, size: int) -> Any:
    digest = np.uint64(14695981039346656037)
    for i in range(start, start + size):
        digest = (digest ^ np.uint64(content[i])) * np.uint64(1099511628211)
    return np.int64(digest >> np.uint64(1))


@numba.njit(cache=True, nogil=True)
def _enter_token(token_slots: Any, content: Any, ends: Any, token: int) -> int:
    """The id of the token with these bytes: `token` itself, entered now, or an older one with the same bytes."""
    start = ends[token - 1] if token > 0 else 0
    size = ends[token] - start
    mask = token_slots.size - 1
    slot = _token_hash(content, start, size) & mask
    while token_slots[slot] >= 0:
        other = token_slots[slot]
        begin = ends[other - 1] if other > 0 else 0
        if ends[other] - begin == size:
            same = True
            for i in range(size):
                if content[begin + i] != content[start + i]:
                    same = False
                    break
            if same:
                return other
        slot = (slot + 1) & mask
    token_slots[slot] = token
    return token


@numba.njit(cache=True, nogil=True, inline="always")
def _neighbours(piece_N: Any) -> tuple[Any, Any]:
    """The place behind each and the one before it in the same piece, -1 where there is none; int32."""
    n_places = piece_N.size
    next_N = np.empty(n_places, dtype=np.int32)
    last_N = np.empty(n_places, dtype=np.int32)
    for place in range(n_places):
        last_N[place] = place - 1 if place > 0 and piece_N[place - 1] == piece_N[place] else -1
        next_N[place] = place + 1 if place + 1 < n_places and piece_N[place + 1] == piece_N[place] else -1
    return next_N, last_N


@numba.njit(cache=True, nogil=True, inline="always")
def _pair_at(place: int, tokens_N: Any, next_N: Any) -> Any:
    """The pair of ids at a place and behind it, as one number."""
    return (np.int64(tokens_N[place]) << 32) | np.int64(tokens_N[next_N[place]])


@numba.njit(cache=True, nogil=True, inline="always")
def _count_pairs(
    tokens_N: Any, piece_N: Any, counts_W: Any, next_N: Any, same_next_N: Any, same_last_N: Any
) -> tuple[Any, Any, Any, int]:
    """The table of all pairs (keys, counts, first places) and how many there are; links places of the same pair."""
    keys_S = np.full(1 << 16, _EMPTY, dtype=np.int64)
    counts_S = np.zeros(1 << 16, dtype=np.int64)
    heads_S = np.full(1 << 16, -1, dtype=np.int32)
    filled = 0
    for place in range(tokens_N.size):
        if next_N[place] < 0:
            continue
        key = _pair_at(place, tokens_N, next_N)
        slot = _find(keys_S, key)
        if keys_S[slot] == _EMPTY:
            if filled * 2 > keys_S.size:
                keys_S, counts_S, heads_S, filled = _larger_table(keys_S, counts_S, heads_S)
                slot = _find(keys_S, key)
            keys_S[slot], counts_S[slot], heads_S[slot] = key, 0, -1
            filled += 1
        counts_S[slot] += counts_W[piece_N[place]]
        _link(place, slot, heads_S, same_next_N, same_last_N)
    return keys_S, counts_S, heads_S, filled


@numba.njit(cache=True, nogil=True, inline="always")
def _queue_of(keys_S: Any, counts_S: Any, room: int, min_count: int) -> tuple[Any, Any, int]:
    """The queue of all pairs that stand `min_count` times: counts, keys, and how many."""
    heap_counts = np.empty(max(1024, room), dtype=np.int64)
    heap_keys = np.empty(heap_counts.size, dtype=np.int64)
    size = 0
    for slot in range(keys_S.size):
        if keys_S[slot] != _EMPTY and counts_S[slot] >= min_count:
            _push(heap_counts, heap_keys, size, counts_S[slot], keys_S[slot])
            size += 1
    return heap_counts, heap_keys, size


@numba.njit(cache=True, nogil=True, inline="always")
def _room_for_tokens(content: Any, ends: Any, n_known: int, n_wanted: int) -> tuple[Any, Any, Any]:
    """(bytes, ends, table by bytes) of the known tokens, with room for those that will be learnt."""
    all_ends = np.zeros(max(n_wanted, n_known) + 1, dtype=np.int64)
    all_ends[:n_known] = ends[:n_known]
    all_content = np.empty(max(1 << 16, content.size * 2), dtype=np.uint8)
    all_content[: content.size] = content
    size = 1 << 10
    while size < 3 * all_ends.size:
        size *= 2
    token_slots = np.full(size, -1, dtype=np.int32)
    for token in range(n_known):
        _enter_token(token_slots, all_content, all_ends, token)
    return all_content, all_ends, token_slots


@numba.njit(cache=True, nogil=True)
def _grown(array: Any, used: int, least: int) -> Any:
    """A copy of the first `used` entries, with room for twice as many as before and `least` at least."""
    larger = np.empty(max(array.size * 2, least), dtype=array.dtype)
    larger[:used] = array[:used]
    return larger


@numba.njit(cache=True, nogil=True)
def _spell(all_content: Any, all_ends: Any, left: Any, right: Any, token: int) -> Any:
    """Write the bytes of `left` and `right` behind those of all tokens before `token`; the array, or a larger one."""
    start = all_ends[token - 1]
    for part in (left, right):
        begin = all_ends[part - 1] if part > 0 else 0
        size = all_ends[part] - begin
        if start + size > all_content.size:
            all_content = _grown(all_content, start, start + size)
        all_content[start : start + size] = all_content[begin : begin + size]
        start += size
    all_ends[token] = start
    return all_content


@numba.njit(cache=True, nogil=True)
def _places_of(head: int, same_next_N: Any, places: Any) -> tuple[Any, int]:
    """All places of a pair, and how many; `places` is used where it is large enough."""
    n = 0
    place = head
    while place >= 0:
        if n == places.size:
            places = _grown(places, n, n + 1)
        places[n] = place
        n += 1
        place = same_next_N[place]
    return places, n


@numba.njit(cache=True, nogil=True)
def learn_merges(
    tokens_N: Any, piece_N: Any, counts_W: Any, content: Any, ends: Any, n_known: int, n_wanted: int, min_count: int
) -> tuple[Any, Any, int]:
    """Join pairs until there are `n_wanted` tokens or no pair is left that stands `min_count` times.

    tokens_N: int32, ids that each piece consists of at first, piece after piece; used up. piece_N: int32, the piece of
    each place. counts_W: int64. content, ends: bytes of tokens 0 to n_known-1 one after another, and where each ends.
    Returns (content, ends, number of tokens) with the new tokens behind the known ones.
    """
    next_N, last_N = _neighbours(piece_N)
    same_next_N = np.full(tokens_N.size, -1, dtype=np.int32)
    same_last_N = np.full(tokens_N.size, -1, dtype=np.int32)
    keys_S, counts_S, heads_S, filled = _count_pairs(tokens_N, piece_N, counts_W, next_N, same_next_N, same_last_N)
    heap_counts, heap_keys, heap_size = _queue_of(keys_S, counts_S, filled * 2, min_count)
    all_content, all_ends, token_slots = _room_for_tokens(content, ends, n_known, n_wanted)
    places = np.empty(1024, dtype=np.int64)
    touched = np.empty(1024, dtype=np.int64)
    n_tokens = n_known
    while n_tokens < n_wanted and heap_size > 0:
        count, key = heap_counts[0], heap_keys[0]
        _pop(heap_counts, heap_keys, heap_size)
        heap_size -= 1
        slot = _find(keys_S, key)
        current = counts_S[slot] if keys_S[slot] == key else 0
        if current != count:
            if min_count <= current < count:
                _push(heap_counts, heap_keys, heap_size, current, key)
                heap_size += 1
            continue
        left, right = np.int32(key >> 32), np.int32(key & 0xFFFFFFFF)

        # the joined token: a new one, unless another pair has already made the same bytes
        all_content = _spell(all_content, all_ends, left, right, n_tokens)
        joined = np.int32(_enter_token(token_slots, all_content, all_ends, n_tokens))
        if joined == n_tokens:
            n_tokens += 1

        # the places where the pair stands, from left to right where it can overlap itself ("aaa")
        places, n = _places_of(heads_S[slot], same_next_N, places)
        if left == right:
            places[:n].sort()
        n_touched = 0
        for index in range(n):
            at = places[index]
            behind = next_N[at]
            if tokens_N[at] != left or behind < 0 or tokens_N[behind] != right:
                continue
            weight = counts_W[piece_N[at]]
            ahead, beyond = last_N[at], next_N[behind]
            for turn in range(3):  # the pair itself, and those with the neighbours on either side
                first = at if turn == 0 else ahead if turn == 1 else behind
                if first < 0 or next_N[first] < 0:
                    continue
                place_slot = _find(keys_S, _pair_at(first, tokens_N, next_N))
                counts_S[place_slot] -= weight
                _unlink(first, place_slot, heads_S, same_next_N, same_last_N)
            tokens_N[at], tokens_N[behind] = joined, -1
            next_N[at] = beyond
            if beyond >= 0:
                last_N[beyond] = at
            for turn in range(2):
                first = ahead if turn == 0 else at
                if first < 0 or next_N[first] < 0:
                    continue
                new = _pair_at(first, tokens_N, next_N)
                place_slot = _find(keys_S, new)
                if keys_S[place_slot] == _EMPTY:
                    if filled * 2 > keys_S.size:
                        keys_S, counts_S, heads_S, filled = _larger_table(keys_S, counts_S, heads_S)
                        place_slot = _find(keys_S, new)
                    keys_S[place_slot], counts_S[place_slot], heads_S[place_slot] = new, 0, -1
                    filled += 1
                if n_touched == 0 or touched[n_touched - 1] != new:
                    if n_touched == touched.size:
                        touched = _grown(touched, n_touched, n_touched + 1)
                    touched[n_touched] = new
                    n_touched += 1
                counts_S[place_slot] += weight
                _link(first, place_slot, heads_S, same_next_N, same_last_N)

        # pairs that have become more frequent, each once
        touched[:n_touched].sort()
        if heap_size + n_touched > heap_counts.size:
            heap_keys = _grown(heap_keys, heap_size, heap_size + n_touched)
            heap_counts = _grown(heap_counts, heap_size, heap_size + n_touched)
        for index in range(n_touched):
            if index > 0 and touched[index] == touched[index - 1]:
                continue
            now = counts_S[_find(keys_S, touched[index])]
            if now >= min_count:
                _push(heap_counts, heap_keys, heap_size, now, touched[index])
                heap_size += 1
    return all_content[: all_ends[n_tokens - 1]], all_ends[:n_tokens], n_tokens
