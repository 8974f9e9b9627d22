"""When two spellings name the same thing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.entities import canonical


@pytest.mark.parametrize(
    ("spellings", "key"),
    [
        (
            (
                "Jenkins",
                "jenkins",
                "JENKINS",
                "Jenkins'",
                "Jenkins’",
                "#jenkins",
                "“Jenkins”",
                "Jenkins.",
                "'jenkins’s'",
            ),
            "jenkins",
        ),
        (("McDonald's", "mcdonald’s", "MCDONALD"), "mcdonald"),
        (("fly.io", "Fly.io", "fly.io,"), "fly.io"),
        (("Visual Studio", "visual-studio", "Visual_Studio", "visual\u00a0 studio", "Visual‑Studio"), "visual studio"),
        (("Windows", "windows"), "windows"),
        (("C#", "c#"), "c#"),
        (("C++", "c++"), "c++"),
        ((".NET", ".net"), ".net"),
        (("Ｋ８ｓ", "K8s"), "k8s"),
        (("Straße", "STRASSE"), "strasse"),
        (("Zürich", "Zu\u0308rich"), "zürich"),
        (("Acme\u200bCorp", "AcmeCorp"), "acmecorp"),
        (("🎉",), "🎉"),
        (("'", "#", "  ", "", "“”"), ""),
    ],
)
def test_spellings_of_one_thing_have_one_key(spellings: tuple[str, ...], key: str):
    assert {canonical(spelling) for spelling in spellings} == {key}


@pytest.mark.parametrize(
    ("one", "other"), [("Window", "Windows"), ("C", "C#"), ("C", "C++"), ("net", ".net"), ("Go", "GoCD")]
)
def test_different_things_have_different_keys(one: str, other: str):
    assert canonical(one) != canonical(other)


@given(st.text(st.characters(), max_size=40))
def test_a_key_is_its_own_key(name: str):
    assert canonical(canonical(name)) == canonical(name)


@given(st.text("aA's#'’ -_.\"“", max_size=12))
def test_a_key_of_marks_and_letters_is_its_own_key(name: str):
    assert canonical(canonical(name)) == canonical(name)
