"""A recipe is whole, and its digest is of its numbers."""

from importlib.resources import files

import pytest

from trainer.recipe import Recipe, RecipeBroken, read_recipe

TOML = (files("trainer.recipes") / "bootstrap.toml").read_text("utf-8")


def test_a_changed_number_is_another_recipe_and_a_changed_comment_is_not():
    assert Recipe.from_toml(TOML + "\n# a remark").digest() == read_recipe().digest()
    assert Recipe.from_toml(TOML.replace("dropout = 0.2", "dropout = 0.3")).digest() != read_recipe().digest()


def test_a_missing_number_is_refused_by_name():
    with pytest.raises(RecipeBroken, match="dropout"):
        Recipe.from_toml(TOML.replace("dropout = 0.2", ""))


def test_a_number_that_nothing_reads_is_refused_by_name():
    with pytest.raises(RecipeBroken, match="dropuot"):
        Recipe.from_toml(TOML.replace("dropout = 0.2", "dropout = 0.2\ndropuot = 0.2"))


def test_the_leak_free_protocol_cannot_be_left_out():
    seeds = list(read_recipe().evaluation.grouped_by_photo)
    with pytest.raises(RecipeBroken, match="grouped_by_photo"):
        Recipe.from_toml(TOML.replace(f"grouped_by_photo = {seeds}", "grouped_by_photo = []"))


def test_what_is_no_toml_is_refused():
    with pytest.raises(RecipeBroken):
        Recipe.from_toml("epochs: 4")
