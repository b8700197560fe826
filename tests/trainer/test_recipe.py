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


@pytest.mark.parametrize(
    ("number", "instead", "words"),
    [
        ("calibration_bins = 5", "0", "evaluation.calibration_bins must be 2 to 100, not 0"),
        ("calibration_bins = 5", "-1", "calibration_bins"),
        ("bootstrap_draws = 1000", "1", "evaluation.bootstrap_draws must be 100 to 100000"),
        ("permutations = 200", "0", "permutations"),
        ("learning_rate = 5e-4", "nan", "training.learning_rate must be a number, 0 to 1, not nan"),
        ("weight_decay = 1e-2", "inf", "weight_decay"),
        ("epochs = 4", "-1", "epochs"),
        ("epochs = 4", "4.5", "training.epochs must be a whole number, 0 to 100000, not 4.5"),
        ("epochs = 4", "true", "epochs"),
        ("batch = 16", "0", "batch"),
        ("tolerance = 0.01", "9", "export.tolerance must be 1e-06 to 0.1, not 9"),
        ("golden_photos = 8", "0", "golden_photos"),
        ('precision = "32-true"', '"8-false"', "training.precision must be 32-true or bf16-mixed"),
        ("prevalences = [0.2, 0.4, 0.6]", "[0.2, 1.4]", "evaluation.prevalences must be a list, each of it 0.001"),
        ("prevalences = [0.2, 0.4, 0.6]", "0.2", "evaluation.prevalences must be a list, not 0.2"),
        ("calibration_slope = [0.5, 2.0]", "[2.0, 0.5]", "the larger number first"),
        ("calibration_slope = [0.5, 2.0]", "[0.5]", "gate.calibration_slope must be a list of 2"),
        ("min_scale = 0.85", "1.2", "above max_scale"),
        ("size = 224", "100", "32"),
        ("size = 224", '"large"', "preprocess.size must be a whole number"),
        ("margin = 0.03", "0.5", "impossible preprocessing numbers"),
        ("seed = 1", "-1", "seed must be 0 to 4294967295"),
    ],
)
def test_a_number_that_cannot_be_is_refused_before_any_work(number, instead, words):
    assert number in TOML
    with pytest.raises(RecipeBroken) as refused:
        Recipe.from_toml(TOML.replace(number, f"{number.split(' = ')[0]} = {instead}", 1))
    assert words in refused.value.reason


def test_all_faults_are_named_at_once():
    text = TOML.replace("batch = 16", "batch = 0").replace("dropout = 0.2", "").replace("[gate]", "[gate]\ngait = 1")
    with pytest.raises(RecipeBroken) as refused:
        Recipe.from_toml(text)
    for words in ("batch must be", "[training] lacks dropout", "nothing reads gait in [gate]"):
        assert words in refused.value.reason


@pytest.mark.parametrize("data", [None, b"", b"\xff\xfe", TOML.encode("utf-16"), b"a = " + b"[" * 100_000])
def test_a_file_that_holds_no_recipe_is_named(tmp_path, data):
    path = tmp_path / "mine.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(RecipeBroken) as refused:
        read_recipe(path)
    assert refused.value.value == "mine.toml"


def test_a_section_that_is_no_section_is_refused():
    with pytest.raises(RecipeBroken):
        Recipe.from_toml('like = "standard"\ntraining = 3')
