"""Launchers without root: of a user with subordinate ids, and of one without.

Needs root; see launcher_harness.py for what is run.
"""

from __future__ import annotations

import os
import sys
import unittest
from typing import ClassVar

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import launcher_harness as harness  # noqa: E402 - found through the line above
import launcher_plan as plans  # noqa: E402
import test_zygote_deaths as deaths  # noqa: E402
import test_zygote_launcher as basics  # noqa: E402


class SingleIdTest(basics.RunningTest):
    """A rootless launcher with no id but its user's."""

    identity: ClassVar[plans.Identity]
    mode: ClassVar[str] = "single"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        context = harness.user_with_subordinates()
        user, group, first = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        cls.identity = plans.Identity(cls.mode, user, group, first)


for _test in (
    basics.RequestTest.test_two_hundred_overlap,
    basics.RequestTest.test_destroying_at_any_moment_leaves_nothing,
    deaths.DeathTest.test_a_killed_zygote_is_replaced_and_its_children_live_on,
    deaths.DeathTest.test_a_killed_worker_is_replaced_and_its_sandboxes_are_gone,
    deaths.DeathTest.test_a_killed_supervisor_takes_everything_with_it_and_the_next_sweeps,
    deaths.DeathTest.test_the_end_of_the_server_is_the_end_of_everything,
    deaths.DeathTest.test_an_exhausted_sandbox_takes_nobody_with_it,
):
    setattr(SingleIdTest, _test.__name__, _test)


class SubordinateIdsTest(SingleIdTest):
    """A rootless launcher whose sandboxes have ids of their own."""

    mode: ClassVar[str] = "subordinate"


if __name__ == "__main__":
    unittest.main()
