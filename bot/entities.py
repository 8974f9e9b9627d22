"""When two spellings name the same thing."""

from __future__ import annotations

import re
import unicodedata

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u0060\u00b4\u2032", "'"))
_SEPARATORS = re.compile(r"[\s_\-\u00ad\u2010-\u2015\u2212]+")
_INVISIBLE = re.compile(
    r"[\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
)
_OPENING = "#'\"\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a([{<*~ "
_CLOSING = "'\"\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a)]}>*~ .,;:!?\u2026"


def canonical(name: str) -> str:
    """The form under which every spelling of `name` is counted: "Jenkins", "#jenkins" and "Jenkins’" are one.

    Unicode NFKC, case folded; without a leading '#', quotes, brackets, a possessive ending or closing punctuation;
    hyphens, underscores and white space are one space. What is part of a name stays: 'fly.io', '.net', 'c#', 'c++',
    and the plural of a product ('windows'). Applying it twice changes nothing. Empty only for a name without letters,
    digits or other content.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    folded = _SEPARATORS.sub(" ", _INVISIBLE.sub("", folded.translate(_APOSTROPHES)))
    # Stripping one layer can bare the next: "('Jenkins's')".
    while (bare := _possessor(folded.lstrip(_OPENING).rstrip(_CLOSING))) != folded:
        folded = bare
    return folded


def _possessor(name: str) -> str:
    return name[:-2] if name.endswith("'s") and len(name) > 2 else name
