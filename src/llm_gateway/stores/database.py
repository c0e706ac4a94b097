"""What every kind of SQL database has in common: the tables, pieces of work, and the port that the kinds fill."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, MetaData

from llm_gateway.core.errors import Overloaded

T = TypeVar("T")
Work = Callable[[Connection], T]

metadata = MetaData()
"""Every table of the gateway; the modules that own tables add them."""

BATCH: Final = 256
"""Works that share a transaction."""
QUEUE: Final = 20_000
"""Works that may wait for the writer."""

Queued = tuple[Work[Any], "Future[Any]"]
Outcome = tuple["Future[Any]", Any, BaseException | None]


class Database(Protocol):
    """A database that works are handed to from any thread. What becomes of them is told through their futures."""

    def read(self, work: Work[Any], done: "Future[Any]") -> None:
        """Run `work` at once, in a transaction that sees one state of the database and changes nothing."""
        ...

    def write(self, work: Work[Any], done: "Future[Any]") -> None:
        """Run `work` after those handed in before; `done` when it is committed.

        Raises:
            Overloaded: the writer is so far behind that its queue is full.
        """
        ...

    def close(self) -> None:
        """Write what is queued, then let go of the database."""
        ...


def tell(outcomes: list[Outcome]) -> None:
    """Tell those who asked, and who still wait."""
    for done, result, failure in outcomes:
        if not done.set_running_or_notify_cancel():  # whoever asked has gone
            continue
        if failure is None:
            done.set_result(result)
        else:
            done.set_exception(failure)


def run_apart(connection: Connection, work: Work[Any], done: "Future[Any]") -> Outcome:
    """Run one of several works of a transaction: it fails alone."""
    try:
        with connection.begin_nested():
            return done, work(connection), None
    except Exception as failure:  # carried to the caller, who awaits it
        return done, None, failure


def behind() -> Overloaded:
    """The writer's queue is full."""
    return Overloaded("the gateway's database does not keep up with its writes", retry_after_s=1)


def away() -> Overloaded:
    """The database does not answer."""
    return Overloaded("the gateway's database does not answer at the moment", code="database_unavailable", retry_after_s=1)
