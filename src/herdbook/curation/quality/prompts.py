"""What the model is asked of a text, and how its answer becomes a score from 0 to 1."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from herdbook.errors import ConfigError
from herdbook.storage import canonical_json, sha256_bytes

PLACE = "{text}"

_GRADE = """\
How useful is the text below as a source for someone who wants to learn? Give a grade from 0 (useless: chat, \
advertising, insults) to 5 (excellent: clear, factual, well written).

Text: {text}

Answer with the grade alone."""

_YES_NO = """\
Text: {text}

Could this text stand in an encyclopedia or a textbook? Answer yes or no."""

_SORT = """\
You sort texts. Answer Yes if a text could stand in an encyclopedia, a textbook or a serious newspaper. Answer No if \
it is a chat message, a personal opinion, advertising or gossip."""

_EXAMPLES = (
    ("Granite is an igneous rock that forms when magma cools slowly underground. It consists mainly of quartz and "
     "feldspar.", "Yes"),
    ("hey r u coming 2nite?? call me asap lol", "No"),
    ("You people are all the same, always whining about taxes. Grow up.", "No"),
    ("The Treaty of Westphalia, signed in 1648, ended the Thirty Years' War in the Holy Roman Empire.", "Yes"),
    ("WIN a brand new phone!!! Text YES to 80082 now, only 50p per message", "No"),
    ("In probability theory, the variance measures how far values lie from their mean.", "Yes"),
    ("The mitochondrion is an organelle found in most eukaryotic cells; it produces most of the cell's chemical "
     "energy.", "Yes"),
    ("lol idk maybe ill come over later, u got the stuff?", "No"),
    ("21 Things Only People Who Love Pizza Will Understand", "No"),
    ("Lawmakers in Kenya approved a budget on Tuesday that raises spending on roads and schools.", "Yes"),
    ("I think this article is garbage. The author obviously knows nothing about how business works.", "No"),
    ("Chopin composed most of his works for solo piano, among them nocturnes, mazurkas and etudes.", "Yes"),
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A template with {text} in it, and the answers that are looked for, each with its worth from 0 to 1."""

    template: str
    worth: Mapping[str, float]
    instructions: str = ""
    """A message of the system before the question."""
    examples: tuple[tuple[str, str], ...] = ()
    """Texts with their answers, shown as earlier turns of the conversation."""

    def __post_init__(self) -> None:
        if self.template.count(PLACE) != 1:
            raise ConfigError(f"The prompt must hold {PLACE} exactly once.", key="prompt")
        if len(self.worth) < 2 or not all(c.strip() and 0 <= w <= 1 for c, w in self.worth.items()):
            raise ConfigError("At least two answers with a worth from 0 to 1 each are needed.", key="answers")

    @property
    def choices(self) -> tuple[str, ...]:
        return tuple(self.worth)

    @property
    def sha256(self) -> str:
        """Hash of everything that is asked beside the text: stands beside every label."""
        return sha256_bytes(canonical_json(self.to_json()))

    def to_json(self) -> dict[str, object]:
        """The question as it is stored."""
        examples = [list(pair) for pair in self.examples]
        return {
            "template": self.template, "answers": dict(self.worth), "instructions": self.instructions,
            "examples": examples,
        }  # fmt: skip

    def ask(self, text: str, max_words: int) -> list[dict[str, str]]:
        """The conversation that asks about a text, of which the first `max_words` words are shown."""
        words = re.finditer(r"\S+", text)
        end = next((m.end() for i, m in enumerate(words, 1) if i == max_words), len(text))
        turns = [{"role": "system", "content": self.instructions}] if self.instructions else []
        for shown, answer in self.examples:
            turns.append({"role": "user", "content": self.template.replace(PLACE, shown)})
            turns.append({"role": "assistant", "content": answer})
        return [*turns, {"role": "user", "content": self.template.replace(PLACE, text[:end].strip())}]

    def parse(self, answer: str) -> float | None:
        """The worth of the answer that is named first in a text, case and marks aside; None where none is."""
        found = []
        for choice, worth in self.worth.items():
            match = re.search(rf"(?<![\w.]){re.escape(choice.strip())}(?!\w|\.\d)", answer, re.IGNORECASE)
            if match:
                found.append((match.start(), worth))
        return min(found)[1] if found else None

    def expected(self, logprobs: Mapping[str, float]) -> float | None:
        """Expected worth under the probabilities of the answers, made to sum to 1; None where none is known."""
        known = {choice: value for choice, value in logprobs.items() if choice in self.worth and value > -math.inf}
        if not known:
            return None
        top = max(known.values())
        mass = {choice: math.exp(value - top) for choice, value in known.items()}
        return sum(mass[choice] * self.worth[choice] for choice in known) / sum(mass.values())


QUESTIONS: dict[str, Question] = {
    "examples": Question(PLACE, {"Yes": 1.0, "No": 0.0}, _SORT, _EXAMPLES),
    "grade": Question(_GRADE, {str(n): n / 5 for n in range(6)}),
    "yes_no": Question(_YES_NO, {"Yes": 1.0, "No": 0.0}),
}
"""`examples` shows twelve answered texts and serves small models; the others are for models that take instructions."""


def question_of(name: str, template: str = "", worth: Mapping[str, float] | None = None) -> Question:
    """A question by name, or one of the user's own template and answers. Raises ConfigError for what is none."""
    if template:
        if not worth:
            raise ConfigError(
                "A prompt of your own needs its answers.", key="answers", remedy="answers = {yes=1, no=0}"
            )
        return Question(template, dict(worth))
    if name not in QUESTIONS:
        raise ConfigError(
            f"There is no question {name!r}.", key="question", remedy=f"Questions: {', '.join(QUESTIONS)}."
        )
    return QUESTIONS[name]
