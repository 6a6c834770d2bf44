"""Lists that show themselves as tables in notebooks."""

from __future__ import annotations

from ._spuff import Instance, Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    from html import escape

    def line(tag: str, cells: Iterable[object]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<table><thead>{line('th', columns)}</thead><tbody>{body}</tbody></table>"


class Instances(list[Instance]):
    """Machines, as a list."""

    def _repr_html_(self) -> str:
        columns = ("id", "name", "status", "ip", "region", "size", "created_at")
        return _table(columns, ([getattr(machine, column) for column in columns] for machine in self))


class Snapshots(list[Snapshot]):
    """Snapshots, as a list."""

    def _repr_html_(self) -> str:
        columns = ("id", "name", "created_at")
        return _table(columns, ([getattr(snapshot, column) or "" for column in columns] for snapshot in self))
