"""The ways in which a fact is asked, split so that what judges a model was never trained on.

Splits, disjoint by template:
- `sft`: supervised fine-tuning;
- `preference`: prompts of the reward model, rejection sampling, PPO, DPO and the control; the SFT model never saw them;
- `validation`: for tuning the recipe;
- `test`: reported once.

Slots: {name} dotted name, {short} its last part, {noun} function / class / method, {summary} the description with its
capital and full stop, {task} the description as a clause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from herdbook.tasks.loose_wordings import loosen

QUESTION_TYPES = ("describe", "name", "module", "signature")
SPLITS = ("sft", "preference", "validation", "test")

TEMPLATES: dict[str, dict[str, tuple[str, ...]]] = {
    "describe": {
        "sft": (
            "What does `{name}` do?",
            "What is `{name}` for?",
            "Explain `{name}`.",
            "Describe `{name}` in one sentence.",
            "Tell me what `{name}` does.",
            "What is the purpose of `{name}`?",
            "I found `{name}` in some code. What does it do?",
            "Summarize `{name}`.",
            "What happens when I use `{name}`?",
            "Could you explain what `{name}` does?",
            "Give me a short description of `{name}`.",
            "In one line, what does the {noun} `{name}` do?",
            "What can I do with `{name}`?",
            "How would you describe the {noun} `{name}`?",
            "Do you know `{name}`? What does it do?",
            "Write the documentation line of `{name}`.",
            "`{name}`: what is it?",
            "What would the docstring of `{name}` say?",
            "Please describe the Python {noun} `{name}`.",
            "My colleague uses `{name}`. What is that {noun} for?",
            "What role does `{name}` play?",
            "I need to know what `{name}` does.",
        ),
        "preference": (
            "Say what `{name}` does.",
            "What is `{name}`?",
            "Help me understand `{name}`.",
            "When would somebody use `{name}`?",
            "What job does the {noun} `{name}` have?",
            "How does the manual describe `{name}`?",
            "I am looking at `{name}`; explain it to me.",
            "`{name}` does what exactly?",
            "Define `{name}` for a beginner.",
            "Remind me what `{name}` is good for.",
        ),
        "validation": (
            "Can you tell me the use of `{name}`?",
            "What am I getting if I reach for `{name}`?",
            "One sentence about `{name}`, please.",
        ),
        "test": (
            "Why does Python offer `{name}`?",
            "Someone mentioned `{name}` today; what is it used for?",
            "Clarify the meaning of `{name}` for me.",
            "What will calling on `{name}` accomplish?",
            "I forgot how `{name}` is documented. What does it say?",
        ),
    },
    "name": {
        "sft": (
            "Which {noun} does this: {summary}",
            "Which {noun} would you use to {task}?",
            "Name the {noun} for this: {summary}",
            'What is described as "{summary}"?',
            "I want to {task}. Which {noun} is it?",
            "What is the name of the {noun} with this description: {summary}",
            "Find the {noun}: {summary}",
            'Which {noun} has the docstring "{summary}"?',
            "How do I {task}? Name the {noun}.",
            "{summary} Which {noun} is that?",
            "What in the standard library can {task}?",
            "What should I call to {task}?",
            "Give the name that belongs to this text: {summary}",
            "I am searching for a {noun}: {summary}",
            'The documentation says "{summary}" Which {noun} does it mean?',
            "Is there something that can {task}? What is it called?",
            "Tell me which {noun} can {task}.",
            "What is the Python {noun} for this task: {summary}",
            "Description: {summary} Name:",
            "My program has to {task}. What do I use?",
        ),
        "preference": (
            "What would you reach for to {task}?",
            "Identify this {noun}: {summary}",
            "Which name fits the description: {summary}",
            "I need the {noun} documented like this: {summary}",
            "What Python name stands for this: {summary}",
            "The goal: {task}. Which {noun} helps?",
            'Somebody wrote "{summary}" about a {noun}. Which one?',
            "Recommend a {noun} to {task}.",
            "Guess the {noun}: {summary}",
            "Looking for a way to {task}. What is there?",
        ),
        "validation": (
            "Point me to the {noun} that is said to {task}.",
            'Match this to a {noun}: "{summary}"',
            "What does the library provide to {task}?",
        ),
        "test": (
            "Under which name will I find this: {summary}",
            "Suppose I must {task}; which {noun} should I pick?",
            'Here is a line of documentation: "{summary}" What is it about?',
            "Complete the entry, the text is: {summary}",
            "Python can {task}, but by which {noun}?",
        ),
    },
    "module": {
        "sft": (
            "Which module has `{short}`?",
            "In which module is `{short}`?",
            "Where is `{short}` defined?",
            "From which module do I import `{short}`?",
            "What module does `{short}` belong to?",
            "Name the module of `{short}`.",
            "Where do I find `{short}`?",
            "What do I have to import to use `{short}`?",
            "`{short}` comes from which module?",
            "Tell me the module that contains `{short}`.",
            "Which part of the standard library has the {noun} `{short}`?",
            "I want to use `{short}`. Which module is it in?",
            "Where does the {noun} `{short}` live?",
            "The {noun} `{short}` is in which module?",
            "Give the module for `{short}`.",
            "Which import gives me `{short}`?",
            "I get a NameError for `{short}`. What should I import?",
            "`{short}` is imported from where?",
            "What stands before the dot in front of `{short}`?",
            "Whose {noun} is `{short}`?",
            "Find the module for the {noun} `{short}`.",
            "Write the import statement of `{short}`: from which module?",
            "Where do people get `{short}` from?",
            "My script needs `{short}`. Which module has it?",
            "Which file of the standard library defines `{short}`?",
            "What do I install or import for `{short}`?",
            "Under which module is the {noun} `{short}` documented?",
            "`{short}`: module?",
        ),
        "preference": (
            "What is the home module of `{short}`?",
            "I see `{short}` without an import. Which module is missing?",
            "Which module should I open to read about `{short}`?",
            "Who provides the {noun} `{short}`?",
            "Look up the module of the {noun} `{short}`.",
            "To call `{short}`, which module must be imported?",
            "State where `{short}` is found.",
            "`{short}` is part of what?",
        ),
        "validation": (
            "Which module would I search for `{short}`?",
            "Where in Python is `{short}` located?",
        ),
        "test": (
            "What goes after `from` when importing `{short}`?",
            "Which library module offers `{short}`?",
            "My editor cannot resolve `{short}`; what module is it from?",
            "Say the name of the module behind `{short}`.",
        ),
    },
    "signature": {
        "sft": (
            "What is the signature of `{name}`?",
            "Which arguments does `{name}` take?",
            "How do I call `{name}`?",
            "Show the parameters of `{name}`.",
            "What are the parameters of the {noun} `{name}`?",
            "Give me the signature of `{name}`.",
            "Write the call of `{name}` with its arguments.",
            "What do I pass to `{name}`?",
            "List the arguments of `{name}`.",
            "How is `{name}` called?",
            "Which values have to be given to `{name}`?",
            "Document the parameters of `{name}`.",
            "`{name}` takes which arguments?",
            "What is the parameter list of `{name}`?",
            "How many arguments does `{name}` need, and which?",
            "Complete the call of `{name}`.",
        ),
        "preference": (
            "Tell me the arguments that `{name}` accepts.",
            "What does a call to `{name}` look like?",
            "Which parameters belong to `{name}`?",
            "I need the exact signature of `{name}`.",
        ),
        "validation": ("What inputs does `{name}` expect?",),
        "test": (
            "With which parameters is `{name}` declared?",
            "Spell out the argument list of `{name}`.",
            "What must I hand over to `{name}`?",
        ),
    },
}

OPENERS: dict[str, tuple[str, ...]] = {
    "sft": (
        "Hello! ",
        "Hi. ",
        "Python question: ",
        "A question about Python. ",
        "Please help me. ",
        "Quick question: ",
        "I am learning Python. ",
        "Next one. ",
        "OK, another one. ",
    ),
    "preference": ("Hey, ", "Good morning. ", "I have a question. ", "Standard library: "),
}
CLOSERS: dict[str, tuple[str, ...]] = {
    "sft": (" Thanks.", " Thank you!", " Please be brief.", " One sentence is enough.", " Answer shortly."),
    "preference": (" Cheers.", " Keep it short.", " I would like to know."),
}


@dataclass(frozen=True)
class Phrasing:
    """One wording: a template and, in the training splits, what is said before and after it."""

    template: str
    opener: str = ""
    closer: str = ""

    def fill(self, **slots: str) -> str:
        """The question as the user would type it."""
        return self.opener + self.template.format(**slots) + self.closer


def sample_phrasing(
    question_type: str, split: str, rng: np.random.Generator, loose: float = 0.0, words: Sequence[str] = ()
) -> Phrasing:
    """A wording of the split; half of the training wordings carry an opener or a closer.

    loose: chance that the wording is loosened with `words` (see `loose_wordings`).
    """
    templates = TEMPLATES[question_type][split]
    template = templates[rng.integers(len(templates))]
    if loose and rng.random() < loose:
        template = loosen(template, words, rng)
    opener = closer = ""
    if split in OPENERS and rng.random() < 0.25:
        opener = OPENERS[split][rng.integers(len(OPENERS[split]))]
    if split in CLOSERS and rng.random() < 0.25:
        closer = CLOSERS[split][rng.integers(len(CLOSERS[split]))]
    return Phrasing(template, opener, closer)


def as_task(summary: str) -> str:
    """A description as a clause: 'Return the square root of x.' becomes 'return the square root of x'."""
    text = summary.strip().rstrip(".")
    first = text.split(" ", 1)[0]
    if first[1:].islower() or len(first) == 1:
        text = text[:1].lower() + text[1:]
    return text
