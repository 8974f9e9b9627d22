from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.text import Plain, plain, words

CHATS = Path(__file__).parents[2].parent / "shared" / "data" / "chats"

MARKUP = st.sampled_from(
    [
        "<@U1|bob>",
        "<#C1|general>",
        "<!here>",
        "<https://x.org|label>",
        "&amp;",
        "&lt;",
        "&gt;",
        ":tada:",
        ":+1:",
        ":a-b:",
        "||",
        "*",
        "_",
        "~",
        "`",
        "```",
        "\n",
        "> ",
        " ",
        "@bob",
        "https://x.org/a?b=c",
        "👍🏽",
        "👩‍💻",
        "🇩🇪",
        "\ud83d",
        "\x00",
        "\u202e",
        "sooooo",
        "hahaha",
        "!!!!!!",
        "Jenkins",
        "'s",
        "10:30:45",
        "<:pepe:123>",
        "<t:1:R>",
        "a.b",
        "שלום",
        "#tag",
    ]
)
TEXTS = st.one_of(st.text(st.characters(), max_size=40), st.lists(MARKUP, max_size=20).map("".join))


def read(sent: str) -> str:
    return " ".join(word.text for word in words(plain(sent).text))


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("<@U1|bob> hello <@W123>", "@user hello @user"),
        ("<!here> <!subteam^S1|@dev> <@&9> <@!8>", "@user @user @user @user"),
        ("thanks @bob, see #general", "thanks @user , see #general"),
        ("<#C1|general> <#42>", "#channel #channel"),
        ("see <https://x.org/a|the docs>", "see the docs"),
        ("see <https://x.org/a|https://x.org/a>", "see http"),
        ("see https://x.org/a?b=c, or www.x.org.", "see http , or http ."),
        ("mail bob@example.org now", "mail http now"),
        ("a &lt; b &amp;&amp; c &copy;", "a < b & & c & copy ;"),
        (":tada: :+1::skin-tone-3: :man-shrugging:", "🎉 👍 🤷"),
        (":party-parrot: <:pepe:123> <a:blob_dance:9>", "party parrot pepe blob dance"),
        ("at 10:30:45 in a:b:c", "at 10:30:45 in a:b:c"),
        ("👍🏽 🤷‍♂️ ❤️ 🇩🇪", "👍 🤷 ❤ flag"),
        ("*bold* _it_ ~gone~ **both** __under__", "bold it gone both under"),
        ("snake_case and 2*3", "snake_case and 2*3"),
        ("||he dies|| at the end", "he dies at the end"),
        ("run `ls` or `a much longer line of shell code than that`", "run ls or [code]"),
        ("look\n```\nint x = 1;\n```\nok", "look [code] ok"),
        ("```never closed", "[code]"),
        ("> their words\nmy words", "my words"),
        ("&gt; their words\nmy words", "my words"),
        ("> their words", "> their words"),
        ("sooooo goooood!!!!!!!", "soo good !!!"),
        ("hahahahaha", "haha"),
        ("^_^ -_- >_<", "^ _ ^ - _ - > _ <"),
        ('Traceback (most recent call last):\n  File "x.py", line 3, in foo\nValueError: no\nhelp?', "[code] help ?"),
        ("java.lang.NullPointerException: x\n\tat com.foo.Bar.baz(Bar.java:1)\nany idea?", "[code] any idea ?"),
        ("2024-01-01 12:00:00 ERROR boom", "[code]"),
        ("fatal: not a git repository", "[code]"),
        ("Jenkins's C++, C# and .NET (node.js) #Tag", "Jenkins 's C++ , C# and .NET ( node.js ) #Tag"),
        ("Slack/Discord don't", "Slack / Discord don't"),
        ("", ""),
        ("a\ud800b\x00c", "a b c"),
        ("in\u202evisible\u200b", "invisible"),
    ],
)
def test_markup_becomes_what_a_person_reads(sent: str, expected: str) -> None:
    assert expected == read(sent)


