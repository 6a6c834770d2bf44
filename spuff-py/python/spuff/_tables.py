"""Lists that show themselves as tables in notebooks."""

from __future__ import annotations

from ._nouns import Snapshot
from ._spuff import Instance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .errors import SpuffError


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    from html import escape

    def line(tag: str, cells: Iterable[object]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<table><thead>{line('th', columns)}</thead><tbody>{body}</tbody></table>"


class Instances(list[Instance]):
    """Instances, as a list."""

    def _repr_html_(self) -> str:
        columns = ("id", "name", "status", "ip", "region", "size", "created_at")
        return _table(
            columns, ([getattr(machine, column) for column in columns] for machine in self)
        )


class Outcomes(list["Instance | SpuffError"]):
    """The outcome of each instance of a fleet, in the order in which they were asked for.

    An instance, or an exception.
    """

    @property
    def ok(self) -> list[Instance]:
        """The instances, in order."""
        return [outcome for outcome in self if isinstance(outcome, Instance)]

    @property
    def failed(self) -> list[SpuffError]:
        """The exceptions, in order."""
        return [outcome for outcome in self if not isinstance(outcome, Instance)]

    def raise_first(self) -> None:
        """Raises what has failed first, if anything has.

        The cause, before what was cancelled because of it.
        """
        failed = self.failed
        causes = [error for error in failed if error.kind != "cancelled"]
        for error in causes or failed:
            raise error

    def _repr_html_(self) -> str:
        columns = ("id", "name", "status", "ip", "region", "size")

        def row(place: int, outcome: Instance | SpuffError) -> list[object]:
            if isinstance(outcome, Instance):
                return [place, *(getattr(outcome, column) for column in columns), ""]
            return [place, outcome.instance_id or "", *[""] * (len(columns) - 1), outcome]

        return _table(
            ("", *columns, "error"), (row(place, outcome) for place, outcome in enumerate(self))
        )


class Snapshots(list[Snapshot]):
    """Snapshots, as a list."""

    def _repr_html_(self) -> str:
        columns = ("id", "name", "created_at")
        return _table(
            columns, ([getattr(snapshot, column) or "" for column in columns] for snapshot in self)
        )
