"""dolma's taggers for Gopher's rules and C4's, driven over stdin by heuristics.py.

dolma wants an older numpy, so it has an environment of its own (.venv-bench-dolma).

The first argument names a JSON file with texts. Each line of input, two numbers, asks for the texts from one to the
other; the answer is the CPU seconds.
"""

import json
import sys
import time

from dolma.core.data_types import Document
from dolma.taggers.c4 import FasterC4Tagger
from dolma.taggers.gopher import GopherTaggerV2


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        documents = [Document(source="x", id=str(i), text=text) for i, text in enumerate(json.load(file))]
    taggers = [GopherTaggerV2(), FasterC4Tagger()]
    print("ready", flush=True)
    for line in sys.stdin:
        start, stop = map(int, line.split())
        began = time.process_time()
        for document in documents[start:stop]:
            for tagger in taggers:
                tagger.predict(document)
        print(time.process_time() - began, flush=True)


main()
