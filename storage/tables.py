"""All tables on one page.

Times are integer milliseconds since 1970 in UTC; `end` counts quarter hours since then. Probabilities are integers in
steps of 1e-4, so that sums are exact and whatever was added can be taken out again without a trace. People are
pseudonyms, and each name that repeats (channel, author, model, entity) is stored once and stood for by a small integer.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# ---- the installation --------------------------------------------------------------------------------------------

installation = Table(
    "installation",
    metadata,
    Column("name", Text, primary_key=True),  # 'fingerprint' of the key; 'compat': the oldest schema that may write here
    Column("value", Text, nullable=False),
)

# ---- names and the numbers that stand for them -------------------------------------------------------------------
# Spelled INTEGER, for only then is a key the table's own row number, and costs nothing.

channels = Table(
    "channels",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("key", Text, nullable=False),  # the platform's id
    Column("name", Text),  # NULL: only ever seen as the place of a message
    Column("private", Boolean, nullable=False, server_default=false()),
    Column("parent_id", ForeignKey("channels.id")),  # a Discord thread's channel, for whose numbers it counts
    Column("seen_at", BigInteger),  # of the ChannelSeen that `name`, `private` and `parent_id` come from
    Column("gone", Text),  # bot.message.Gone of the latest ChannelGone; in force unless `seen_at` is later
    Column("gone_at", BigInteger),
    Column("deleted_at", BigInteger),  # the latest Gone.DELETED: what was sent until then is in no number, for good
    Column("moved_at", BigInteger),  # of the latest ChannelMoved: it says which of its ids is `key`
    UniqueConstraint("platform", "workspace", "key"),
)

former = Table(
    "former",
    metadata,
    # The other ids that a channel has had: what is told of one is told of the channel.
    Column("platform", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("channel_id", ForeignKey("channels.id"), nullable=False, index=True),
    sqlite_with_rowid=False,
)

authors = Table(
    "authors",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pseudonym", Text, nullable=False, unique=True),
    Column("opted_out", Boolean, nullable=False, server_default=false()),
    Column("counted_from", BigInteger),  # when they opted in again: what they sent before stays forgotten
)

models = Table(
    "models",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),  # name and version
)

reasons = Table(
    "reasons",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),  # why a message was not read: 'bot', 'language de'
)

entities = Table(
    "entities",
    metadata,
    Column("id", Integer, primary_key=True),  # from 1: 0 and -1 have a meaning in rollups.about
    Column("key", Text, nullable=False, unique=True),  # bot.entities.canonical
)

surfaces = Table(
    "surfaces",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text, nullable=False, unique=True),  # an entity as somebody wrote it
    Column("entity_id", ForeignKey("entities.id"), nullable=False, index=True),
)

threads = Table(
    "threads",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("channel_id", ForeignKey("channels.id"), nullable=False),
    Column("key", Text, nullable=False),  # the id of its first message
    UniqueConstraint("channel_id", "key"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("key", Text, primary_key=True),  # canonical form of `written`
    Column("written", Text, nullable=False),
    Column("meant_key", Text),  # canonical form of `meant`; NULL hides the entity
    Column("meant", Text),
)

# ---- what was read -----------------------------------------------------------------------------------------------

readings = Table(
    "readings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("channel_id", ForeignKey("channels.id"), nullable=False),  # as delivered: for Discord the thread
    Column("key", Text, nullable=False),  # the message's id there
    Column("deleted", Boolean, nullable=False, server_default=false()),  # a tombstone: everything below is NULL
    Column("home_id", ForeignKey("channels.id")),  # the channel it counts for: its own, or the parent of a thread
    Column("author_id", ForeignKey("authors.id")),
    Column("sent_at", BigInteger),
    Column("revised_at", BigInteger),
    Column("thread_id", ForeignKey("threads.id")),
    Column("from_bot", Boolean),
    Column("model_id", ForeignKey("models.id")),  # NULL: nobody looked at it (a bot's)
    Column("language", Text),  # ISO 639-1, where the model was sure of it
    # NULL from here on: in no mood, because a bot sent it or the model has no figures for its language
    Column("label", SmallInteger),  # -1 negative, 0 neutral, 1 positive
    Column("negative", SmallInteger),
    Column("neutral", SmallInteger),
    Column("positive", SmallInteger),
    UniqueConstraint("channel_id", "key"),
    CheckConstraint("deleted OR (author_id IS NOT NULL AND sent_at IS NOT NULL)", name="whole"),
)
Index("ix_readings_sent_at", readings.c.home_id, readings.c.sent_at)
Index(
    "ix_readings_thread",
    readings.c.home_id,
    readings.c.sent_at,
    readings.c.thread_id,
    sqlite_where=text("thread_id IS NOT NULL"),
)
Index("ix_readings_author_id", readings.c.author_id)  # for opting out

mentions = Table(
    "mentions",
    metadata,
    Column("reading_id", ForeignKey("readings.id"), primary_key=True),
    Column("surface_id", ForeignKey("surfaces.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("times", Integer, nullable=False),  # how often in this message
    # As the surface and the reading have them, so that one index finds an entity's mentions in a stretch of time.
    Column("entity_id", ForeignKey("entities.id"), nullable=False),
    Column("home_id", ForeignKey("channels.id"), nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_mentions_entity", mentions.c.entity_id, mentions.c.home_id, mentions.c.sent_at)

reactions = Table(
    "reactions",
    metadata,
    # By the message's name, not its reading: a reaction may come before its message.
    Column("channel_id", ForeignKey("channels.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("author_id", ForeignKey("authors.id"), primary_key=True),
    Column("emoji", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("added", Boolean, nullable=False),  # withdrawn ones are kept, or an older 'added' would bring them back
    sqlite_with_rowid=False,
)
Index("ix_reactions_author_id", reactions.c.author_id)

clearings = Table(
    "clearings",
    metadata,
    Column("channel_id", ForeignKey("channels.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("emoji", Text, primary_key=True),  # '' for all of them
    Column("at", BigInteger, nullable=False),  # reactions given until then don't stand
    sqlite_with_rowid=False,
)

# ---- how far it was read, and what adapters must remember --------------------------------------------------------

cursors = Table(
    "cursors",
    metadata,
    # By the platform's names, not channels.id: a channel may be known here before anything was read in it.
    Column("platform", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("position", Text, nullable=False),  # the id of the last message up to which nothing is missing
    sqlite_with_rowid=False,
)

notes = Table(
    "notes",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
    sqlite_with_rowid=False,
)

# ---- what is posted unasked ---------------------------------------------------------------------------------------

subscriptions = Table(
    "subscriptions",
    metadata,
    # By the platform's names, as cursors are.
    Column("platform", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("sort", Text, primary_key=True),  # bot.schedule.Sort
    Column("weekday", SmallInteger),  # 0 is Monday; NULL: every day
    Column("hour", SmallInteger, nullable=False),
    Column("minute", SmallInteger, nullable=False),
    Column("zone", Text, nullable=False),
    Column("since", BigInteger, nullable=False),  # nothing is due that was due before
    Column("channels", Text, nullable=False),  # JSON: the ids of the channels that it is about
    Column("low", Boolean, nullable=False, server_default=false()),  # alerted, and the mood hasn't come back
    sqlite_with_rowid=False,
)

posts = Table(
    "posts",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("sort", Text, primary_key=True),
    Column("due", BigInteger, primary_key=True),  # with the rest: there is never a second one
    Column("state", Text, nullable=False),  # bot.schedule.State
    Column("reserved_until", BigInteger, nullable=False, server_default=text("0")),
    Column("message", Text),  # the platform's id of the post
    Column("why", Text),  # it wasn't posted, in our own words
    sqlite_with_rowid=False,
)

# ---- sums over what was read -------------------------------------------------------------------------------------

spellings = Table(
    "spellings",
    metadata,
    # By channel, so that a name known from a private one isn't offered elsewhere.
    Column("home_id", ForeignKey("channels.id"), primary_key=True),
    Column("surface_id", ForeignKey("surfaces.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("times", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

rollups = Table(
    "rollups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("home_id", ForeignKey("channels.id"), nullable=False),
    Column("span", SmallInteger, nullable=False),  # storage.rollups.Span
    Column("end", Integer, nullable=False),  # the bucket's end, exclusive
    Column("about", Integer, nullable=False),  # an entity's id; 0: every message read; -1: those not read
    Column("tallies", LargeBinary, nullable=False),  # packed, an entry for each (author, model): storage.rollups.ENTRY
    UniqueConstraint("home_id", "span", "end", "about"),
)

rollups_packed = Table(
    "rollups_packed",
    metadata,
    # Every entity of a past bucket in one row, so that a year's are a dozen; dropped with whatever changes the bucket.
    Column("home_id", ForeignKey("channels.id"), primary_key=True),
    Column("span", SmallInteger, primary_key=True),
    Column("end", Integer, primary_key=True),
    Column("people", LargeBinary, nullable=False),  # entity, author, messages: storage.named
    Column("sums", LargeBinary, nullable=False),  # entity, messages, mentions, score
    Column("mentions", LargeBinary),  # of a day: each one, with its quarter hour: storage.mentioned
)

# ---- what waits --------------------------------------------------------------------------------------------------

inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("identity", LargeBinary, nullable=False, unique=True),  # keyed digest of the whole event: twice is once
    Column("subject", LargeBinary),  # keyed digest of the message it is about
    Column("channel", LargeBinary),  # keyed digest of the channel it is about
    Column("author", Text),  # so that opting out drops what waits
    Column("sent_at", BigInteger),
    Column("revised_at", BigInteger),  # of a Message; for a Deletion the largest number there is
    Column("accepted_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("leased_until", BigInteger, nullable=False, server_default=text("0")),
    Column("reason", Text),  # set aside: never lent again
    Column("sealed", LargeBinary, nullable=False),  # key id, nonce, AES-GCM of the event
    sqlite_autoincrement=True,  # a receipt never names a second event
)
Index("ix_inbox_subject", inbox.c.subject)

# ---- what hosted inference has used ------------------------------------------------------------------------------

hosted_use = Table(
    "hosted_use",
    metadata,
    Column("period", Text, primary_key=True),  # a UTC month, day or hour by its ISO 8601 name
    Column("requests", BigInteger, nullable=False),
    Column("characters", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),  # summed over its requests
    Column("problem", Text),  # its latest failure, in our own words
    Column("problem_at", BigInteger),
    sqlite_with_rowid=False,
)

hosted_tokens = Table(
    "hosted_tokens",
    metadata,
    Column("fingerprint", Text, primary_key=True),  # of the token's SHA-256
    Column("first_seen_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
