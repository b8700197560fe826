"""A plan is opened only when it is the very one that was built for this: else it is built, once."""

import json
import multiprocessing
import os
import threading
import time
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.engines.cache import PlanCache, PlanKey, PlansNotPrivate, PlansUnusable
from worker.engines.tensorrt import PlanNotBuilt

KEY = PlanKey("sha256:" + 64 * "0", "tensorrt-rtx", "1.7.1.116", "sm86", "int8", "batch-1-8-32", "linux", "x86_64")
PLAN = bytes(range(256)) * 40
FIELDS = [field.name for field in fields(PlanKey)]


@given(st.sampled_from(FIELDS), st.text(min_size=1, max_size=12))
def test_any_other_fact_makes_another_plan(name, value):
    other = replace(KEY, **{name: value})
    assert (other.name() == KEY.name()) == (other == KEY)


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in ("onnx_digest", "precision")])
def test_what_a_plan_needs_of_a_machine_tells_each_fact_of_it(name):
    assert set(replace(KEY, **{name: "other"}).needs()) != set(KEY.needs())


def test_what_was_built_is_there_the_next_time(folder):
    assert PlanCache(folder).plan(KEY, lambda: PLAN) == PLAN
    assert PlanCache(folder).plan(KEY, never) == PLAN


def test_each_key_has_its_own_plan(folder):
    cache = PlanCache(folder)
    for name in FIELDS:
        other = replace(KEY, **{name: "other"})
        assert cache.plan(other, lambda name=name: name.encode()) == name.encode()
    assert cache.plan(KEY, lambda: PLAN) == PLAN


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_one_flipped_bit_anywhere_and_it_is_built_anew(data, folder):
    cache = PlanCache(folder)
    cache.plan(KEY, lambda: PLAN)
    path = folder / KEY.name()
    whole = path.read_bytes()
    at, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
    assert is_built(cache)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("left", [0, 1, 100, 500, -1])
def test_a_plan_that_was_cut_off_is_built_anew(folder, left):
    cache = PlanCache(folder)
    cache.plan(KEY, lambda: PLAN)
    path = folder / KEY.name()
    path.write_bytes(path.read_bytes()[:left])
    assert is_built(cache)


def test_the_plan_of_another_gpu_under_this_ones_name_is_not_taken(folder):
    cache, other = PlanCache(folder), replace(KEY, capability="sm89")
    cache.plan(other, lambda: b"of another")
    (folder / other.name()).rename(folder / KEY.name())
    assert is_built(cache)


def test_a_head_without_end_is_not_read_to_its_end(folder):
    cache = PlanCache(folder)
    (folder / KEY.name()).write_bytes(b"{" * 100_000 + b"\n" + PLAN)
    assert is_built(cache)


def test_a_build_that_fails_says_why_and_leaves_nothing(folder):
    def failing():
        raise PlanNotBuilt("out of memory")

    with pytest.raises(PlanNotBuilt, match="out of memory"):
        PlanCache(folder).plan(KEY, failing)
    assert [path.name for path in folder.iterdir()] == [".lock"]
    assert is_built(PlanCache(folder))


def test_two_processes_build_once(folder, tmp_path):
    start = multiprocessing.get_context("spawn").Barrier(2)
    both = [
        multiprocessing.get_context("spawn").Process(target=build_slowly, args=(folder, tmp_path / "built", start))
        for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert (tmp_path / "built").read_text() == "built\n"


def test_two_threads_build_once(folder):
    built, caches = [], [PlanCache(folder), PlanCache(folder)]

    def build():
        built.append(1)
        time.sleep(0.1)
        return PLAN

    threads = [threading.Thread(target=cache.plan, args=(KEY, build)) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_a_killed_build_lets_the_next_one_go_on(folder):
    process = multiprocessing.get_context("spawn").Process(target=die_building, args=(folder,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert is_built(PlanCache(folder))


def test_what_a_process_leaves_that_is_killed_while_it_writes_goes_with_the_next_build(folder):
    process = multiprocessing.get_context("spawn").Process(target=die_writing, args=(folder,))
    process.start()
    process.join(60)
    assert len(list(folder.iterdir())) == 2
    PlanCache(folder).plan(KEY, lambda: PLAN)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", KEY.name()]


def test_the_folder_is_ours_alone(tmp_path):
    PlanCache(tmp_path / "a" / "plans")
    assert (tmp_path / "a" / "plans").stat().st_mode & 0o777 == 0o700
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(PlansNotPrivate, match="chmod 700"):
        PlanCache(shared)


def test_a_place_where_nothing_can_be_kept_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlansUnusable, match="file"):
        PlanCache(tmp_path / "file" / "plans")


def test_old_plans_make_room(folder):
    cache = PlanCache(folder)
    for version in range(20):
        cache.plan(replace(KEY, version=str(version)), lambda: PLAN)
        os.utime(folder / replace(KEY, version=str(version)).name(), (version, version))
    assert len(list(folder.glob("*.plan"))) == 12
    assert cache.plan(replace(KEY, version="19"), never) == PLAN


def test_what_lies_there_says_what_it_is(folder):
    PlanCache(folder).plan(KEY, lambda: PLAN)
    head = json.loads((folder / KEY.name()).read_bytes().partition(b"\n")[0])
    assert head["key"]["capability"] == "sm86"
    assert head["bytes"] == len(PLAN)


def is_built(cache) -> bool:
    """Whether the cache asks for a new plan; it gets one."""
    asked = []
    assert cache.plan(KEY, lambda: asked.append(1) or PLAN) == PLAN
    return bool(asked)


def never() -> bytes:
    raise AssertionError("it is there")


def build_slowly(folder, note, start) -> None:
    def build():
        with note.open("a") as out:
            out.write("built\n")
        time.sleep(0.3)
        return PLAN

    start.wait(50)
    assert PlanCache(folder).plan(KEY, build) == PLAN


def die_building(folder) -> None:
    PlanCache(folder).plan(KEY, lambda: os._exit(9))


def die_writing(folder) -> None:
    os.fsync = lambda _: os._exit(9)
    PlanCache(folder).plan(KEY, lambda: PLAN)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "plans"
