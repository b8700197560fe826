"""The number on a specimen's label: drawn by chance, so that it says nothing, with a check character for slips.

ISO 7064 MOD 37,2, as blood banks use it (ISBT 128): every wrong character and every two that are swapped show.
"""

import secrets

from stdnum.iso7064 import mod_37_2

from pallor.errors import Refused

BARCODE_LENGTH = 10
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # without I, L, O and U, which people read as others
_BETWEEN = str.maketrans("", "", " -")  # as people write it in groups


class BarcodeUnfit(Refused):
    """Not a number that was printed here, or one with a slip in it."""


def new_barcode() -> str:
    """A fresh number."""
    while True:
        drawn = "".join(secrets.choice(LETTERS) for _ in range(BARCODE_LENGTH - 1))
        check = mod_37_2.calc_check_digit(drawn)
        # Not '*', which no one finds on a phone, nor what is misread; and with a digit, or it could be a name.
        if check in LETTERS and any(letter.isdigit() for letter in drawn):
            return drawn + check


def check_barcode(text: str, field: str = "specimen_barcode") -> str:
    """The number as it is kept: upper case, without what stands between its groups; raises ``BarcodeUnfit``."""
    number = plain(text)
    if len(number) != BARCODE_LENGTH or not set(number) <= set(LETTERS) or not mod_37_2.is_valid(number):
        raise BarcodeUnfit(
            "not the number of a specimen label, or one of its characters is wrong", field=field,
            value="(not repeated: it may be something else)",
            remedy="Scan the label again, or type its ten characters again, letter by letter.",
        )  # fmt: skip
    return number


def plain(text: str) -> str:
    """Upper case, without what stands between groups: two spellings of one number are equal then."""
    return text.translate(_BETWEEN).upper()


def grouped(number: str) -> str:
    """As people read it: ``K7Q2-M4X-9TW``."""
    return f"{number[:4]}-{number[4:7]}-{number[7:]}"
