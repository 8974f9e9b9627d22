"""The real bot on the local Slack with the sample workspace: `make demo-slack`.

It reads five weeks of a made-up team, hears a few minutes of chat, and is asked questions. The answers go to a folder
as Block Kit (paste one into https://app.slack.com/block-kit-builder), as the words a screen reader says, and as charts.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.servers import slack as server

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "adapters" / "console" / "sample"
QUESTIONS = (
    "mood last 4 weeks", "entities last 4 weeks", "compare last week", "digest last week", "channels", "status",
    "privacy", "help", "moood yesterday",
)  # fmt: skip
CHAT = ("morning all", "the deploy is green again, great work", "flaky test is back :sob:", "on it", "thanks! :tada:")


def stocked(slack: server.Slack) -> str:
    """Put the sample workspace in, moved by whole weeks to end last Sunday; the id of its busiest channel."""
    people = json.loads((SAMPLE / "users.json").read_text(encoding="utf-8"))
    for person in people:
        slack.person(person["id"], is_bot=bool(person.get("is_bot")), is_admin=True)
    days = {
        channel["id"]: (channel["name"], sorted((SAMPLE / channel["name"]).glob("*.json")))
        for channel in json.loads((SAMPLE / "channels.json").read_text(encoding="utf-8"))
    }
    last = max(datetime.fromisoformat(file.stem).date() for _, files in days.values() for file in files)
    today = datetime.now(UTC).date()
    moved = timedelta(weeks=(today - timedelta(days=today.weekday()) - last).days // 7).total_seconds()
    for id_, (name, files) in days.items():
        room = slack.room(id_, name, *slack.people)
        for file in files:
            for record in json.loads(file.read_text(encoding="utf-8")):
                for key in ("ts", "thread_ts", "latest_reply"):
                    if key in record:
                        record[key] = slack.ts(float(record[key]) + moved)
                room.messages[record["ts"]] = record
        for record in list(room.messages.values()):
            root = room.messages.get(record.get("thread_ts", ""))
            if root is not None and root is not record:
                root["reply_count"] = root.get("reply_count", 0) + 1
                root["latest_reply"] = max(record["ts"], root.get("latest_reply", "0"), key=float)
    return max(slack.rooms.values(), key=lambda room: len(room.messages)).id


async def asked(slack: server.Slack, user: str, room: str, text: str) -> dict[str, Any]:
    """The answer to a slash command."""
    before = len(slack.responses[user])
    await slack.command(user, room, text, wait=10)
    await slack.until(lambda: len(slack.responses[user]) > before, within=60)
    return slack.responses[user][-1]


async def shared(slack: server.Slack, user: str, room: str, answer: dict[str, Any]) -> dict[str, Any] | None:
    """The post that a click on 'Share with the channel' makes; None if the answer offers none."""
    elements = [e for block in answer["blocks"] if block["type"] == "actions" for e in block["elements"]]
    button = next((element for element in elements if element["action_id"] == "share"), None)
    if button is None:
        return None
    before = len(slack.posts)
    await slack.click(user, room, "share", button["value"], container={"message_ts": slack.ts()})
    await slack.until(lambda: len(slack.posts) > before, within=60)
    return slack.posts[-1]


def written(folder: Path, name: str, message: dict[str, Any]) -> None:
    """Leave a message in the folder, as blocks and as words."""
    blocks = json.dumps({"blocks": message["blocks"]}, indent=2, ensure_ascii=False)
    (folder / f"{name}.json").write_text(blocks, encoding="utf-8")
    (folder / f"{name}.txt").write_text(str(message["text"]) + "\n", encoding="utf-8")


async def demo(folder: Path) -> None:
    """Play the whole of it."""
    async with server.Slack() as slack:
        room = stocked(slack)
        user = next(iter(slack.people))
        with tempfile.TemporaryDirectory() as data:
            environment = os.environ | {
                "ROOMTONE_SLACK_BOT_TOKEN": server.BOT_TOKEN,
                "ROOMTONE_SLACK_APP_TOKEN": server.APP_TOKEN,
                "ROOMTONE_SLACK_API": slack.api,
                "ROOMTONE_DATABASE_URL": f"sqlite:///{data}/demo.db",
            }
            bot = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot", "run", cwd=ROOT, env=environment)
            try:
                await played(slack, room, user, folder)
            finally:
                bot.terminate()
                await asyncio.wait_for(bot.wait(), 30)


async def played(slack: server.Slack, room: str, user: str, folder: Path) -> None:
    """Introductions, the past, a little chat, and questions."""
    await slack.until(lambda: len(slack.posts) >= len(slack.rooms), within=120)
    written(folder, "00 introduction", slack.posts[0])
    print(f"Introduced in {len(slack.rooms)} channels. Reading the past of each …")
    begun = time.monotonic()
    for id_ in slack.rooms:
        await asked(slack, user, id_, "backfill 90d")
    await slack.until(lambda: len(slack.posts) >= 2 * len(slack.rooms), within=300)
    for number, text in enumerate(CHAT * 4):
        people = list(slack.people)
        await slack.deliver(slack.say(room, people[number % len(people)], text))
    while "0 messages wait" not in (status := str((await asked(slack, user, room, "status"))["text"])):
        if time.monotonic() - begun > 300 or "wait" not in status:
            break
        await asyncio.sleep(2)
    print(f"Read in {time.monotonic() - begun:.0f} s. Asking …")
    for number, question in enumerate(QUESTIONS, 1):
        answer = await asked(slack, user, room, question)
        written(folder, f"{number:02} {question}", answer)
        print(f"\n/roomtone {question}\n{answer['text']}")
        files = set(slack.files)
        if (post := await shared(slack, user, room, answer)) is not None:
            written(folder, f"{number:02} {question}, shared", post)
            for file in set(slack.files) - files:
                (folder / f"{number:02} {question}.png").write_bytes(slack.files[file])
    await slack.deliver({"type": "app_home_opened", "user": user, "tab": "home"})
    await slack.until(lambda: user in slack.homes, within=60)
    home = json.dumps(slack.homes[user], indent=2, ensure_ascii=False)
    (folder / "home.json").write_text(home, encoding="utf-8")
    print(f"\nEverything is in {folder}.")


if __name__ == "__main__":
    output = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "demo-output" / "slack")
    output.mkdir(parents=True, exist_ok=True)
    asyncio.run(demo(output))
