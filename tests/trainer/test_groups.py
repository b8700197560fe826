"""Which rows show the same photograph, as a CSV says it."""

import pytest

from trainer.data.groups import GROUPS_FILE, GroupsBroken, GroupsMissing, every_photo_its_own, find_groups, read_groups


def test_a_groups_file_that_is_not_there_is_refused_and_what_else_can_be_done_is_said(tmp_path):
    with pytest.raises(GroupsMissing) as refused:
        find_groups(tmp_path, tmp_path / "mine.csv")
    assert "--groups" in refused.value.remedy


def test_without_a_file_there_are_none_to_be_read(tmp_path):
    assert find_groups(tmp_path, None) is None


def test_the_groups_in_the_data_folder_are_found_and_others_may_be_named(tmp_path):
    (tmp_path / GROUPS_FILE).touch()
    (tmp_path / "mine.csv").touch()
    assert find_groups(tmp_path, None) == tmp_path / GROUPS_FILE
    assert find_groups(tmp_path, tmp_path / "mine.csv") == tmp_path / "mine.csv"


def test_the_strictest_column_decides(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("IMAGE_ID,same_photo_group,suspected_group\na,1,1\nb,2,1\nc,3,2\n", encoding="utf-8-sig")
    groups = read_groups(path, ["a", "b", "c"])
    assert groups["a"] == groups["b"] != groups["c"]


def test_a_photo_without_a_group_is_refused_by_name(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("IMAGE_ID,same_photo_group\na,1\n")
    with pytest.raises(GroupsBroken, match="the first is b"):
        read_groups(path, ["a", "b"])


def test_a_photo_in_two_lines_is_refused_by_name(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("IMAGE_ID,same_photo_group\na,1\nb,2\na,2\n")
    with pytest.raises(GroupsBroken, match="more than once, the first is a"):
        read_groups(path, ["a", "b"])


def test_an_empty_group_is_none(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("IMAGE_ID,same_photo_group\na,\nb\n")
    with pytest.raises(GroupsBroken, match="2 photos have no group"):
        read_groups(path, ["a", "b"])


@pytest.mark.parametrize(
    "data",
    [b"", "IMAGE_ID,same_photo_group\n".encode("utf-16"), b"\xe9", b"IMAGE_ID,same_photo_group\n" + b"x" * 200_000],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, data):
    path = tmp_path / "groups.csv"
    path.write_bytes(data)
    with pytest.raises(GroupsBroken):
        read_groups(path, ["a"])


def test_a_file_without_groups_in_it_is_refused(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("IMAGE_ID,cluster\na,1\n")
    with pytest.raises(GroupsBroken):
        read_groups(path, ["a"])


def test_each_photo_may_be_said_to_be_its_own_group():
    assert len(set(every_photo_its_own(["a", "b", "c"]).values())) == 3
