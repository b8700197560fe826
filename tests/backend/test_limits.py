"""The phone checks as typed by the server's own limits."""

import re

import pytest

from backend.wire.limits import FILE, limits, text
from pallor.case import SubjectCodeUnfit, check_subject_code


def test_the_file_in_the_phones_app_says_what_the_server_says():
    assert FILE.read_text() == text(), "python -m backend.wire.limits"


@pytest.mark.parametrize("code", ["A-017", "017", "A" * 31 + "1", "A" * 32 + "1", "Amina", "-1", "a 1", "", "a.b_1"])
def test_a_subject_code_passes_there_when_it_passes_here(code):
    def passes():
        try:
            return bool(check_subject_code(code))
        except SubjectCodeUnfit:
            return False

    assert bool(re.fullmatch(limits()["subject_code"], code)) == passes()
