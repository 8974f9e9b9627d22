"""Posts of our own: at most once, whatever Slack says or leaves unsaid."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.calls import Calls, Refusal, Uncertain, retry_after
from adapters.slack.outlet import Outlet
from bot.answer import Answer, Chart, ChartKind, Column, Table
from bot.errors import PlatformError
from storage import Storage
from tests.adapters.slack.conftest import US
from tests.servers import slack as server

C1 = US.channel("C1")
CHART = Chart(ChartKind.LINES, "Mood", "It rose.", "points", "UTC")
ANSWER = Answer("Mood", ("Calm.",))


async def drawn(chart: Chart) -> bytes:
    return b"\x89PNG"


@pytest.fixture
async def outlet(slack: server.Slack, storage: Storage) -> AsyncIterator[Outlet]:
    slack.room("C1", "general", "U1")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
        web = AsyncWebClient(server.BOT_TOKEN, slack.api, session=session, retry_handlers=[])
        yield Outlet(
            Calls(web, pause=0.01), storage.notes, US, session,
            url="https://acme.slack.com/", draw=drawn, settle=0.01, scan_waits=(0.01, 0.01, 0.01),
        )  # fmt: skip


async def test_a_post_with_one_key_is_made_once(slack: server.Slack, outlet: Outlet):
    first = await outlet.post(C1, ANSWER, key="digest 1")
    again = await outlet.post(C1, ANSWER, key="digest 1")

    assert first == again
    assert [post["ts"] for post in slack.posts] == [first.id]


UNCLEAR = {
    "dropped before": server.drops, "dropped after storing": server.drops_after_storing, "half": server.half,
    "500": server.status(500), "503": server.status(503), "HTML": server.status(200), "broken": server.writes("{o"),
    "fatal_error": server.error("fatal_error"), "internal_error": server.error("internal_error"),
}  # fmt: skip


@pytest.mark.parametrize("fault", UNCLEAR.values(), ids=UNCLEAR.keys())
async def test_an_unclear_answer_ends_in_exactly_one_post(slack: server.Slack, outlet: Outlet, fault: server.Fault):
    slack.faults["chat.postMessage"] = [fault]

    posted = await outlet.post(C1, ANSWER, key="digest 1")

    assert [post["ts"] for post in slack.posts] == [posted.id]


async def test_a_post_that_took_too_long_is_found_and_not_repeated(slack: server.Slack, outlet: Outlet):
    async def stores_and_hangs(running: server.Slack, request: object, args: server.Args) -> None:
        running._chat_postMessage(args)
        await server.hangs(running, request, args)  # type: ignore[arg-type]

    slack.faults["chat.postMessage"] = [stores_and_hangs]

    posted = await outlet.post(C1, ANSWER, key="digest 1")

    assert [post["ts"] for post in slack.posts] == [posted.id]


async def test_what_cannot_be_looked_up_is_not_sent_again(slack: server.Slack, outlet: Outlet):
    slack.faults["chat.postMessage"] = [server.drops]
    slack.faults["conversations.history"] = [server.status(500)] * 9

    with pytest.raises(Uncertain):
        await outlet.post(C1, ANSWER, key="digest 1")

    assert slack.posts == []


async def test_a_crash_between_posting_and_noting_is_mended_by_looking(
    slack: server.Slack, outlet: Outlet, storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    async def crashes(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(storage.notes, "write", crashes)
        with pytest.raises(KeyboardInterrupt):
            await outlet.post(C1, ANSWER, key="digest 1")

    posted = await outlet.post(C1, ANSWER, key="digest 1")

    assert [post["ts"] for post in slack.posts] == [posted.id]


@pytest.mark.parametrize("code", ["is_archived", "not_in_channel", "restricted_action_thread_only_channel", "odd"])
async def test_a_refusal_says_the_mend_and_may_be_tried_again(slack: server.Slack, outlet: Outlet, code: str):
    slack.faults["chat.postMessage"] = [server.error(code)]

    with pytest.raises(Refusal):
        await outlet.post(C1, ANSWER, key="digest 1")
    await outlet.post(C1, ANSWER, key="digest 1")

    assert len(slack.posts) == 1


async def test_a_busy_slack_is_waited_for(slack: server.Slack, outlet: Outlet):
    slack.faults["chat.postMessage"] = [server.limited("0.05")]

    await outlet.post(C1, ANSWER, key="digest 1")

    assert len(slack.posts) == 1


async def test_a_chart_is_shown_once_slack_has_looked_at_it(slack: server.Slack, outlet: Outlet):
    slack.unscanned = 2

    await outlet.post(C1, Answer("Mood", ("Calm.",), chart=CHART), key="digest 1")

    (post,) = slack.posts
    (image,) = [block for block in post["blocks"] if block["type"] == "image"]
    assert image["alt_text"] == "It rose."
    assert slack.files == {image["slack_file"]["id"]: b"\x89PNG"}


async def test_a_chart_that_is_never_taken_is_left_out(slack: server.Slack, outlet: Outlet):
    slack.unscanned = 9

    await outlet.post(C1, Answer("Mood", ("Calm.",), chart=CHART), key="digest 1")

    (post,) = slack.posts
    assert all(block["type"] != "image" for block in post["blocks"])


async def test_an_upload_that_fails_costs_only_the_chart(slack: server.Slack, outlet: Outlet):
    slack.faults["files.getUploadURLExternal"] = [server.error("missing_scope")]

    await outlet.post(C1, Answer("Mood", ("Calm.",), chart=CHART), key="digest 1")

    assert len(slack.posts) == 1


async def test_a_table_that_is_refused_is_drawn_in_characters(slack: server.Slack, outlet: Outlet):
    slack.faults["chat.postMessage"] = [server.error("invalid_blocks")]

    await outlet.post(C1, Answer("Mood", ("Calm.",), table=Table((Column("a"),), (("b",),))), key="digest 1")

    (post,) = slack.posts
    assert all(block["type"] != "table" for block in post["blocks"])


async def test_a_post_unfurls_nothing_and_carries_an_opaque_mark(slack: server.Slack, outlet: Outlet):
    await outlet.post(C1, ANSWER, key="digest of #general")

    (post,) = slack.posts
    assert (post["unfurl_links"], post["unfurl_media"], post["parse"]) == (False, False, "none")
    assert "general" not in str(post["metadata"])


@pytest.mark.parametrize(
    ("named", "seconds"),
    [
        ("0", 0),
        ("3", 3),
        ("30", 30),
        ("1.5", 1.5),
        ("-1", 0),
        ("soon", 30),
        ("", 30),
        ("nan", 30),
        ("inf", 30),
        ("99999", 600),
    ],
)
def test_a_pause_is_read_whatever_it_looks_like(named: str, seconds: float):
    assert retry_after({"retry-after": named}) == seconds


def test_every_refusal_is_a_platform_error():
    assert issubclass(Refusal, PlatformError)
    assert "invite" in str(Refusal("chat.postMessage", "not_in_channel"))
