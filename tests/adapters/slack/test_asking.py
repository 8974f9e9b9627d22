"""Questions asked in Slack: by whom, where, and what comes back to whom."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.slack.asking import WORKING
from adapters.slack.home import NOT_SEEN
from adapters.slack.render import Asked
from adapters.slack.translate import Us
from bot.errors import FAILED, StorageBusy
from bot.schedule import Sort, Subscription, Times
from tests.adapters.slack.conftest import US, Bot, introduced, running
from tests.servers import slack as server

PEOPLE = [f"U{number}" for number in range(1, 8)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, server.Room]]:
    """A database that has read 28 glad messages of seven people in #general (C1) and in the private #leads (C9)."""
    database = tmp_path_factory.mktemp("asked") / "roomtone.db"

    async def fill() -> dict[str, server.Room]:
        async with server.Slack() as slack:
            slack.room("C1", "general", *PEOPLE, "UGUEST")
            slack.room("C9", "leads", "U1", "U2", private=True)
            slack.room("C5", "elsewhere", *PEOPLE, joined=False)
            async with running(slack, database) as bot:
                await introduced(slack, 2)
                said = [slack.say(room, PEOPLE[n % 7], "this is great") for n in range(28) for room in ("C1", "C9")]
                await asyncio.gather(*(slack.deliver(event, wait=30) for event in said))
                await bot.read()
            return slack.rooms

    return database, asyncio.run(fill())


@pytest.fixture
async def asked(
    slack: server.Slack, workspace: tuple[Path, dict[str, server.Room]], tmp_path: Path
) -> AsyncIterator[Bot]:
    """A bot in that workspace."""
    database, rooms = workspace
    slack.rooms = deepcopy(rooms)
    async with running(slack, Path(shutil.copy(database, tmp_path / "roomtone.db"))) as bot:
        yield bot


def words(message: dict[str, Any]) -> str:
    return json.dumps(message.get("blocks", []), ensure_ascii=False) + str(message.get("text", ""))


async def answer_to(slack: server.Slack, user: str, room: str, text: str) -> dict[str, Any]:
    """The answer to a slash command."""
    before = len(slack.responses[user])
    assert await slack.command(user, room, text) is not None
    await slack.until(lambda: len(slack.responses[user]) > before)
    return slack.responses[user][-1]


async def test_a_command_is_answered_for_the_asker_alone(slack: server.Slack, asked: Bot):
    answer = await answer_to(slack, "U1", "C1", "mood today")

    assert answer["response_type"] == "ephemeral"
    assert "28 messages" in words(answer)
    assert slack.posts == []


async def test_a_slow_answer_is_announced_and_then_replaces_its_announcement(
    slack: server.Slack, asked: Bot, monkeypatch: pytest.MonkeyPatch
):
    slack.faults["users.info"] = [_slow]

    acked = await slack.command("U1", "C1", "mood today")

    assert acked["text"] == "Reading the room …"
    await slack.until(lambda: bool(slack.responses["U1"]))
    assert slack.responses["U1"][0]["replace_original"] is True


async def _slow(*_: Any) -> None:
    await asyncio.sleep(0.6)


@pytest.mark.parametrize("named", ["<#C1|general>", "<#C1|>", "#general"])
async def test_a_channel_can_be_named_every_way(slack: server.Slack, asked: Bot, named: str):
    assert "28 messages" in words(await answer_to(slack, "U1", "C9", f"mood {named} today"))


async def test_today_is_the_day_where_the_asker_is(slack: server.Slack, asked: Bot):
    zones = {"U1": "Pacific/Kiritimati", "U2": "Pacific/Pago_Pago"}  # 25 hours apart
    for user, zone in zones.items():
        slack.person(user, tz=zone)

    titles = [(await answer_to(slack, user, "C1", "mood today"))["blocks"][0] for user in zones]

    assert titles[0] != titles[1]


async def test_unknown_words_get_a_suggestion(slack: server.Slack, asked: Bot):
    answer = await answer_to(slack, "U1", "C1", "moood today")

    assert any(block["type"] == "actions" for block in answer["blocks"])


async def test_a_suggestion_can_be_clicked(slack: server.Slack, asked: Bot):
    await slack.click("U1", "C1", "ask 0", "mood today")
    await slack.until(lambda: bool(slack.responses["U1"]))

    assert "28 messages" in words(slack.responses["U1"][0])


@pytest.mark.parametrize("user", ["U3", "UNKNOWN"])
async def test_nobody_hears_of_a_private_channel_they_are_not_in(slack: server.Slack, asked: Bot, user: str):
    for text in ("mood #leads today", "mood <#C9|leads> today", "channels", "status", "compare #general #leads"):
        answer = words(await answer_to(slack, user, "C1", text))

        assert "56 messages" not in answer
        assert "leads" not in answer.replace(text, "")


