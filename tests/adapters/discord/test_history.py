"""What was missed: catching up, back-filling, and the sweep, on a local Discord with pages of a hundred."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import discord
from structlog.testing import capture_logs

from adapters.discord.history import BACKFILL
from adapters.discord.translate import room, snowflake
from bot.message import ChannelGone, Deletion, Gone, Platform
from bot.schedule import Sort, Subscription, Times
from storage import Storage
from tests.adapters.discord.parts import WAIT, Parts, until
from tests.adapters.discord.payloads import GENERAL, GUILD, message
from tests.examples import AT, DAY
from tests.servers.discord import EVERYTHING, RANDOM, Fault, LocalDiscord, a_thread, local_discord

NOW = AT + DAY
"""The tests' own time: a day after their messages."""

PAGES = rf"/channels/{GENERAL}/messages"


async def spoken(server: LocalDiscord, first: int, last: int, *, channel: str = GENERAL) -> None:
    for number in range(first, last + 1):
        await server.write(message(number, channel_id=channel, content=f"message {number}"))


async def read_before(server: LocalDiscord, storage: Storage, last: int) -> None:
    """Messages 1 to `last`, heard and read by a process that has ended."""
    first = Parts(storage, clock=lambda: NOW)
    await first.read()
    async with first.running():
        await spoken(server, 1, last)
        await until(lambda: len(first.texts()) == last)
    await first.ingest.drain()


async def test_7_what_was_missed_is_read_in_pages_with_a_thread_begun_and_archived_meanwhile(storage: Storage):
    async with local_discord() as server:
        first = Parts(storage, clock=lambda: NOW)
        await first.read()
        async with first.running():
            await spoken(server, 1, 3)
            await until(lambda: len(first.texts()) == 3)
            await first.adapter.intake.settled()
        with server.unseen():
            await spoken(server, 4, 253)
            server.threads["777"] = a_thread("777")
            await spoken(server, 300, 305, channel="777")
            await server.archive("777", at=(AT + DAY).isoformat())

        second = Parts(storage, clock=lambda: NOW)
        async with second.running():
            await spoken(server, 254, 254)
            await until(lambda: {"message 254", "message 305"} <= set(second.texts()))
        await second.ingest.drain()
        (general,) = [c for c in await storage.readings.channels() if c.messages]

    assert set(second.texts()) == {f"message {number}" for number in [*range(4, 255), *range(300, 306)]}
    assert general.channel == room(GUILD, GENERAL)
    assert general.messages == 254 + 6


async def test_an_idle_start_asks_for_no_page(storage: Storage):
    async with local_discord() as server:
        first = Parts(storage, clock=lambda: NOW)
        await first.read()
        async with first.running():
            await spoken(server, 1, 3)
            await until(lambda: len(first.texts()) == 3)
            await first.adapter.intake.settled()
            await first.ingest.drain()
        server.pages.clear()

        second = Parts(storage, clock=lambda: NOW)
        async with second.running():
            pass

    assert [query for _, query in server.pages if query.get("after") == message(3)["id"]] == []
    assert set(second.texts()) == set()


async def test_8_what_was_edited_and_deleted_meanwhile_is_found_by_the_sweep(storage: Storage):
    async with local_discord() as server:
        await read_before(server, storage, 5)
        with server.unseen():
            await server.edit(message(2, content="edited", edited_timestamp=(AT + timedelta(hours=1)).isoformat()))
            await server.delete(GENERAL, message(3)["id"], message(5)["id"])

        second = Parts(storage, clock=lambda: NOW)
        async with second.running():
            await until(lambda: any(isinstance(event, Deletion) for event in second.kept))

    assert set(second.texts()) == {"edited"}
    assert {event.id.id for event in second.kept if isinstance(event, Deletion)} == {message(3)["id"], message(5)["id"]}


async def test_8_that_everything_was_deleted_meanwhile_is_found_by_the_sweep(storage: Storage):
    async with local_discord() as server:
        await read_before(server, storage, 3)
        with server.unseen():
            await server.delete(GENERAL, *(message(number)["id"] for number in (1, 2, 3)))

        second = Parts(storage, clock=lambda: NOW)
        async with second.running():
            await until(lambda: len([event for event in second.kept if isinstance(event, Deletion)]) == 3)


async def test_8_a_right_to_read_that_is_lost_during_the_sweep_deletes_nothing(storage: Storage):
    """Discord then says that the channel is empty, before it says that the right is gone."""
    async with local_discord() as server:
        await read_before(server, storage, 3)
        server.faults += [
            Fault("GET", PAGES, 200, times=100, body=[]),
            Fault("GET", rf"{PAGES}/[0-9]+", 403, times=100, body={"message": "Missing Access", "code": 50001}),
        ]

        second = Parts(storage, clock=lambda: NOW)
        with capture_logs() as logged:
            async with second.running():
                await until(lambda: any("hidden from us" in line["event"] for line in logged))

    assert [event for event in second.kept if isinstance(event, Deletion)] == []


