"""What people mean by the commonest emoji, as this project judged them, and texts with such emoji put in.

Labelled texts hold few emoji, and the ones they hold are mostly about tweets of ten years ago. So a text of training is
given some at random: an emoji that agrees with its label, one that says nothing, or, where the words alone are neutral,
one that decides.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from bot.analysis.tokens import Shape
from training.data import Example

NEGATIVE = "😞😔😟😕🙁☹😣😖😫😩😢😭😤😠😡🤬😱😨😰😥😓🤮🤢😒🙄😑👎💔💩🤦😿😾😪😵🖕🤕🤒😧😦🥺🥶🤯"
NEUTRAL = "👀👇👆👉👈📅📎📌🔗📝📊📈💻🖥📦🔧🛠⚙🏠☕🍕🕐🗓➡⬇⬆🔍🔄ℹ🤖🐍🐳🐙📢🎧🚧🤔📞📷🚗✈🏢🧵🔔🔒🧪"
POSITIVE = (
    "😀😃😄😁😆😊🙂😍🥰😘🤩🥳😎😇😌🤗😋❤🧡💛💚💙💜💖💕💯👍👏🙌🎉🎊🚀✨🌟⭐🔥💪🏆🥇😺😻🤝👌🍾🥂🙏💐😂🤣😜😝😛😹☺🎈💝"
)
MOCKING = "🙄😒🤡👎😤😡🤮🤬🤦💩"
"""After words of praise these say that it is none."""
CLASSES = (NEGATIVE, NEUTRAL, POSITIVE)


class Faces:
    """Puts emoji into examples. `ids_of` gives an emoji's word pieces; those that aren't one token are left out."""

    def __init__(self, ids_of: Callable[[str], Sequence[int]], chance: float) -> None:
        self._chance = chance
        self._tokens = [self._known(each, ids_of) for each in CLASSES]
        self._mocking = self._known(MOCKING, ids_of)

    @staticmethod
    def _known(emoji: str, ids_of: Callable[[str], Sequence[int]]) -> list[int]:
        return [ids[0] for one in emoji if len(ids := ids_of(one)) == 1]

    def into_text(self, example: Example, draw: random.Random) -> Example:
        """A labelled text, now and then with emoji, and with the label that it then has."""
        if draw.random() > self._chance:
            return example
        label = example.label
        kind = draw.choice((0, 1, 2)) if label == 1 else draw.choice((label, label, 1))
        tokens = self._tokens[kind]
        if label == 2 and draw.random() < 0.15:
            tokens, label = self._mocking, 0
        elif label == 1:
            label = kind
        drawn = [(draw.choice(tokens),)] * draw.choice((1, 1, 1, 2, 3))
        if label == kind and draw.random() < 0.1:
            return replace(example, words=tuple(drawn), shapes=(Shape.NONE,) * len(drawn), label=label)
        return _with(replace(example, label=label), drawn, draw)

    def into_sentence(self, example: Example, draw: random.Random) -> Example:
        """A sentence with its entities, now and then with emoji that belong to none."""
        if draw.random() > self._chance / 2:
            return example
        return _with(example, [(draw.choice(draw.choice(self._tokens)),)], draw)


def _with(example: Example, drawn: list[tuple[int]], draw: random.Random) -> Example:
    at = 0 if draw.random() < 0.15 else len(example.words)
    return replace(
        example,
        words=(*example.words[:at], *drawn, *example.words[at:]),
        shapes=(*example.shapes[:at], *(Shape.NONE for _ in drawn), *example.shapes[at:]),
        tags=None if example.tags is None else (*example.tags[:at], *(0 for _ in drawn), *example.tags[at:]),
    )