async def test_a_member_of_a_private_channel_may_ask_about_it(slack: server.Slack, asked: Bot):
    assert "28 messages" in words(await answer_to(slack, "U1", "C1", "mood #leads today"))


@pytest.mark.parametrize(
    "profile", [
        {"is_restricted": True}, {"is_ultra_restricted": True}, {"team_id": "T9"}, {"is_stranger": True},
        {"deleted": True},
    ],
    ids=["guest", "single-channel guest", "other organisation", "stranger", "deactivated"],
)  # fmt: skip
async def test_guests_and_strangers_see_only_what_they_are_in(slack: server.Slack, asked: Bot, profile: dict[str, Any]):
    slack.person("UGUEST", **profile)
    slack.room("C2", "public", *PEOPLE)
    await slack.deliver({"type": "member_joined_channel", "user": US.user, "channel": "C2", "event_ts": slack.ts()})
    await slack.until(lambda: bool(slack.posts))
    await asked.read()

    listed = words(await answer_to(slack, "UGUEST", "C1", "channels"))
    await slack.deliver({"type": "app_home_opened", "user": "UGUEST", "tab": "home"})
    await slack.until(lambda: "UGUEST" in slack.homes)

    for shown in (listed, words(slack.homes["UGUEST"])):
        assert "general" in shown
        assert "public" not in shown


async def test_without_the_scope_to_know_people_each_sees_what_they_are_in(slack: server.Slack, asked: Bot):
    slack.scopes = slack.scopes.replace(",users:read", "")

    assert "28 messages" in words(await answer_to(slack, "U3", "C1", "mood #general today"))
    assert "leads" not in words(await answer_to(slack, "U3", "C1", "channels"))
    await slack.deliver({"type": "app_home_opened", "user": "U3", "tab": "home"})
    await slack.until(lambda: "U3" in slack.homes)
    assert "general" in words(slack.homes["U3"])
    assert "leads" not in words(slack.homes["U3"])


async def test_a_channel_we_are_not_in_is_answered_with_the_mend(slack: server.Slack, asked: Bot):
    assert "/invite @Roomtone" in words(await answer_to(slack, "U1", "C5", "mood today"))


async def test_a_mention_is_answered_where_it_stands_for_the_asker_alone(slack: server.Slack, asked: Bot):
    said = slack.say("C1", "U1", f"<@{US.user}> mood today", thread=next(iter(slack.rooms["C1"].messages)))
    mention = {**said, "type": "app_mention"}
    for _ in range(3):
        await slack.deliver(mention)
    await slack.until(lambda: bool(slack.ephemeral))
    await asyncio.sleep(0.2)

    (answer,) = slack.ephemeral
    assert (answer["channel"], answer["user"], answer["thread_ts"]) == ("C1", "U1", said["thread_ts"])
    assert "messages" in words(answer)


async def test_a_direct_message_is_answered_and_never_read(slack: server.Slack, asked: Bot):
    slack.room("D1", "dm", "U1")
    held = await asked.texts_held(US.channel("C1"))

    await slack.deliver(slack.say("D1", "U1", "channels"))
    await slack.until(lambda: bool(slack.posts))

    assert slack.posts[0]["channel"] == "D1"
    assert {s.channel.id for s in await asked.storage.readings.channels()} == {"C1", "C9"}
    assert await asked.texts_held(US.channel("C1")) == held


def share_button(message: dict[str, Any]) -> dict[str, Any] | None:
    elements = [e for block in message["blocks"] if block["type"] == "actions" for e in block["elements"]]
    return next((element for element in elements if element["action_id"] == "share"), None)


async def test_an_answer_can_be_shared_once_and_says_by_whom(slack: server.Slack, asked: Bot):
    answer = await answer_to(slack, "U1", "C1", "mood today")
    button = share_button(answer)
    assert button is not None

    for _ in range(2):  # the same click, told twice
        await slack.click("U1", "C1", "share", button["value"])
    await slack.until(lambda: bool(slack.posts))
    await asyncio.sleep(0.2)

    (post,) = slack.posts
    assert "28 messages" in words(post)
    assert {"type": "user", "user_id": "U1"} in post["blocks"][-1 if post["blocks"][-1]["type"] == "rich_text" else -2][
        "elements"
    ][0]["elements"]


async def test_a_private_channels_numbers_are_not_shared_elsewhere(slack: server.Slack, asked: Bot):
    question = Asked("mood #leads today", asked.slack._clock())
    await slack.click("U1", "C1", "share", question.packed())
    await slack.until(lambda: bool(slack.responses["U1"]))

    assert "Not everybody here may see" in words(slack.responses["U1"][0])
    assert slack.posts == []


