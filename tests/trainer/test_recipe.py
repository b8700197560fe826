"""A recipe is whole, and its digest is of its numbers."""

from importlib.resources import files

import pytest

from trainer.recipe import Pruning, Recipe, RecipeBroken, read_recipe

TOML = (files("trainer.recipes") / "standard.toml").read_text("utf-8")
SHIPPED = [path.name for path in files("trainer.recipes").iterdir() if path.name.endswith(".toml")]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_can_be_read_and_is_named_after_its_file(name):
    with (files("trainer.recipes") / name).open(encoding="utf-8") as file:
        recipe = Recipe.from_toml(file.read())
    assert recipe.name.startswith(name.removesuffix(".toml"))


def test_a_changed_number_is_another_recipe_and_a_changed_comment_is_not():
    assert Recipe.from_toml(TOML + "\n# a remark").digest() == read_recipe().digest()
    assert Recipe.from_toml(TOML.replace("dropout = 0.2", "dropout = 0.3")).digest() != read_recipe().digest()


def test_a_missing_number_is_refused_by_name():
    with pytest.raises(RecipeBroken, match="dropout"):
        Recipe.from_toml(TOML.replace("dropout = 0.2", ""))


@pytest.mark.parametrize("name", ["../../out-of-the-run", "Few Cases", "", "a" * 45])
def test_a_name_that_no_release_can_have_is_refused_before_any_work(name):
    with pytest.raises(RecipeBroken, match="name"):
        Recipe.from_toml(TOML.replace('name = "standard-1"', f'name = "{name}"'))


def test_a_missing_section_is_refused_by_name():
    with pytest.raises(RecipeBroken, match="export"):
        Recipe.from_toml(TOML[: TOML.index("[export]")])


def test_a_number_that_nothing_reads_is_refused_by_name():
    with pytest.raises(RecipeBroken, match="dropuot"):
        Recipe.from_toml(TOML.replace("dropout = 0.2", "dropout = 0.2\ndropuot = 0.2"))


def test_what_is_no_toml_is_refused():
    with pytest.raises(RecipeBroken):
        Recipe.from_toml("epochs: 4")


def test_optional_sections_may_be_left_out_and_are_read_when_they_are_there():
    assert read_recipe().pruning is None
    assert Recipe.from_toml(TOML + "\n[pruning]\nshare = 0.5\n").pruning == Pruning(share=0.5)
    with pytest.raises(RecipeBroken, match="share"):
        Recipe.from_toml(TOML + "\n[pruning]\n")


def test_a_recipe_that_is_like_another_differs_from_it_by_what_it_says():
    like = Recipe.from_toml('like = "standard"\nname = "mine"\n[training]\ndropout = 0.7\n')
    assert like.name == "mine"
    assert like.training.dropout == 0.7
    assert like == Recipe.from_toml(TOML.replace('"standard-1"', '"mine"').replace("dropout = 0.2", "dropout = 0.7"))


@pytest.mark.parametrize("other", ['"nothing"', "3", '["standard"]'])
def test_a_recipe_that_is_like_none_that_there_is_is_refused(other):
    with pytest.raises(RecipeBroken):
        Recipe.from_toml(f'like = {other}\nname = "mine"')


def test_a_section_that_is_no_section_is_refused():
    with pytest.raises(RecipeBroken):
        Recipe.from_toml('like = "standard"\ntraining = 3')
