"""What must not leave this machine, blanked out: addresses, numbers of phones and cards, tokens and keys.

Every mask is as long as what it covers, so that offsets found in the masked text hold in the original.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import phonenumbers

MASK = "*"


class Secret(StrEnum):
    """What was masked."""

    EMAIL = "e-mail address"
    PHONE = "phone number"
    TOKEN = "token or key"  # noqa: S105 – a kind's name
    CARD = "card number"
    IBAN = "bank account"
    IP = "IP address"


@dataclass(frozen=True, slots=True)
class Span:
    """Code points `start` … `end` of a text hold a `secret`."""

    start: int
    end: int
    secret: Secret


@dataclass(frozen=True, slots=True)
class Masked:
    """`text` is as long as the original; `spans` say what is covered, ascending and apart."""

    text: str = field(repr=False)
    spans: tuple[Span, ...]

    def covers(self, start: int, end: int) -> bool:
        """Does any of `start` … `end` lie under a mask?"""
        return any(span.start < end and start < span.end for span in self.spans)


def mask(text: str, *, region: str | None = None) -> Masked:
    """`text` with everything covered that names a person's reach or opens a door.

    `region` (ISO 3166, such as "DE") is where numbers without a country code are at home; without it only numbers
    that begin with + are known as phones. It is deliberately eager: a word too many costs a little accuracy, a key
    too few is out. It can't know every secret: prose like "the password is the dog's name" stays.
    """
    spans: list[Span] = []
    for span in sorted(_found(text, region), key=lambda span: (span.start, -span.end)):
        if spans and span.start < spans[-1].end:
            spans[-1] = Span(spans[-1].start, max(spans[-1].end, span.end), spans[-1].secret)
        else:
            spans.append(span)
    characters = list(text)
    for span in spans:
        characters[span.start : span.end] = MASK * (span.end - span.start)
    return Masked("".join(characters), tuple(spans))


def _found(text: str, region: str | None) -> Iterator[Span]:
    for match in _TOKENS.finditer(text):
        yield Span(*match.span(), Secret.TOKEN)
    for match in _ASSIGNED.finditer(text):
        yield Span(*match.span("value"), Secret.TOKEN)
    for match in _EMAIL.finditer(text):
        yield Span(*match.span(), Secret.EMAIL)
    for match in _IBAN.finditer(text):
        if end := _iban_length(match[0]):
            yield Span(match.start(), match.start() + end, Secret.IBAN)
    for match in _CARD.finditer(text):
        if _is_card(match[0]):
            yield Span(*match.span(), Secret.CARD)
    for match in _IP.finditer(text):
        if _is_ip(match[0]):
            yield Span(*match.span(), Secret.IP)
    if _ENOUGH_DIGITS.search(text):
        for number in phonenumbers.PhoneNumberMatcher(text, region, max_tries=1000):
            yield Span(number.start, number.end, Secret.PHONE)


def _is_card(written: str) -> bool:
    """Is `written` a card number: of a length that is issued, and with the check digit of ISO/IEC 7812-1, annex B?"""
    digits = [int(character) for character in written if character.isdecimal()]
    if len(digits) not in {13, 14, 15, 16, 19}:
        return False
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return any(digits) and (sum(digits[-1::-2]) + doubled) % 10 == 0


def _iban_length(written: str) -> int:
    """How much of `written` is an account number (ISO 13616, check digits by ISO 7064 mod 97-10); 0: nothing of it."""
    for end in range(len(written), 14, -1):
        account = re.sub(r"[ -]", "", written[:end])
        if written[end - 1] in " -" or not 15 <= len(account) <= 34:
            continue
        if int("".join(str(int(character, 36)) for character in account[4:] + account[:4])) % 97 == 1:
            return end
    return 0


def _is_ip(written: str) -> bool:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    return not address.is_loopback and not address.is_unspecified


# Each is anchored on what its issuer promises never to change. `(?<![A-Za-z0-9])` keeps them out of longer words.
_TOKENS = re.compile(
    r"""
    -----BEGIN[ ](?:[A-Z0-9]+[ ])*PRIVATE[ ]KEY(?:[ ]BLOCK)?----- [\s\S]*? (?: -----END[ ][A-Z0-9 ]+----- | \Z )
  | (?<![A-Za-z0-9])(?:
        (?: hf | api_org )_[A-Za-z0-9]{20,}                             # Hugging Face
      | gh[pousr]_[A-Za-z0-9]{30,} | github_pat_[A-Za-z0-9_]{30,}       # GitHub
      | gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-[A-Za-z0-9_-]{20,}    # GitLab
      | x(?:ox[abeoprs]|app)-[A-Za-z0-9-]{10,}                          # Slack
      | [MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,} # Discord
      | mfa\.[A-Za-z0-9_-]{60,}
      | (?: sk | pk | rk )-[A-Za-z0-9_-]{20,}                           # OpenAI, Anthropic and those who copy them
      | (?: sk | pk | rk )_(?: live | test )_[A-Za-z0-9]{10,} | whsec_[A-Za-z0-9]{20,}  # Stripe
      | (?: AKIA | ASIA | ABIA | ACCA | AROA | AIDA )[A-Z2-7]{16}       # AWS
      | AIza[A-Za-z0-9_-]{35} | ya29\.[A-Za-z0-9_-]{20,} | GOCSPX-[A-Za-z0-9_-]{20,}    # Google
      | npm_[A-Za-z0-9]{30,} | pypi-[A-Za-z0-9_-]{50,} | rubygems_[a-f0-9]{40,} | dckr_pat_[A-Za-z0-9_-]{20,}
      | do[opr]_v1_[a-f0-9]{40,} | dapi[a-f0-9]{32} | shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}
      | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,} | key-[a-f0-9]{32}   # SendGrid, Mailgun
      | (?: SK | AC )[a-f0-9]{32}                                       # Twilio
      | \d{8,10}:AA[A-Za-z0-9_-]{32,}                                   # Telegram
      | glc_[A-Za-z0-9+/=]{30,} | glsa_[A-Za-z0-9_]{30,} | hv[sbr]\.[A-Za-z0-9_-]{20,}  # Grafana, Vault
      | AGE-SECRET-KEY-1[A-Z0-9]{50,}
      | eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*      # JSON Web Token
      | [A-Za-z0-9+/]{86}==                                             # Azure storage
    )
  | (?<=://)[^\s/:@]+:[^\s/@]+(?=@)                                     # the password of an address
  | (?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[A-Za-z0-9/_-]+
  | (?<=/api/webhooks/)\d+/[A-Za-z0-9_-]+                               # Discord
  | (?<=\b[Bb]earer[ ])[A-Za-z0-9._~+/=-]{8,}
    """,
    re.VERBOSE,
)
_ASSIGNED = re.compile(
    r"""
    (?: password | passwd | passphrase | pwd | secret | token | api[_ -]?key | access[_ -]?key | client[_ -]?secret
      | private[_ -]?key | auth[_ -]?key | credentials? )
    ["'`]? \s{0,3} (?: [:=] | => ) \s{0,3} ["'`]?
    (?P<value> [^\s"'`,;<>*]{4,} )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+(?![\w-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{2,4}){3,8}(?:[ -]?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_IP = re.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)|(?:[0-9a-fA-F]{0,4}:){2,7}(?:[0-9a-fA-F]{1,4})?)(?![\w:])"
)
_ENOUGH_DIGITS = re.compile(r"\d(?:\D{0,3}\d){5}")
