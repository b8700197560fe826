"""Specimen labels: a slip shows, a scanner reads what is printed, and nothing on them is anybody's."""

import re

import pypdfium2
import pytest
import zxingcpp

from backend.services.label_sheet import COLUMNS, COPIES, ROWS, label_sheet
from backend.services.specimen_barcode import BarcodeUnfit, check_barcode, grouped, new_barcode

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def test_a_number_is_read_however_people_group_and_spell_it():
    number = new_barcode()
    assert check_barcode(number) == check_barcode(grouped(number)) == check_barcode(f" {number.lower()} ") == number


def test_every_wrong_character_and_every_two_that_are_swapped_show():
    for _ in range(50):
        number = new_barcode()
        for at in range(len(number)):
            for letter in LETTERS.replace(number[at], ""):
                assert not is_good(number[:at] + letter + number[at + 1 :])
        for at in range(len(number) - 1):
            swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
            assert swapped == number or not is_good(swapped)


@pytest.mark.parametrize("text", ["", "A-017", "Amina Mensah", "0" * 10, "O" * 10, "\u0661" * 10, "9" * 4000, "*" * 10])
def test_what_is_no_number_is_refused_and_not_repeated(text):
    with pytest.raises(BarcodeUnfit) as refusal:
        check_barcode(text)
    assert refusal.value.value == "(not repeated: it may be something else)"


def test_a_scanner_reads_what_is_printed_and_people_too():
    numbers = [new_barcode() for _ in range(COLUMNS * ROWS // COPIES + 1)]
    document = pypdfium2.PdfDocument(label_sheet(numbers))
    assert len(document) == 2
    image = document[0].render(scale=3).to_pil()  # 216 dots an inch: what a cheap printer does
    read = sorted(found.text for found in zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.Code128))
    assert read == sorted(number for number in numbers[:-1] for _ in range(COPIES))
    words = document[0].get_textpage().get_text_range()
    assert sorted(re.findall(r"\S+", words)) == sorted(grouped(n) for n in numbers[:-1] for _ in range(COPIES))
    document.close()


def test_numbers_are_drawn_by_chance_and_none_could_be_a_name():
    numbers = {new_barcode() for _ in range(1000)}
    assert len(numbers) == 1000
    assert all(any(letter.isdigit() for letter in number) for number in numbers)


def is_good(text):
    try:
        return bool(check_barcode(text))
    except BarcodeUnfit:
        return False
