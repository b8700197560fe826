"""The phone's app in TypeScript: its own tests, its types and its weight."""

from tests.support.phone_app import need_dist, run_node


def test_the_phones_own_tests_pass():
    done = run_node("node_modules/vitest/vitest.mjs", "run", "--no-color")
    assert done.returncode == 0, done.stdout.decode()[-6000:] + done.stderr.decode()[-2000:]


def test_the_types_fit():
    done = run_node("node_modules/typescript/bin/tsc", "--noEmit")
    assert done.returncode == 0, done.stdout.decode()


def test_the_first_screen_and_the_shell_weigh_no_more_than_was_promised():
    need_dist()
    done = run_node("sizes.js")
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
