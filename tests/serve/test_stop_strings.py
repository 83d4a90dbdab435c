"""Stop strings across pieces."""

from hypothesis import given
from hypothesis import strategies as st

from herdbook.serve.stop_strings import StopStrings


@given(
    st.lists(st.text("ab", max_size=4), max_size=8),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
)
def test_pieces_joined_are_the_text_before_the_first_stop(pieces, stops):
    stop = StopStrings(stops)
    shown = "".join(stop.push(piece, last=index == len(pieces) - 1) for index, piece in enumerate(pieces))
    text = "".join(pieces)
    # The stop that is complete first wins; pieces are looked at as they come, as a token may bring several characters.
    seen, expected = "", text
    for piece in pieces:
        seen += piece
        starts = [seen.find(s) for s in stops if s in seen]
        if starts:
            expected = seen[: min(starts)]
            break
    assert shown == expected
    assert stop.found == any(s in text for s in stops)


def test_only_what_may_become_a_stop_is_held_back():
    stop = StopStrings(["END", "\n\n"])
    assert stop.push("one E") == "one "
    assert stop.push("N") == ""
    assert stop.push("D of") == ""
    assert stop.found
    stop = StopStrings(["END"])
    assert stop.push("E") == ""
    assert stop.push("x") == "Ex"
    assert stop.push("E", last=True) == "E"
