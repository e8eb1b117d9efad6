"""The page: what it says, that it stands alone, and that nothing that comes from data is markup."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from nightshift.report.data import MOST_PICTURES
from nightshift.report.page import render
from tests.nightshift.report.story import night, nights, numeric, profile_of, signal, story, version

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Reads a page as a browser does: its text, its attributes, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attributes]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_page_says_what_the_night_decided_and_why() -> None:
    text = Page(render(story())).text

    assert "Retrained: version 4 is the new champion." in text
    assert "Retrain: temp drifted (PSI 0.61" in text
    assert "roc_auc 0.703 against 0.718 expected: 0.015 worse (95 %: 0.004 to 0.026)" in text
    assert "5,689 of 6,321 labels are known (90 %)" in text
    assert "scores stay calibrated" in text
    assert "0.004 too low where the truth is known by now" in text
    assert "4 alarms in 37 signals" in text
    assert "too few rows: 132 of the 200 needed" in text
    assert "not better than the champion's 0.718" in text
    assert text.index("carrier") < text.index("weather_"), "alarms come first"


def test_the_page_needs_nothing_from_outside_and_runs_nothing() -> None:
    page = Page(render(story()))

    assert "script" not in page.tags
    assert not {"img", "link", "iframe", "object", "base", "form"} & set(page.tags)
    assert not [one for one in page.attributes if one[0] in ("src", "href", "onclick", "onload", "style")]
    html = render(story())
    assert "@import" not in html
    assert "url(" not in html
    assert ("name", "viewport") in page.attributes
    assert "prefers-color-scheme: dark" in html


def test_charts_are_well_formed_and_have_a_title() -> None:
    html = render(story())
    drawings = [part.split("</svg>")[0] + "</svg>" for part in html.split("<svg ")[1:]]

    assert len(drawings) == 1 + 3
    for drawing in drawings:
        root = ElementTree.fromstring("<svg " + drawing)
        assert root.attrib["aria-label"]


@pytest.mark.parametrize(
    "evil", ['<script>alert("x")</script>', "</title><b>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"]
)
def test_whatever_comes_from_data_is_text(evil: str) -> None:
    every = (night(0, state="failed", error=evil), night(1, "watch", (evil, evil), causes=(evil,)))
    column = numeric(evil, *[_values()] * 2)
    report = story(
        project=evil, purpose=evil, owner=evil, metric=evil, nights=every,
        signals=(signal(evil, evil, 0.5, 0.1, 0.001, alarm=True, segment=evil, note=evil),),
        versions=(version(1, reasons=(evil,), commit=evil, aliases=(evil,)),),
        reference=profile_of([column], 100), window=profile_of([column], 100),
    )  # fmt: skip

    page = Page(render(report))

    assert not {"script", "img", "b"} & set(page.tags)
    assert evil in "".join(page.words)


def test_before_the_first_night_there_is_a_page_too() -> None:
    empty: dict[str, Any] = {
        "nights": (), "signals": (), "timeline": (), "realised": None, "estimated": None, "versions": (),
        "reference": None, "window": None,
    }  # fmt: skip

    assert "No night has run yet." in Page(render(story(**empty))).text


def test_quiet_nights_are_named_so_and_long_histories_are_folded() -> None:
    many = tuple(night(place) for place in range(200))

    page = Page(render(story(nights=many, signals=())))

    assert "All quiet: nothing to do." in page.text
    assert "140 earlier nights" in page.text
    assert page.tags.count("details") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"state": "failed", "error": "the store is full; free some space"},
            "The night failed. the store is full",
        ),
        ({"action": "hold", "reasons": ("half is missing",)}, "the data cannot be trusted"),
        ({"action": "watch", "causes": ("drift:temp",)}, "Watching: something moved."),
        (
            {"action": "retrain", "trained": 5, "champion": 4},
            "version 5 was refused: version 4 stays champion",
        ),
        (
            {"action": "retrain", "trained": 1, "champion": None},
            "version 1 was refused: there is no champion yet",
        ),
        ({"action": "retrain"}, "Time to retrain."),
    ],
)
def test_each_kind_of_night_has_its_headline(changes: dict[str, Any], said: str) -> None:
    assert said in Page(render(story(nights=(night(3, **changes),)))).text


def test_only_drifted_columns_that_both_profiles_know_are_pictured() -> None:
    names = [f"c{place}" for place in range(9)]
    profile = profile_of([numeric(name, *[_values()] * 2) for name in names], 100)
    alarms = tuple(
        signal("psi", name, 0.1 + place, 0.1, 0.0, alarm=True) for place, name in enumerate([*names, "gone"])
    )
    quiet = (signal("psi", "c0", 0.9, 0.1, 0.5),)

    assert (
        list(story(reference=profile, window=profile, signals=alarms).pictured) == names[::-1][:MOST_PICTURES]
    )
    assert story(reference=profile, window=profile, signals=quiet).pictured == {}
    assert story(reference=None, signals=alarms).pictured == {}


def test_the_same_records_make_the_same_page() -> None:
    assert render(story()) == render(story())
    assert len(nights()) == 30


def _values() -> Any:
    import numpy as np

    return np.random.default_rng(1).normal(size=100)