@pytest.mark.parametrize(
    ("sent", "word", "source"),
    [
        ("hi <@U1|bob> and Jenkins", "@user", "<@U1|bob>"),
        ("hi <@U1|bob> and *Jenkins*", "Jenkins", "Jenkins"),
        ("<https://x.org|Jenkins> is up", "Jenkins", "Jenkins"),
        ("AT&amp;T is up", "AT&T", "AT&amp;T"),
        ("👍🏽 ok", "👍", "👍🏽"),
        (":tada: ok", "🎉", ":tada:"),
        ("Goooogle!", "Google", "Goooogle"),
        ("quote\n> x\n*Yahooooo* there", "Yahoo", "Yahooooo"),
    ],
)
def test_a_word_leads_back_to_the_text_as_sent(sent: str, word: str, source: str) -> None:
    read_as = plain(sent)
    found = next(each for each in words(read_as.text) if each.text == word)

    start, end = read_as.span(found.start, found.end)

    assert source == sent[start:end]


@given(TEXTS)
@example("<@U1>`a`&amp;👩‍💻")
def test_pieces_tile_the_plain_text_and_go_forward_through_the_text_as_sent(sent: str) -> None:
    read_as = plain(sent)

    position = at = 0
    for piece in read_as.pieces:
        assert position == piece.start < piece.end
        assert at <= piece.sent_start < piece.sent_end <= len(sent)
        if piece.verbatim:
            assert read_as.text[piece.start : piece.end] == sent[piece.sent_start : piece.sent_end]
        position, at = piece.end, piece.sent_end
    assert position == len(read_as.text)


@given(TEXTS)
def test_every_word_stands_for_a_run_of_the_text_as_sent(sent: str) -> None:
    read_as = plain(sent)
    last = 0
    for word in words(read_as.text):
        start, end = read_as.span(word.start, word.end)
        assert word.text == read_as.text[word.start : word.end]
        assert 0 <= start < end <= len(sent)
        assert last <= word.start
        last = word.end


@given(TEXTS)
def test_words_hold_everything_but_spaces(sent: str) -> None:
    text = plain(sent).text

    assert "".join(text.split()) == "".join("".join(word.text.split()) for word in words(text))


@given(TEXTS)
def test_what_is_read_can_be_tokenised(sent: str) -> None:
    assert plain(sent).text.encode("utf-8").decode("utf-8") == plain(sent).text


@given(st.text(st.characters(categories=["Ll", "Lu"], max_codepoint=0x24F), min_size=1, max_size=30))
def test_a_text_without_markup_is_left_alone(sent: str) -> None:
    spaced = " ".join(sent)  # no letter three times in a row, no laugh

    assert spaced == plain(spaced).text


def test_a_placeholder_is_not_the_authors_word_but_an_entity_of_html_is() -> None:
    read_as = plain("<@U1> likes AT&amp;T &amp; co :tada:")
    written = {word.text: read_as.is_written(word.start, word.end) for word in words(read_as.text)}

    assert written == {"@user": False, "likes": True, "AT&T": True, "&": True, "co": True, "🎉": False}


def test_a_span_outside_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="inside the plain text"):
        Plain("", ()).span(0, 1)


HARD = [
    "`",
    "@",
    "<",
    "<@",
    "<http:",
    ":a",
    "a",
    "*a",
    "http://",
    "\n> ",
    "a.b",
    "x@",
    "ha",
    ".",
    "&gt;",
    "👍",
    "a_",
    "``",
    " at a.b",
    "<!date^",
    "/a",
    "'s",
    "|",
    "a-",
    "\n at x",
    "a@a.",
    "\ud83d",
    "👩‍",
    "(@user",
    "a.a.a.a.A",
    ":+1:",
    "```",
    "\x00",
    "שלום ",
    "Error: ",
]


@pytest.mark.parametrize("unit", HARD)
def test_a_long_text_of_anything_is_read_to_its_end(unit: str) -> None:
    sent = unit * (20_000 // len(unit))

    read_as = plain(sent + " end")

    assert len(sent) + 4 == read_as.pieces[-1].sent_end


@pytest.mark.skipif(not CHATS.exists(), reason="the real chats are not on this machine")
def test_real_chats_read_without_markup() -> None:
    for line in (CHATS / "elmlang.jsonl").read_text(encoding="utf-8").splitlines()[:500]:
        sent = json.loads(line)["text"]
        read_as = plain(sent)
        assert "<@" not in read_as.text
        assert all(read_as.span(word.start, word.end) for word in words(read_as.text))
