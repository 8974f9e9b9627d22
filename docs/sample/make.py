"""The sample workspace, from the pages its conversations are written on to a Slack export.

Run `python docs/sample/make.py` after editing a page; `--check` only says whether the export is
current, `--counts` prints who wrote how much where. The same pages always give the same bytes.

A page is one channel's week, `CHANNEL-WEEK.txt`, in Berlin time:

    == tue                          the day
    09:12 mira: text                a message; without a time it follows the one above it
      > jonas: text                 a reply in the thread of the message above
      > wed 08:40 jonas: text       a reply of another day or hour
      + tada hanna felix; eyes wei  reactions to the line above, with who gave them
    ! join ines                     notices: join, topic, rename, deleted
    -- anything                     a remark

In a text, `@mira` and `#backend` become mentions, `[label](https://…)` a labelled link and `\\n` a
line break. At its end, `{edited}`, `{broadcast}` and `{file NAME}` mark the message.
"""

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

PAGES = Path(__file__).parent
EXPORT = PAGES.parents[1] / "adapters" / "console" / "sample"

FIRST_MONDAY = date(2026, 10, 19)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WRITTEN_IN = ZoneInfo("Europe/Berlin")
# Slack cuts an export's day files at midnight in its own home zone, wherever the team lives.
FILED_IN = ZoneInfo("America/Los_Angeles")

CHANNELS = {
    "general": ("Company-wide news", "Tidelist 2.0 ships this autumn"),
    "backend": ("API, database, builds and deploys", "Green builds are a human right"),
    "design": ("Screens, words and research", "Crit every Wednesday, 15:30 Berlin"),
    "random": ("Everything else", "No work before the second coffee"),
    "incidents": ("Something is wrong with production", "On call: see the rota"),
}
PEOPLE = {
    "mira": ("Mira Vogt", "Europe/Berlin"),
    "jonas": ("Jonas Ackermann", "Europe/Berlin"),
    "lucia": ("Lucía Benavent", "Europe/Berlin"),
    "tomasz": ("Tomasz Wilk", "Europe/Berlin"),
    "priya": ("Priya Raman", "Europe/Berlin"),
    "emre": ("Emre Aydın", "Europe/Berlin"),
    "hanna": ("Hanna Brückner", "Europe/Berlin"),
    "felix": ("Felix Odenthal", "Europe/Berlin"),
    "noor": ("Noor Haddad", "Europe/Berlin"),
    "devon": ("Devon Clarke", "America/Toronto"),
    "kat": ("Kat Lindqvist", "America/Toronto"),
    "sam": ("Sam Okafor", "America/Toronto"),
    "wei": ("Wei Tan", "America/Toronto"),
    "bea": ("Beatrix Moreau", "America/Toronto"),
    "ollie": ("Oliver Grant", "America/Toronto"),
    "ines": ("Inês Carvalho", "Europe/Lisbon"),
}
BOTS = {"jenkins": "Jenkins", "github": "GitHub", "grafana": "Grafana"}
# Older integrations post as `bot_message` without a user; newer ones are users with a bot profile.
OLD_STYLE_BOTS = {"jenkins"}

Record: TypeAlias = dict[str, Any]


class PageError(Exception):
    """A line of a page that can't be read; the message names the page, the line and the reason."""


@dataclass(slots=True)
class Post:
    """One line of a page, with its instant."""

    author: str
    at: datetime
    record: Record
    replies: list["Post"] = field(default_factory=list)