async def test_a_shared_list_of_channels_names_no_private_one(slack: server.Slack, asked: Bot):
    await slack.click("U1", "C1", "share", Asked("channels", asked.slack._clock()).packed())
    await slack.until(lambda: bool(slack.posts))

    assert "leads" not in words(slack.posts[0])


async def test_in_a_channel_shared_with_others_only_its_own_numbers_are_shared(slack: server.Slack, asked: Bot):
    slack.rooms["C9"].shared = True
    await slack.click("U1", "C9", "share", Asked("mood #general today", asked.slack._clock()).packed())
    await slack.until(lambda: bool(slack.responses["U1"]))

    assert slack.posts == []


@pytest.mark.parametrize("fault", [server.status(404), server.status(500), server.drops], ids=["404", "500", "drop"])
async def test_an_answer_that_cannot_be_handed_over_is_let_go(slack: server.Slack, asked: Bot, fault: server.Fault):
    slack.faults["response_url"] = [fault]
    await slack.command("U1", "C1", "mood today")
    await slack.until(lambda: not slack.faults["response_url"])

    assert "28 messages" in words(await answer_to(slack, "U1", "C1", "mood today"))


async def test_a_table_that_is_refused_is_drawn_in_characters(slack: server.Slack, asked: Bot):
    slack.faults["response_url"] = [server.status(400, "invalid_blocks")]

    answer = await answer_to(slack, "U1", "C1", "channels")

    assert all(block["type"] != "table" for block in answer["blocks"])
    assert "rich_text_preformatted" in words(answer)


async def test_a_command_uses_its_response_url_no_more_often_than_it_may(slack: server.Slack, asked: Bot):
    slack.faults["users.info"] = [_slow]
    slack.faults["response_url"] = [server.status(400, "invalid_blocks")] * 9

    await slack.command("U1", "C1", "channels")
    await slack.until(lambda: len(slack.faults["response_url"]) == 7)
    await asyncio.sleep(0.1)

    assert len(slack.faults["response_url"]) == 7


async def test_a_modal_that_comes_too_late_is_said_in_the_log(slack: server.Slack, asked: Bot):
    slack.faults["views.open"] = [server.error("expired_trigger_id")]

    with capture_logs() as logged:
        assert await slack.click("U1", "", "digest", "C1") == {}
        await slack.until(lambda: any(line["event"] == "a modal could not be opened" for line in logged))

    (why,) = [line["why"] for line in logged if line["event"] == "a modal could not be opened"]
    assert "expired_trigger_id" in why


async def modal_for(slack: server.Slack, user: str, channel: str) -> dict[str, Any]:
    """Click on a channel's digest in Home: the modal, once it says more than that it is being worked on."""
    before = len(slack.views)
    await slack.click(user, "", "digest", channel)
    await slack.until(lambda: len(slack.views) > before and WORKING not in words(slack.views[-1]))
    return slack.views[-1]


@pytest.mark.parametrize("method", ["users.info", "conversations.members"])
async def test_the_modal_opens_before_anything_is_looked_up(slack: server.Slack, asked: Bot, method: str):
    found = asyncio.Event()
    slack.faults[method] = [server.waits_for(found)]

    await slack.click("U1", "", "digest", "C9")
    await slack.until(lambda: not slack.faults[method])
    (opened,) = slack.views

    assert WORKING in words(opened)
    assert "submit" not in opened
    found.set()
    await slack.until(lambda: "submit" in slack.views[0])
    assert "#leads" in words(slack.views[0])
    assert len(slack.views) == 1


async def test_the_modal_of_a_channel_that_the_clicker_is_not_in_names_nothing(slack: server.Slack, asked: Bot):
    view = await modal_for(slack, "U3", "C9")

    assert NOT_SEEN in words(view)
    assert "submit" not in view


async def test_a_modal_says_what_keeps_it_from_being_filled(slack: server.Slack, asked: Bot):
    async def fails(*_: object) -> None:
        raise StorageBusy("The database is locked.")

    asked.storage.subscriptions.subscription = fails  # type: ignore[method-assign]

    assert "The database is locked." in words(await modal_for(slack, "U1", "C1"))


@pytest.mark.parametrize(("code", "lines"), [("not_found", 0), ("hash_conflict", 1)], ids=["closed", "changed"])
async def test_a_modal_that_was_closed_meanwhile_is_let_go(slack: server.Slack, asked: Bot, code: str, lines: int):
    slack.faults["views.update"] = [server.error(code)]

    with capture_logs() as logged:
        await slack.click("U1", "", "digest", "C1")
        await slack.until(lambda: not slack.faults["views.update"])
        await modal_for(slack, "U1", "C1")

    assert [line["event"] for line in logged].count("a modal could not be filled") == lines


