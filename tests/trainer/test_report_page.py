"""The page: one file that asks nothing of any network, and shows nobody."""

import re
from collections import Counter
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer's extra is not installed")

from tests.trainer.evidence import an_evidence, figure, findings
from trainer.report.card import write_card
from trainer.report.page import write_page
from trainer.report.plots import Curve, Estimate, calibration_plot, curve_plot, forest_plot, roc_plot

POINTS = [(n, v, v - 0.05, v + 0.05) for n, v in ((100, 0.6), (1000, 0.84))]


def test_it_refers_to_nothing_outside_of_itself_but_the_mistakes_of_its_run():
    page = read(write_page(findings()))
    links = {value for name, value in page.attributes if name in ("href", "src", "xlink:href", "action", "data")}
    assert {link for link in links if not link.startswith("#")} == {"../9-mistakes/mistakes.html"}
    assert not re.search(r"url\((?!#)|@import", page.text)
    assert "script" not in page.tags
    assert "img" not in page.tags  # no photo of anybody


def test_every_link_inside_of_it_leads_somewhere_and_no_name_is_given_twice():
    page = read(write_page(findings()))
    names = Counter(value for name, value in page.attributes if name == "id")
    inner = {value[1:] for name, value in page.attributes if name in ("href", "xlink:href") and value.startswith("#")}
    inner |= set(re.findall(r"url\(#([\w-]+)\)", page.text))
    assert inner <= names.keys()
    assert max(names.values()) == 1


def test_it_says_all_that_the_card_says():
    words = set(re.findall(r"[\w.]+", read(write_page(findings())).words))
    card = re.sub(r"</?(details|summary)>|&[a-z]+;", " ", write_card(findings()))
    assert not set(re.findall(r"[\w.]+", card)) - words


def test_it_can_be_read_on_a_phone_and_in_the_dark():
    page = write_page(findings())
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "@media (prefers-color-scheme: dark)" in page
    assert page.count('<div class="scroll"') == page.count("<table>")


def test_of_nothing_at_all_a_page_can_be_written():
    page = write_page(findings(evidence={}, quantization=(), nodes=(), parity=None, refusals=None, mistakes=None))
    assert "<svg" not in page
    assert not re.search(r"\b(None|nan|NaN|inf)\b", read(page).words)


def test_without_a_file_of_mistakes_no_link_leads_to_one():
    for none in (None, 0):
        assert "mistakes.html" not in write_page(findings(mistakes=none))


def test_what_a_site_is_called_is_text_and_nothing_else():
    evil = "</title></svg><script>alert(1)</script> \" ' $x^2$ {{ 7 * 7 }}"
    figures = [*an_evidence()["figures"], figure(f"model.auroc@site={evil}", "test_side", 0.6)]
    page = read(write_page(findings(release_id=evil, evidence=an_evidence(figures=figures))))
    assert "script" not in page.tags
    assert evil in page.words


@pytest.mark.parametrize(
    "draw",
    [
        lambda shift: roc_plot([Curve("this model", [0, 0.3 + shift, 1], [0, 0.8, 1])], "ROC"),
        lambda shift: calibration_plot([Estimate("", 0.4 + shift, 0.3, 0.5, 17)], [0.5], "Calibration"),
        lambda shift: forest_plot({"sex": [Estimate("male", 0.6 + shift)]}, Estimate("all", 0.7), "AUROC", "Parts"),
        lambda shift: curve_plot([(n, value + shift, *ends) for n, value, *ends in POINTS]),
    ],
)
def test_the_same_numbers_are_the_same_bytes_and_others_are_others(draw):
    assert draw(0.0) == draw(0.0) != draw(0.01)


def test_a_drawing_takes_the_readers_colours_and_names_no_day_or_program():
    drawing = calibration_plot([Estimate("", 0.4, 0.3, 0.5, 17)], [0.5], "Calibration")
    ElementTree.fromstring(drawing)  # noqa: S314 (our own)
    assert "currentColor" in drawing
    assert "#000000" not in drawing
    assert not re.search(r"metadata|matplotlib|\d{4}-\d\d-\d\d", drawing)


def test_the_calibration_plot_says_how_many_stand_behind_each_point():
    bins = [Estimate("", 0.4, 0.3, 0.5, 17), Estimate("", 0.6, None, None, 23)]
    assert {"17", "23"} <= set(texts(calibration_plot(bins, [0.4, 0.7], "Calibration")))


def test_the_forest_plot_names_each_part_and_its_size_as_they_are():
    site = "Großes $x$ & <b>Haus</b>"
    parts = {"site": [Estimate(site, 0.6, 0.5, 0.7, 12), Estimate("日本", 0.7)]}
    drawn = texts(forest_plot(parts, Estimate("everybody", 0.65, 0.6, 0.7, 40), "AUROC", "Parts"))
    assert {f"{site[:21]}\N{HORIZONTAL ELLIPSIS} n=12", "日本 n=?", "everybody n=40", "site"} <= set(drawn)


def test_the_learning_curve_stands_on_its_own_with_aim_control_and_best_possible():
    control = [(n, 0.5, 0.45, 0.55) for n, *_ in POINTS]
    drawing = curve_plot(POINTS, others={"shuffled labels": control}, best=0.9, aim=0.87)
    assert {"best possible 0.9", "aim 0.87", "this model", "shuffled labels", "1 000"} <= set(texts(drawing))
    assert "prefers-color-scheme:dark" in drawing


def test_an_interval_is_drawn_where_there_is_one():
    x, y = np.linspace(0, 1, 5), np.linspace(0, 1, 5)
    bare, banded = (roc_plot([Curve("m", x, y, *ends)], "ROC") for ends in ((), (y - 0.1, y + 0.1)))
    assert banded.count("fill-opacity: 0.15") == bare.count("fill-opacity: 0.15") + 1


def texts(drawing):
    root = ElementTree.fromstring(drawing)  # noqa: S314 (our own)
    return [" ".join("".join(one.itertext()).split()) for one in root.iter("{http://www.w3.org/2000/svg}text")]


def read(page):
    reader = _Reader()
    reader.feed(page)
    return reader


class _Reader(HTMLParser):
    """Every tag and attribute; ``words``: what a reader sees, ``text``: the whole file."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self._seen, self.text, self._hidden = set(), [], [], "", False

    @property
    def words(self):
        return " ".join(" ".join(self._seen).split())

    def feed(self, data):
        self.text += data
        super().feed(data)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        self._hidden = tag == "style"

    def handle_endtag(self, tag):
        self._hidden = False

    def handle_data(self, data):
        self._seen += [] if self._hidden else [data]