def main() -> int:
    """Write, check or count the export; the exit status is 1 if `--check` finds it stale."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--check", action="store_true", help="only compare, write nothing")
    arguments.add_argument("--counts", action="store_true", help="print who wrote how much where")
    options = arguments.parse_args()
    posts = {channel: read_channel(channel) for channel in CHANNELS}
    files = export(posts)
    if options.counts:
        sys.stdout.write(f"{counts(posts)}\n")
    if options.check:
        on_disk = {p.relative_to(EXPORT).as_posix(): p.read_text() for p in EXPORT.rglob("*.json")}
        return 0 if on_disk == files else 1
    for old in EXPORT.rglob("*.json"):
        old.unlink()
    for name, content in files.items():
        path = EXPORT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return 0


def read_channel(channel: str) -> list[Post]:
    """Every post of `channel`, in order of time, each with a `ts` no other post has."""
    posts: list[Post] = []
    for page in sorted(PAGES.glob(f"{channel}-*.txt")):
        week = int(page.stem.rpartition("-")[2])
        posts += _read_page(page, channel, FIRST_MONDAY + timedelta(weeks=week - 1))
    everything = posts + [reply for post in posts for reply in post.replies]
    for post in posts:
        if post.replies:
            _tell_root_of_replies(post)
    return sorted(everything, key=lambda post: post.at)


def export(posts: dict[str, list[Post]]) -> dict[str, str]:
    """The export's files by name, as Slack lays them out."""
    files = {
        "channels.json": _rows([_channel_row(name, posts[name]) for name in CHANNELS]),
        "users.json": _rows([_user_row(name) for name in (*PEOPLE, *BOTS)]),
    }
    for channel, channel_posts in posts.items():
        by_day: dict[date, list[Record]] = {}
        for post in channel_posts:
            by_day.setdefault(post.at.astimezone(FILED_IN).date(), []).append(post.record)
        files |= {f"{channel}/{day}.json": _rows(records) for day, records in by_day.items()}
    return files


def counts(posts: dict[str, list[Post]]) -> str:
    """What people said and how many they were, by channel and week, then by person."""
    lines = []
    total: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    for channel, channel_posts in posts.items():
        cells = []
        for week in range(5):
            said = [
                post
                for post in channel_posts
                if (post.at.astimezone(WRITTEN_IN).date() - FIRST_MONDAY).days // 7 == week
                and post.author in PEOPLE
                and post.record.get("subtype") in (None, "me_message", "thread_broadcast")
            ]
            cells.append(f"{len(said):4d} by {len({post.author for post in said}):2d}")
            total.update(post.author for post in said)
            texts.update(post.record["text"] for post in said)
        lines.append(f"{channel:10s} {' | '.join(cells)} | all posts {len(channel_posts)}")
    lines.append(", ".join(f"{name} {count}" for name, count in total.most_common()))
    lines.append(f"{total.total()} said by people, {len(texts)} different texts")
    return "\n".join(lines)


LINE = re.compile(
    r"(?P<reply>> )?((?P<day>mon|tue|wed|thu|fri|sat|sun) )?((?P<time>\d\d:\d\d) )?"
    r"(?P<author>[a-z]+): (?P<text>.*)"
)
MARK = re.compile(r" ?\{(edited|broadcast|file [^}]+)\}$")


def _read_page(page: Path, channel: str, monday: date) -> list[Post]:
    posts: list[Post] = []
    latest: Post | None = None
    day = monday
    for number, raw in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        line = raw.strip()
        where = f"{page.name}:{number}"
        if not line or line.startswith("--"):
            continue
        if line.startswith("== "):
            day = monday + timedelta(days=DAYS.index(line[3:]))
            continue
        if line.startswith("+ "):
            if latest is None:
                raise PageError(f"{where}: a reaction to nothing")
            latest.record["reactions"] = _reactions(line[2:], where)
            continue
        if line.startswith("! deleted"):
            if latest is None:
                raise PageError(f"{where}: nothing above to delete")
            _bury(latest)
            continue
        if line.startswith("! "):
            notice, author = _notice(line[2:], where)
            at = _instant(None, day, posts[-1].at if posts else None, where)
            posts.append(Post(author, at, {"type": "message", **notice, "ts": _ts(at, where)}))
            continue
        match = LINE.fullmatch(line)
        if match is None or match["author"] not in PEOPLE | BOTS:
            raise PageError(f"{where}: not a message: {line[:60]}")
        root = posts[-1] if match["reply"] and posts else None
        said_on = monday + timedelta(days=DAYS.index(match["day"])) if match["day"] else day
        previous = (root.replies or [root])[-1] if root else (posts[-1] if posts else None)
        at = _instant(match["time"], said_on, previous.at if previous else None, where)
        if root is not None and match["time"] is None:
            at = _awake(match["author"], at + timedelta(seconds=_chance(where) % 140), where)
        latest = Post(match["author"], at, _message(match["author"], match["text"], at, where))
        if root is None:
            posts.append(latest)
        else:
            latest.record["thread_ts"] = root.record["ts"]
            latest.record["parent_user_id"] = _user_id(root.author)
            root.replies.append(latest)
    return posts