async def threaded(storage: Storage, server: LocalDiscord) -> Parts:
    """Three messages in #general and three in a thread of it were read."""
    parts = Parts(storage, clock=lambda: NOW)
    await parts.read()
    async with parts.running():
        await server.begin_thread(a_thread("777"))
        await spoken(server, 1, 3)
        await spoken(server, 4, 6, channel="777")
        await until(lambda: len(parts.texts()) == 6)
        await parts.adapter.intake.settled()
    await parts.ingest.drain()
    return parts


async def test_8_a_thread_deleted_meanwhile_leaves_the_numbers_of_its_channel(storage: Storage):
    async with local_discord() as server:
        await threaded(storage, server)
        with server.unseen():
            await server.delete_thread("777")

        second = Parts(storage, clock=lambda: NOW)
        async with second.running():
            await until(lambda: any(isinstance(event, ChannelGone) for event in second.kept))
            async with asyncio.timeout(WAIT):
                while list(await storage.cursors.positions(Platform.DISCORD, GUILD)) != [room(GUILD, GENERAL)]:
                    await asyncio.sleep(0.005)
        await second.ingest.drain()
        (general,) = [c for c in await storage.readings.channels() if c.channel == room(GUILD, GENERAL)]

    assert [event.channel for event in second.kept if isinstance(event, ChannelGone)] == [room(GUILD, "777")]
    assert (general.messages, general.gone) == (3, None)


async def test_8_a_thread_deleted_in_the_middle_of_the_sweep_takes_nothing_else_with_it(storage: Storage):
    async with local_discord() as server:
        await threaded(storage, server)
        unknown = {"message": "Unknown Channel", "code": 10003}
        server.faults.append(Fault("GET", "/channels/777/messages", 404, times=100, body=unknown))

        second = Parts(storage, clock=lambda: NOW)
        async with second.running():
            await until(lambda: any(isinstance(event, ChannelGone) for event in second.kept))
            await spoken(server, 7, 7)
            await until(lambda: "message 7" in second.texts())

    assert [event.channel for event in second.kept if isinstance(event, ChannelGone)] == [room(GUILD, "777")]
    assert second.adapter.rooms.started(GUILD) == {int(GENERAL)}


async def test_8_a_channel_deleted_meanwhile_leaves_the_numbers(storage: Storage):
    async with local_discord() as server:
        server.channels.pop(GENERAL)
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        place = room(GUILD, GENERAL)
        await storage.cursors.advance({place: "1"})
        for sort in Sort:
            await storage.subscriptions.subscribe(Subscription(place, sort, Times(0, 9, 0, "UTC"), since=AT))
        async with parts.running(ready=False):
            await until(lambda: any(isinstance(event, ChannelGone) for event in parts.kept))
            await until(lambda: not parts.adapter.rooms.started(GUILD))
        wanted = await storage.subscriptions.subscriptions()

    (gone,) = [event for event in parts.kept if isinstance(event, ChannelGone)]
    assert (gone.channel, gone.why) == (place, Gone.DELETED)
    assert list(wanted) == []
    assert await storage.cursors.position(place) is None


async def test_8_a_channel_that_we_may_not_see_any_more_keeps_its_numbers(storage: Storage):
    async with local_discord() as server:
        await read_before(server, storage, 3)
        with server.unseen():
            await spoken(server, 4, 4)
        server.faults.append(Fault("GET", PAGES, 403, times=100, body={"message": "Missing Access", "code": 50001}))

        second = Parts(storage, clock=lambda: NOW)
        with capture_logs() as logged:
            async with second.running(ready=False):
                await until(lambda: any("hidden from us" in line["event"] for line in logged))
        await second.ingest.drain()
        (general,) = [c for c in await storage.readings.channels() if c.messages]

    assert (general.messages, general.gone) == (3, None)
    assert second.adapter.rooms.started(GUILD) == {int(GENERAL)}


async def test_8_a_server_that_removed_us_meanwhile_leaves_the_numbers(storage: Storage):
    async with local_discord() as server:
        first = Parts(storage, clock=lambda: NOW)
        await first.read()
        async with first.running():
            pass
        server.in_guild = False
        second = Parts(storage, clock=lambda: NOW)
        async with second.running(ready=False):
            await until(lambda: any(isinstance(event, ChannelGone) for event in second.kept))

    assert [event.why for event in second.kept if isinstance(event, ChannelGone)] == [Gone.DELETED]


async def test_a_server_of_another_application_is_left_alone(storage: Storage):
    async with local_discord() as server:
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        await parts.adapter.rooms.joined(GUILD, 2)  # we are 1
        server.in_guild = False
        async with parts.running(ready=False):
            await until(lambda: parts.adapter.is_ready)

    assert parts.kept == []
    assert parts.adapter.rooms.started(GUILD) == {int(GENERAL)}


