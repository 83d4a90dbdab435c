"""The vocabulary file of llama2.c (`tok512.bin`): int32 longest length; per token float32 score, int32 length, bytes.

Source: `tokenizer.py` (method `export`) of the llama2.c project. Rows 0, 1, 2 are `<unk>`, `\\n<s>\\n`, `\\n</s>\\n`;
then come 256 byte rows, then pieces; a blank stands as a blank.
"""

from __future__ import annotations

import struct

from herdbook.errors import InputError
from herdbook.tokenizer.sentencepiece_file import BYTE, CONTROL, NORMAL, UNKNOWN, SentencePieceModel

FIRST_PIECE = 3 + 256


def parse_llama2c(content: bytes, where: str = "tokenizer.bin") -> SentencePieceModel:
    """Read such a file; InputError where it breaks off or does not begin with the special and byte rows."""
    pieces: list[str] = []
    scores: list[float] = []
    position = 4
    try:
        while position < len(content):
            score, size = struct.unpack_from("<fi", content, position)
            position += 8
            if not 0 <= size <= len(content) - position:
                raise struct.error(f"a token of {size} bytes at byte {position}")
            pieces.append(content[position : position + size].decode("utf-8").replace(" ", "\u2581"))
            scores.append(score)
            position += size
    except (struct.error, UnicodeDecodeError) as error:
        raise InputError(f"{where} is not a whole vocabulary of llama2.c ({error}).", key="tokenizer") from None
    if pieces[3:FIRST_PIECE] != [f"<0x{byte:02X}>" for byte in range(256)]:
        raise InputError(
            f"{where} is not a vocabulary of llama2.c: rows 3 to 258 are not the 256 bytes.", key="tokenizer"
        )
    n_pieces = len(pieces) - FIRST_PIECE
    return SentencePieceModel(
        pieces=("<unk>", "<s>", "</s>", *pieces[3:]),
        scores=tuple(scores),
        types=(UNKNOWN, CONTROL, CONTROL, *(BYTE,) * 256, *(NORMAL,) * n_pieces),
    )