def _instant(clock: str | None, day: date, previous: datetime | None, where: str) -> datetime:
    chance = _chance(where)
    if clock is not None:
        hours, minutes = clock.split(":")
        at = datetime.combine(day, time(int(hours), int(minutes)), WRITTEN_IN)
        at += timedelta(seconds=chance % 50)
    elif previous is None or previous.astimezone(WRITTEN_IN).date() != day:
        at = datetime.combine(day, time(9, chance % 20), WRITTEN_IN)
    else:
        at = previous + timedelta(seconds=18 + chance % 95)
    at = at.astimezone(UTC).replace(microsecond=(chance >> 16) % 999_000 + 19)
    if previous is not None and at <= previous:
        raise PageError(f"{where}: earlier than the line it follows ({previous:%H:%M} UTC)")
    return at


def _awake(author: str, at: datetime, where: str) -> datetime:
    """`at`, or the author's next morning where they live, if a reply would reach them asleep."""
    local = at.astimezone(ZoneInfo(PEOPLE[author][1])) if author in PEOPLE else at
    if author in BOTS or local.hour >= 7:
        return at
    morning = local.replace(hour=8, minute=30) + timedelta(minutes=_chance(where) % 50)
    return morning.astimezone(UTC)


def _message(author: str, text: str, at: datetime, where: str) -> Record:
    marks = []
    while mark := MARK.search(text):
        marks.append(mark[1])
        text = text[: mark.start()]
    record: Record = {"type": "message"}
    if author in OLD_STYLE_BOTS:
        record |= {"subtype": "bot_message", "bot_id": _bot_id(author), "username": BOTS[author]}
    elif text.startswith("/me "):
        record |= {"subtype": "me_message", "user": _user_id(author)}
        text = text.removeprefix("/me ")
    else:
        record["user"] = _user_id(author)
        if author in PEOPLE:
            record["client_msg_id"] = _uuid(where)
    record |= {"text": _markup(text), "team": TEAM, "ts": _ts(at, where)}
    if author in BOTS and author not in OLD_STYLE_BOTS:
        profile = {"id": _bot_id(author), "name": BOTS[author], "team_id": TEAM}
        record |= {"bot_id": _bot_id(author), "bot_profile": profile}
    for written in marks:
        kind, _, name = written.partition(" ")
        match kind:
            case "edited":
                # Slack keeps the hour of an edit in whole seconds.
                later = int(at.timestamp()) + 25 + _chance(where) % 140
                record["edited"] = {"user": _user_id(author), "ts": f"{later}.000000"}
            case "broadcast":
                record["subtype"] = "thread_broadcast"
            case _:
                record |= {"upload": False, "files": [_file(name, author, at)]}
    return record


def _notice(words: str, where: str) -> tuple[Record, str]:
    kind, _, rest = words.partition(" ")
    author, _, rest = rest.partition(" ")
    me = _user_id(author)
    match kind:
        case "join":
            text = f"<@{me}> has joined the channel"
            return {"subtype": "channel_join", "user": me, "text": text}, author
        case "topic":
            text = f"<@{me}> set the channel topic: {_markup(rest)}"
            topic = {"subtype": "channel_topic", "user": me, "topic": _markup(rest), "text": text}
            return topic, author
        case "rename":
            old, new = rest.split()
            text = f'<@{me}> has renamed the channel from "{old}" to "{new}"'
            names = {"old_name": old, "name": new}
            return {"subtype": "channel_name", "user": me, **names, "text": text}, author
        case _:
            raise PageError(f"{where}: unknown notice {kind}")


def _bury(post: Post) -> None:
    # What Slack leaves in place of a deleted message that has replies.
    ts = post.record["ts"]
    post.author = "slackbot"
    post.record = {
        "type": "message",
        "subtype": "tombstone",
        "user": "USLACKBOT",
        "text": "This message was deleted.",
        "hidden": True,
        "ts": ts,
    }


def _tell_root_of_replies(root: Post) -> None:
    root.replies.sort(key=lambda post: post.at)
    replies = [{"user": _user_id(r.author), "ts": r.record["ts"]} for r in root.replies]
    people = list(dict.fromkeys(reply["user"] for reply in replies))
    root.record |= {
        "thread_ts": root.record["ts"],
        "reply_count": len(replies),
        "reply_users_count": len(people),
        "latest_reply": replies[-1]["ts"],
        "reply_users": people,
        "replies": replies,
    }