async def test_a_backfill_reads_the_past_to_its_bound_with_threads_and_survives_a_restart(storage: Storage):
    async with local_discord() as server:
        with server.unseen():
            await spoken(server, 1, 250)
            server.threads["777"] = a_thread("777")
            await spoken(server, 300, 305, channel="777")
        bound = AT + timedelta(minutes=11)  # message 11 and later
        first = Parts(storage, clock=lambda: NOW)
        await first.read(since=snowflake(NOW))
        async with first.running():
            refused = Fault("GET", rf"/channels/({GENERAL}|777)/messages", 400, times=1_000_000, passed=1)
            server.faults.append(refused)
            await first.adapter.history.backfill(GUILD, int(GENERAL), since=bound)
            await until(lambda: refused.times < 1_000_000)
            jobs = await storage.notes.notes(Platform.DISCORD, GUILD, BACKFILL)
        server.faults.clear()

        second = Parts(storage, clock=lambda: NOW)
        async with second.running():
            await until(lambda: len(set(first.texts()) | set(second.texts())) >= 246)

    assert list(jobs) == [f"{BACKFILL}{GENERAL}", f"{BACKFILL}777"]
    assert set(first.texts()) | set(second.texts()) == {
        f"message {number}" for number in [*range(11, 251), *range(300, 306)]
    }


async def test_4_history_outlasts_errors_and_rate_limits(storage: Storage):
    async with local_discord() as server:
        with server.unseen():
            await spoken(server, 1, 5)
        limited = {"message": "You are being rate limited.", "retry_after": 0.05, "global": False}
        server.faults += [
            Fault("GET", PAGES, 503, times=2, body={}),
            Fault("GET", PAGES, 429, body=limited, headers={"Via": "1.1 local"}),
            Fault("GET", PAGES, 429, body=limited),
            Fault("GET", PAGES, -1),
        ]
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        async with parts.running():
            assert set(parts.texts()) == {f"message {number}" for number in range(1, 6)}

    assert [fault.times for fault in server.faults] == [0, 0, 0, 0]


async def test_a_row_that_cannot_be_read_does_not_hide_the_others(storage: Storage):
    async with local_discord() as server:
        with server.unseen():
            await spoken(server, 1, 2)
            await server.write(message(3, type=...))
            await spoken(server, 4, 5)
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        async with parts.running():
            assert set(parts.texts()) == {f"message {number}" for number in (1, 2, 4, 5)}


async def test_a_channel_that_cannot_be_read_keeps_no_other_waiting(storage: Storage):
    async with local_discord() as server:
        with server.unseen():
            await spoken(server, 1, 3)
            await spoken(server, 4, 6, channel=RANDOM)
        refused = Fault("GET", PAGES, 400, times=1_000_000, body={})
        server.faults.append(refused)
        parts = Parts(storage, clock=lambda: NOW)
        for channel in (GENERAL, RANDOM):
            await parts.read(channel, since=snowflake(NOW))
            await parts.adapter.history.backfill(GUILD, int(channel), since=AT)
        with capture_logs() as logged:
            async with parts.running(ready=False):
                await until(lambda: "message 6" in parts.texts())
                refused.times = 0
                await until(lambda: "message 3" in parts.texts())

    assert {line["channel"] for line in logged if line["event"] == "a channel's history waits"} == {int(GENERAL)}


async def test_many_archived_threads_are_listed_page_by_page(storage: Storage):
    """A page that fails is asked for again, and not all those before it."""
    async with local_discord() as server:
        with server.unseen():
            for number in range(1, 251):
                server.threads[str(7000 + number)] = a_thread(str(7000 + number))
                await server.archive(str(7000 + number), at=(AT + timedelta(minutes=number)).isoformat())
            await spoken(server, 1, 1, channel="7001")
        listing = rf"/channels/{GENERAL}/threads/archived/public"
        server.faults.append(Fault("GET", listing, 503, passed=2, body={}))
        parts = Parts(storage, clock=lambda: NOW)
        await parts.read()
        async with parts.running():
            await until(lambda: "message 1" in parts.texts())
            listed = server.requests.count(("GET", listing))

    assert listed == 4


async def test_a_backfill_waits_while_we_may_not_read_and_knows_an_archived_thread_after_a_restart(storage: Storage):
    denied = discord.Permissions(int(EVERYTHING))
    denied.update(read_message_history=False)
    async with local_discord() as server:
        with server.unseen():
            await spoken(server, 1, 3)
            server.threads["777"] = a_thread("777")
            await spoken(server, 4, 6, channel="777")
            await server.archive("777", at=(AT + timedelta(hours=1)).isoformat())
            await server.allow_everyone(denied.value)
        first = Parts(storage, clock=lambda: NOW)
        await first.read(since=snowflake(NOW))
        for channel in (GENERAL, "777"):  # the thread was found before the restart
            job = {"after": "0", "before": str(snowflake(NOW)), "threads": False}
            await storage.notes.write(Platform.DISCORD, GUILD, f"{BACKFILL}{channel}", job)
        with capture_logs() as logged:
            async with first.running(ready=False):
                await until(lambda: any("can't be read" in line["event"] for line in logged))
                await server.allow_everyone(int(EVERYTHING))
                await until(lambda: {"message 3", "message 6"} <= set(first.texts()))
