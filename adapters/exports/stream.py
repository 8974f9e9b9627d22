"""JSON read from front to back, one record at a time, whatever the size of the file."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from typing import Any

from adapters.exports.files import Damaged

MAX_RECORD = 32 * 2**20
"""Characters of one record; more is no chat message. Also the most that is held at a time."""

_CHUNK = 256 * 2**10
_SPACE = " \t\n\r"
_DELIMITERS = frozenset(",:]}" + _SPACE)

# `strict` off: control characters in strings occur in hand-made exports. NaN and Infinity are no values of ours.
_DECODER = json.JSONDecoder(strict=False, parse_constant=lambda _: None)


class JsonText:
    """A JSON text with a place in it that only moves forward.

    Every method raises Damaged where the text isn't JSON any more, or ends before its time.

    The standard decoder is called on a buffer that grows until one value fits. ijson would do the same job, but names
    the path to every value: 200,000 brackets cost it more than 20 GB. It also turns a lone surrogate into `?`.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        # Surrogates pass, to be replaced where a text is translated; a byte-order mark is left out.
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="surrogatepass").decode
        self._buffer = ""
        self._at = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that isn't space, not taken; empty at the end."""
        while True:
            while self._at < len(self._buffer):
                character = self._buffer[self._at]
                if character not in _SPACE:
                    return character
                self._at += 1
            if self._ended:
                return ""
            self._fill()

    def take(self, expected: str) -> str:
        """The next character that isn't space, which must be one of `expected`."""
        character = self.peek()
        if not character:
            raise Damaged("it is cut short")
        if character not in expected:
            raise Damaged("it is not valid JSON")
        self._at += 1
        return character

    def value(self) -> Any:
        """The next whole value."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except RecursionError:
                raise Damaged("it is nested too deeply to be an export") from None
            except ValueError:
                if self._ended:
                    raise Damaged("it is not valid JSON, or cut short") from None
            else:
                # What no delimiter follows may be the first digits of a number.
                if self._ended or self._buffer[end : end + 1] in _DELIMITERS:
                    self._at = end
                    return value
            if len(self._buffer) - self._at > MAX_RECORD:
                raise Damaged("it is not valid JSON, or one record in it is larger than any message")
            self._fill()

    def elements(self) -> Iterator[Any]:
        """The elements of the array whose `[` was just taken, one at a time."""
        if self.peek() == "]":
            self.take("]")
            return
        while True:
            yield self.value()
            if self.take(",]") == "]":
                return

    def _fill(self) -> None:
        rest = self._buffer[self._at :]
        # Twice what is held, so that a large value is tried a few times and not once a chunk.
        data = self._read(max(_CHUNK, len(rest)))
        self._ended = not data
        try:
            self._buffer = rest + self._decode(data, self._ended)
        except UnicodeDecodeError:
            raise Damaged("it is not UTF-8 text") from None
        self._at = 0
