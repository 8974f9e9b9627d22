from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.analysis.masking import Masked, Secret, Span, mask

# Put together here, so that no scanner of this repository takes them for real ones.
LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fX"
TOKENS = {
    "Hugging Face": "hf_" + LETTERS + "qR",
    "Hugging Face organization": "api_org_" + LETTERS,
    "GitHub": "ghp_" + LETTERS + "wxyz",
    "GitHub, fine-grained": "github_pat_" + LETTERS + "_" + LETTERS,
    "GitLab": "glpat-" + LETTERS[:20],
    "Slack bot": "xoxb-" + "123456789012-" + "1234567890123-" + LETTERS[:24],
    "Slack app": "xapp-" + "1-A0-" + "1234-" + LETTERS,
    "Discord": "M" + LETTERS[:25] + "." + "GaBcDe" + "." + LETTERS[:27],
    "OpenAI": "sk-" + "proj-" + LETTERS,
    "Stripe": "sk" + "_live_" + LETTERS[:24],
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "Google": "AIza" + LETTERS + "Abc",
    "npm": "npm_" + LETTERS + "wxyz",
    "PyPI": "pypi-" + LETTERS + LETTERS,
    "DigitalOcean": "dop_v1_" + "0123456789abcdef" * 4,
    "Databricks": "dapi" + "0123456789abcdef" * 2,
    "SendGrid": "SG." + LETTERS[:22] + "." + LETTERS,
    "Twilio": "SK" + "0123456789abcdef" * 2,
    "Telegram": "123456789:AA" + LETTERS + "a",
    "Vault": "hvs." + LETTERS,
    "JWT": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NSJ9." + LETTERS,
    "Azure": LETTERS * 2 + LETTERS[:22] + "==",
}


def secrets_in(text: str, region: str | None = None) -> list[tuple[Secret, str]]:
    return [(span.secret, text[span.start : span.end]) for span in mask(text, region=region).spans]


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize("around", ["{}", "use {} for now", "({})", "🎉 `{}`,", 'curl -H "x: {}"'])
def test_tokens_of_known_issuers_are_covered_wherever_they_stand(token: str, around: str) -> None:
    assert secrets_in(around.format(token)) == [(Secret.TOKEN, token)]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password: hunter22", "hunter22"),
        ("PASSWORD=hunter22 make run", "hunter22"),
        ('"api_key": "abcd-1234"', "abcd-1234"),
        ("client secret => s3cr3t!", "s3cr3t!"),
        ("postgres://roomtone:tone-of-room@db/roomtone", "roomtone:tone-of-room"),
        ("Authorization: Bearer abc.def-123456", "abc.def-123456"),
        ("https://hooks.slack.com/services/T000/B000/" + LETTERS, "services/T000/B000/" + LETTERS),
        ("https://discord.com/api/webhooks/123456/" + LETTERS, "123456/" + LETTERS),
    ],
)
def test_what_is_said_to_be_a_secret_is_covered(text: str, secret: str) -> None:
    assert (Secret.TOKEN, secret) in secrets_in(text)


def test_a_private_key_is_covered_to_its_end_and_to_the_end_of_the_text_where_it_has_none() -> None:
    begin, end = "-----BEGIN " + "RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"

    assert mask(f"here:\n{begin}\nMIIE\n{end}\nthanks").text.split("*")[0] == "here:\n"
    assert mask(f"here:\n{begin}\nMIIE\n{end}\nthanks").text.endswith("*\nthanks")
    assert mask(f"{begin}\nMIIEowIBAAK").text == "*" * len(f"{begin}\nMIIEowIBAAK")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to mei.lin+ops@example.co.uk please", [(Secret.EMAIL, "mei.lin+ops@example.co.uk")]),
        ("jörg@bücher.example, or not", [(Secret.EMAIL, "jörg@bücher.example")]),
        ("call +49 30 901820 or not", [(Secret.PHONE, "+49 30 901820")]),
        ("card 4111 1111 1111 1111 exp 12/29", [(Secret.CARD, "4111 1111 1111 1111")]),
        ("pay to DE89 3704 0044 0532 0130 00 today", [(Secret.IBAN, "DE89 3704 0044 0532 0130 00")]),
        ("pay to GB82WEST12345698765432.", [(Secret.IBAN, "GB82WEST12345698765432")]),
        ("ssh 203.0.113.7 now", [(Secret.IP, "203.0.113.7")]),
        ("ping 2001:db8::8a2e:370:7334", [(Secret.IP, "2001:db8::8a2e:370:7334")]),
    ],
)
def test_numbers_and_addresses_are_covered(text: str, found: list[tuple[Secret, str]]) -> None:
    assert secrets_in(text) == found


def test_numbers_without_a_country_code_are_phones_only_where_their_region_is_given() -> None:
    assert secrets_in("ring 030 901820 tomorrow") == []
    assert secrets_in("ring 030 901820 tomorrow", "DE") == [(Secret.PHONE, "030 901820")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the deploy took 10:30:45 and failed 3 times",
        "fixed in 1.2.3, see #12345",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 broke it",
        "order 1234567890123456 is late",  # fails the check digit of a card
        "DE89 3704 0044 0532 0130 01 has a wrong check digit",
        "std::vector<int>::iterator",
        "listening on 127.0.0.1:8080",
        "2026-11-24T09:30:00 till 2026-11-25",
        "my token expired and the password is wrong",
        "@mei see <https://example.com/a/b>",
        "sk-learn is fine, so is task_force_one",
        "0.1.2.3.4.5",
        "pi is 3.14159265358979",
    ],
)
def test_everyday_talk_is_left_alone(text: str) -> None:
    assert mask(text) == Masked(text, ())


@given(
    st.lists(
        st.sampled_from([*TOKENS.values(), "a@b.example", "+49 30 901820", "👩‍👩‍👧", "é", "日本", " ", "ok", "\ud800"])
    )
)
def test_a_masked_text_is_as_long_as_the_original_and_differs_only_under_its_spans(parts: list[str]) -> None:
    text = " ".join(parts)

    masked = mask(text)

    assert len(masked.text) == len(text)
    for at, (before, after) in enumerate(zip(text, masked.text, strict=True)):
        assert after == ("*" if masked.covers(at, at + 1) else before)


@given(st.text(max_size=200))
def test_any_text_can_be_masked_and_masking_again_finds_nothing_new(text: str) -> None:
    once = mask(text, region="US")

    assert mask(once.text, region="US").text == once.text


@pytest.mark.parametrize(
    "piece", ["eyJ", "a@", "1.1.", "+1 ", "::", "password:", "-----BEGIN PRIVATE KEY-----", "A1", "://a:"]
)
def test_a_hundred_thousand_hostile_characters_are_masked(piece: str) -> None:
    text = (piece * (100_000 // len(piece) + 1))[:100_000]

    assert len(mask(text).text) == 100_000


def test_covers_says_whether_a_stretch_touches_a_mask() -> None:
    masked = Masked("ab***fg", (Span(2, 5, Secret.TOKEN),))

    assert [masked.covers(at, at + 1) for at in range(7)] == [False, False, True, True, True, False, False]
    assert masked.covers(0, 7)
    assert not masked.covers(0, 2)
