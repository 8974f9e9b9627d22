"""Another model reads what was read before: on a real database, its numbers are those of that model alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.analysis import Analysis, Sentiment
from bot.errors import Refused
from bot.importing import Export, FailedFile, Item, Line, Skipped, bring_in
from bot.ingest import Ingest
from bot.message import Deletion, Message
from bot.rereading import Reread, read_again
from storage import Storage, open_storage
from tests.conftest import KEY
from tests.examples import ANGRY, AT, CALM, GLAD, HOUR, a_message, an_analysis, an_entity
from tests.storage.tables import recomputed, tables

OLD, NEW = "example 1", "example 2"


class Reader:
    """Reads any text; the two models disagree about everything, and one is refused."""

    def __init__(self, model: str, *, refuses: str = "") -> None:
        self.model = model
        self.refuses = refuses
        self.read: list[str] = []

    async def analyze(self, texts: Sequence[str], /) -> Sequence[Analysis]:
        if self.refuses and self.refuses in texts:
            raise Refused("not this one")
        self.read += texts
        return [self._of(text) for text in texts]

    def _of(self, text: str) -> Analysis:
        sentiment: Sentiment = (GLAD if self.model == OLD else ANGRY) if "thanks" in text else CALM
        name = "Jenkins" if self.model == OLD else "Docker"
        return an_analysis(sentiment, *([an_entity(name)] if "ci" in text else []), model=self.model)


class Given:
    """An export that is held in memory."""

    bytes_total = bytes_done = 1

    def __init__(self, *items: Item) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)


def texts(*numbers: int) -> list[Message]:
    words = ("thanks, the ci is fine", "the ci waits", "thanks all")
    return [a_message(n, text=words[n % 3], author=1 + n % 4) for n in numbers]


def export(*messages: Message) -> Given:
    return Given(*(Line(message) for message in messages))


async def brought_in(storage: Storage, reader: Reader, given: Export) -> None:
    await bring_in([given], Ingest(storage.inbox, reader, storage.ledger), storage.ledger)


async def reread(storage: Storage, reader: Reader, *given: Export) -> Reread:
    ingest = Ingest(storage.inbox, reader, storage.ledger)
    return await read_again(given, reader, ingest, storage.inbox, storage.past)


async def test_what_an_export_holds_is_as_if_the_new_model_had_read_it_at_first(
    storage: Storage, database: Path, tmp_path: Path
) -> None:
    first = texts(*range(1, 40))
    threaded = [replace(message, thread=first[0].id) for message in texts(40, 41)]
    given = export(*first, *threaded, a_message(50, from_bot=True))
    await brought_in(storage, Reader(OLD), given)
    async with open_storage(str(tmp_path / "other.db"), KEY) as other:
        await brought_in(other, Reader(NEW), given)

    report = await reread(storage, Reader(NEW), given)

    found = tables(database)
    assert found == tables(tmp_path / "other.db")
    assert (found["rollups"], found["spellings"]) == recomputed(found)
    assert (report.model, report.again, report.already, dict(report.skipped)) == (NEW, 41, 0, {"bot": 1})
    assert (report.read_by, report.others) == ({NEW: 41}, {})


async def test_again_there_is_nothing_to_do(storage: Storage, database: Path) -> None:
    given, reader = export(*texts(1, 2, 3)), Reader(NEW)
    await brought_in(storage, Reader(OLD), given)
    await reread(storage, reader, given)
    before, read = tables(database), len(reader.read)

    report = await reread(storage, reader, given)

    assert (report.again, report.already) == (0, 3)
    assert tables(database) == before
    assert reader.read[read:] == ["good morning"]


async def test_a_later_edit_a_deletion_and_what_was_never_recorded_stay_as_they_are(
    storage: Storage, database: Path
) -> None:
    plain, edited, deleted, unknown, newer = texts(1, 2, 3, 4, 5)
    later = replace(edited, text="thanks to the ci", revised_at=edited.revised_at + HOUR)
    await brought_in(storage, Reader(OLD), export(plain, edited, later, deleted, newer))
    await storage.inbox.put([Deletion(deleted.id, AT + HOUR)])
    await Ingest(storage.inbox, Reader(OLD), storage.ledger).drain()
    before = tables(database)
    not_yet = replace(newer, revised_at=newer.revised_at + HOUR)

    report = await reread(storage, Reader(NEW), export(plain, edited, deleted, unknown, not_yet))

    changed = [row for row in tables(database)["readings"] if row not in before["readings"]]
    assert [row[1] for row in changed] == [plain.id.id]
    assert (report.again, report.edited, report.deleted, report.unknown) == (1, 1, 1, 2)
    assert "2 not recorded: not imported yet, or their author opted out." in report.in_words()
    assert report.others == {OLD: 2}


async def test_an_edit_that_comes_while_it_is_read_again_wins(storage: Storage) -> None:
    (message,) = texts(1)
    edit = replace(message, text="the ci waits", revised_at=message.revised_at + HOUR)
    await brought_in(storage, Reader(OLD), export(message))
    await brought_in(storage, Reader(OLD), export(edit))

    replaced = await storage.past.reread([(message, an_analysis(GLAD, model=NEW))])

    assert replaced == 0
    assert await storage.past.read_by() == {OLD: 1}


async def test_of_two_revisions_in_one_export_the_recorded_one_is_read(storage: Storage) -> None:
    (message,) = texts(1)
    edit = replace(message, text="thanks to the ci", revised_at=message.revised_at + HOUR)
    await brought_in(storage, Reader(OLD), export(message, edit))
    reader = Reader(NEW)

    report = await reread(storage, reader, export(message, edit, edit))

    assert (report.again, report.edited, dict(report.skipped)) == (1, 1, {"twice in the export": 1})
    assert reader.read == ["good morning", "thanks to the ci"]


async def test_who_opted_out_stays_out(storage: Storage, database: Path) -> None:
    given = export(*texts(1, 2, 3))
    await brought_in(storage, Reader(OLD), given)
    await storage.ledger.opt_out(a_message(author=2).author)
    before = tables(database)

    report = await reread(storage, Reader(NEW), given)

    assert (report.again, report.unknown) == (2, 1)
    assert len(tables(database)["readings"]) == len(before["readings"]) == 2


async def test_what_waits_and_what_was_set_aside_is_read(storage: Storage) -> None:
    one, other = texts(1, 2)
    await storage.inbox.put([one, other])
    first, second = await storage.inbox.take(2)
    await storage.inbox.set_aside(first.receipt, "refused by the reader")
    await storage.inbox.release([second.receipt])

    report = await reread(storage, Reader(NEW))

    assert (report.waited, report.read_by) == (2, {NEW: 2})
    assert (await storage.inbox.count()).set_aside == 0


async def test_without_an_export_it_says_what_cannot_be_redone_and_what_would_mend_it(storage: Storage) -> None:
    await brought_in(storage, Reader(OLD), export(*texts(1, 2, 3)))

    said = (await reread(storage, Reader(NEW))).in_words()

    assert said == (
        "example 2 reads now.\n"
        "Still as another model read them: 3 by example 1. Their texts are gone, as each is erased once it is read. An "
        "export that holds them lets them be read again: roomtone reanalyze PATH. Until then trends show where the "
        "model changes, and never mix the two."
    )


async def test_a_text_that_the_new_model_refuses_keeps_its_reading_and_the_others_are_read(storage: Storage) -> None:
    messages = texts(1, 2, 3)
    given = Given(*map(Line, messages), Skipped("joined the channel"), FailedFile("x.json", "no JSON"))
    await brought_in(storage, Reader(OLD), given)

    report = await reread(storage, Reader(NEW, refuses=messages[1].text), given)

    assert (report.again, report.read_by) == (2, {NEW: 2, OLD: 1})
    assert dict(report.skipped) == {"refused by the reader": 1, "joined the channel": 1}
    assert [failed.file for failed in report.failed] == ["x.json"]
    assert report.lines == 4


@pytest.mark.parametrize("model", [OLD, NEW])
async def test_whichever_name_sorts_first_the_model_that_reads_again_wins(storage: Storage, model: str) -> None:
    given = export(*texts(1, 2))
    await brought_in(storage, Reader(OLD if model == NEW else NEW), given)

    await reread(storage, Reader(model), given)

    assert await storage.past.read_by() == {model: 2}
