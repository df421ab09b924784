"""Machines to type on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.cli.machine import Machine, machine_of
from tests.support.messages_api.script import Script

MakeMachine = Callable[[Script | None], Machine]


@pytest.fixture
def make_machine() -> Iterator[MakeMachine]:
    """Makes a machine whose model follows this script; None: there is no model and no key."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(machine_of(script))


@pytest.fixture
def bare(make_machine: MakeMachine) -> Machine:
    """A machine without a key."""
    return make_machine(None)
