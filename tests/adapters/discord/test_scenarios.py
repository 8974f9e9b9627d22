"""What the adapter must survive, by number, and that each has its tests on the servers that can play it.

A test says in its name which scenario it plays (`test_12_…`), its module on what.
"""

from __future__ import annotations

import re
from pathlib import Path

SCENARIOS = {
    1: ("a message's whole life, in any order and repetition", "SG"),
    2: ("a deletion before its message, in bulk, in a thread never seen", "G"),
    3: ("resumed and lost sessions, every close code", "G"),
    4: ("a silent socket, a server that is down or hangs at the start", "G"),
    5: ("payloads that cannot be read, and kinds of things nobody has heard of", "GP"),
    6: ("a database that fails and recovers", "G"),
    7: ("a kill in a burst, and much that was missed", "G"),
    8: ("what changed while we were away", "SG"),
    9: ("updates that are no edits, and edits to nothing", "PG"),
    10: ("every shape of a message", "P"),
    11: ("every kind of channel and thread", "SG"),
    12: ("every way of being mentioned", "SP"),
    13: ("missing rights, and questions that are gone", "S"),
    14: ("no answer pings", "S"),
    15: ("the limits of an answer", "P"),
    16: ("the button, pressed by anybody, at any time", "S"),
    17: ("a post whose answer got lost", "G"),
    18: ("channels that the asker, or the room, cannot see", "S"),
    19: ("opting out at any moment; a server that removed us", "S"),
    20: ("the intent for what messages say is off", "S"),
    21: ("channels started, stopped, moved, and their threads", "S"),
    22: ("exports, alone and beside live reading", "P"),
    23: ("a blocked loop; nothing private in logs", "G"),
}
"""Each scenario, and on what it is played: (S)imcord, the local (G)ateway, or pure functions (P)."""

MODULES = {
    "behaviour": "S", "reading": "S", "events": "G", "faults": "G", "gateway": "G", "history": "G", "intake": "G",
    "replay": "G", "digests": "G", "checks": "G", "oddities": "G", "interactions": "G", "render": "P", "translate": "P",
    "exports": "P",
}  # fmt: skip

EXEMPT = {
    "8, reactions": "Discord's history holds totals without people, so reactions that were missed stay missed.",
    "8, old changes": "Edits and deletions older than 48 hours aren't looked for: each would cost a page of history.",
    "20, empty content": "Without the intent Discord refuses the connection, so no empty content arrives to be read.",
}
"""What cannot hold, and why."""


def played() -> set[tuple[int, str]]:
    """Which scenarios are played on what."""
    found = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        names = re.findall(r"^(?:async )?def test_((?:[0-9]+_(?:and_)?)+)", path.read_text(encoding="utf-8"), re.M)
        numbers = {int(number) for name in names for number in re.findall("[0-9]+", name)}
        found |= {(number, MODULES[path.stem.removeprefix("test_")]) for number in numbers}
    return found


def test_every_scenario_is_played_on_every_server_that_is_to_play_it():
    wanted = {(number, server) for number, (_, servers) in SCENARIOS.items() for server in servers}

    assert wanted - played() == set()
    assert {int(key.split(",")[0]) for key in EXEMPT} <= SCENARIOS.keys()
