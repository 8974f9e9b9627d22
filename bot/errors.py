"""What can go wrong, as one tree.

    RoomtoneError                 anything Roomtone says to a person; its text says what to do next
    ├── ConfigurationError        a setting is missing, wrong or contradicts another
    │   ├── AlreadyRunning        another process works on this database
    │   ├── NoDatabase            there is none yet where one was to be read
    │   └── OtherKey              this database was made with another key
    ├── QuestionError             words that aren't a question we can answer; carries the nearest suggestion
    ├── ImportFileError           a file that can't be read as the export it claims to be
    ├── AnalysisError             no reading could be made
    │   ├── Unavailable           not now: try again later; the messages wait
    │   └── Refused               not ever for this text, while others are read: trying again won't help
    ├── StorageError              the database can't do what was asked
    │   ├── StorageBusy           locked or briefly unreachable: try again
    │   ├── StorageFull           no room, or a read-only disk: someone has to act
    │   └── NewerSchema           written by a newer Roomtone: this one must not touch it
    └── PlatformError             Slack or Discord refused, or could not be reached

Expected outcomes (too few messages, opted out) are values, not exceptions. No error's text holds a message's
words, a user's id or a token.
"""

from __future__ import annotations

from collections.abc import Sequence

FAILED = "Something went wrong on my side, and was noted. Please ask again."
"""What is said to somebody whose question failed in a way that nobody foresaw; the error's name is in the log."""


class RoomtoneError(Exception):
    """Anything that Roomtone says to a person; `str()` is a sentence that says what to do next."""


class ConfigurationError(RoomtoneError):
    """A setting is missing, wrong or contradicts another."""


class AlreadyRunning(ConfigurationError):
    """Another process works on this database."""


class NoDatabase(ConfigurationError):
    """There is no database yet where one was to be read."""


class OtherKey(ConfigurationError):
    """This database was made with another key than the installation's."""


class QuestionError(RoomtoneError):
    """Words that aren't a question we can answer.

    `suggestions` are at most three whole questions or names that were probably meant, best first.
    """

    def __init__(self, message: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.suggestions = tuple(suggestions)


class ImportFileError(RoomtoneError):
    """A file that can't be read as the export it claims to be."""


class AnalysisError(RoomtoneError):
    """No reading could be made."""


class Unavailable(AnalysisError):
    """Not now: try again later; the messages wait.

    `retry_after` is in seconds, where the other side named a time.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(AnalysisError):
    """Not ever for this text, while others are read: trying again won't help."""


class StorageError(RoomtoneError):
    """The database can't do what was asked."""


class StorageBusy(StorageError):
    """Locked or briefly unreachable: try again."""


class StorageFull(StorageError):
    """No room, or a read-only disk: someone has to act."""


class NewerSchema(StorageError):
    """Written by a newer Roomtone: this one must not touch it."""


class PlatformError(RoomtoneError):
    """Slack or Discord refused, or could not be reached."""