def _reactions(line: str, where: str) -> list[Record]:
    reactions = []
    for part in line.split(";"):
        name, *people = part.split()
        if not people or set(people) - set(PEOPLE):
            raise PageError(f"{where}: nobody gave {name}, or somebody unknown")
        users = [_user_id(person) for person in people]
        reactions.append({"name": name, "users": users, "count": len(users)})
    return reactions


LINK = re.compile(r"\[([^\]]+)\]\((https?://[^)\s]+)\)|(https?://[^\s)>|]+[^\s)>|.,!?])")
MENTION = re.compile(r"(?<![\w/.])@([a-z]+)\b")
CHANNEL_NAME = re.compile(r"(?<![\w/&])#(" + "|".join(CHANNELS) + r")\b")


def _markup(text: str) -> str:
    """`text` as Slack sends it: three characters escaped, links and mentions in angle brackets."""
    text = text.replace("\\n", "\n").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = LINK.sub(lambda m: f"<{m[2]}|{m[1]}>" if m[1] else f"<{m[3]}>", text)
    text = CHANNEL_NAME.sub(lambda m: f"<#{_channel_id(m[1])}|{m[1]}>", text)
    return MENTION.sub(_mention, text)


def _mention(match: re.Match[str]) -> str:
    name = match[1]
    if name in ("here", "channel"):
        return f"<!{name}>"
    return f"<@{_user_id(name)}>" if name in PEOPLE else match[0]


def _file(name: str, author: str, at: datetime) -> Record:
    kind = name.rpartition(".")[2]
    file_id = _id("F", name)
    return {
        "id": file_id,
        "created": int(at.timestamp()),
        "name": name,
        "title": name,
        "mimetype": {"png": "image/png", "jpg": "image/jpeg", "pdf": "application/pdf"}[kind],
        "filetype": kind,
        "user": _user_id(author),
        "size": 20_000 + _chance(name) % 900_000,
        "url_private": f"https://files.slack.com/files-pri/{TEAM}-{file_id}/{name}",
    }


def _channel_row(name: str, posts: list[Post]) -> Record:
    purpose, topic = CHANNELS[name]
    members = [_user_id(p) for p in PEOPLE if any(post.author == p for post in posts)]
    return {
        "id": _channel_id(name),
        "name": name,
        "created": 1_712_563_200 + _chance(name) % 9_000,
        "creator": _user_id("kat"),
        "is_archived": False,
        "is_general": name == "general",
        "members": members,
        "topic": {"value": topic, "creator": _user_id("mira"), "last_set": 1_790_000_000},
        "purpose": {"value": purpose, "creator": _user_id("kat"), "last_set": 1_712_563_200},
    }


def _user_row(name: str) -> Record:
    real_name, zone = PEOPLE.get(name) or (BOTS[name], "America/Los_Angeles")
    return {
        "id": _user_id(name),
        "team_id": TEAM,
        "name": name,
        "deleted": False,
        "real_name": real_name,
        "tz": zone,
        "is_bot": name in BOTS,
    }


def _rows(records: list[Record]) -> str:
    # One record a line keeps changes readable; Slack escapes slashes and everything beyond ASCII.
    lines = ",\n".join(json.dumps(record).replace("/", "\\/") for record in records)
    return f"[\n{lines}\n]\n"


def _chance(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])


def _id(letter: str, seed: str) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    number = _chance(f"{letter} {seed}")
    return f"{letter}07" + "".join(digits[number // 36**place % 36] for place in range(8))


def _user_id(name: str) -> str:
    return "USLACKBOT" if name == "slackbot" else _id("U", name)


def _bot_id(name: str) -> str:
    return _id("B", name)


def _channel_id(name: str) -> str:
    return _id("C", name)


def _uuid(seed: str) -> str:
    number = hashlib.sha256(f"client {seed}".encode()).hexdigest()
    return "-".join((number[:8], number[8:12], number[12:16], number[16:20], number[20:32]))


def _ts(at: datetime, where: str) -> str:
    if at.microsecond == 0:
        raise PageError(f"{where}: a time without microseconds would not be unique")
    return f"{int(at.timestamp())}.{at.microsecond:06d}"


TEAM = _id("T", "lanternfish")

if __name__ == "__main__":
    sys.exit(main())