async def test_opting_out_is_never_offered_for_sharing(slack: server.Slack, asked: Bot):
    assert share_button(await answer_to(slack, "U1", "C1", "opt-out")) is None


async def test_home_shows_each_viewer_what_they_may_see(slack: server.Slack, asked: Bot):
    for user in ("U1", "U3"):
        await slack.deliver({"type": "app_home_opened", "user": user, "tab": "home"})
    await slack.until(lambda: len(slack.homes) == 2)

    assert "leads" in words(slack.homes["U1"])
    assert "leads" not in words(slack.homes["U3"])


def submission(user: str, channel: str, weekday: str) -> dict[str, Any]:
    chosen = {"weekday": weekday, "hour": "09:00", "zone": "Europe/Berlin"}
    values = {name: {name: {"selected_option": {"value": value}}} for name, value in chosen.items()}
    view = {"callback_id": "digest", "private_metadata": channel, "state": {"values": values}, "type": "modal"}
    return {"type": "view_submission", "user": {"id": user, "team_id": server.TEAM}, "view": view,
            "team": {"id": server.TEAM}, "api_app_id": "A1"}  # fmt: skip


async def digest_of(bot: Bot, us: Us, channel: str) -> Subscription | None:
    return await bot.storage.subscriptions.subscription(us.channel(channel), Sort.DIGEST)


async def test_a_channels_creator_sets_its_digest(slack: server.Slack, asked: Bot):
    await modal_for(slack, "U1", "C1")

    assert await slack.send("interactive", submission("U1", "C1", "0")) == {}
    kept = await digest_of(asked, US, "C1")
    assert kept is not None
    assert (kept.times, kept.channels) == (Times(0, 9, 0, "Europe/Berlin"), (US.channel("C1"),))


async def test_who_is_neither_creator_nor_admin_is_told_so(slack: server.Slack, asked: Bot):
    answer = await slack.send("interactive", submission("U3", "C1", "0"))

    assert answer["response_action"] == "errors"
    assert await digest_of(asked, US, "C1") is None


async def test_an_admin_switches_a_digest_off(slack: server.Slack, asked: Bot):
    slack.person("U3", is_admin=True)
    await slack.send("interactive", submission("U1", "C1", "0"))
    await slack.send("interactive", submission("U3", "C1", "off"))

    assert await digest_of(asked, US, "C1") is None


async def test_an_order_given_in_a_channel_is_what_home_shows(slack: server.Slack, asked: Bot):
    agreed = await answer_to(slack, "U1", "C1", "digest on friday 16:30 Europe/Berlin")
    view = await modal_for(slack, "U1", "C1")

    assert "on Fridays at 16:30 (Europe/Berlin)" in words(agreed)
    assert share_button(agreed) is None
    chosen = [block["element"]["initial_option"]["value"] for block in view["blocks"][1:]]
    assert chosen == ["4", "16:30", "Europe/Berlin"]


async def test_who_may_not_set_a_digest_may_not_order_one_either(slack: server.Slack, asked: Bot):
    refusals = [
        words(await answer_to(slack, "U3", "C1", order))
        for order in ("digest on", "digest off", "alerts on", "digest send now")
    ]

    assert all("Only the channel's creator or an admin" in refusal for refusal in refusals)
    assert await asked.storage.subscriptions.subscriptions() == []


async def test_anybody_may_ask_when_the_digest_comes(slack: server.Slack, asked: Bot):
    assert "No digest is on in #general" in words(await answer_to(slack, "U3", "C1", "digest when"))


async def test_a_private_channel_is_in_no_other_channels_digest(slack: server.Slack, asked: Bot):
    refused = await answer_to(slack, "U1", "C1", "digest on for #leads")

    assert "Not everybody here may see those channels" in words(refused)
    assert await asked.storage.subscriptions.subscriptions() == []


async def test_a_question_that_fails_in_an_unforeseen_way_is_answered_so(
    slack: server.Slack, asked: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async def broken(*asked: Any, **options: Any) -> Any:
        raise ZeroDivisionError("the kettle boils")

    monkeypatch.setattr("bot.answers.Answers.answer", broken)
    with capture_logs() as logged:
        answer = await answer_to(slack, "U1", "C1", "mood today")

    assert answer["text"] == FAILED
    assert [line["error"] for line in logged if line["log_level"] == "error"] == ["ZeroDivisionError"]
    assert "kettle" not in caplog.text
