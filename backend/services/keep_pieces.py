"""Bytes that come in pieces, over a network that cuts: each piece waits in the database until the last one is there."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Delete, Table, bindparam, delete, func, select

from backend.db.tables import sealed_pieces, upload_pieces
from pallor.errors import Refused


class OffsetMismatch(Refused):
    """The piece begins beyond the end of the bytes on record; ``expected`` is where it should begin."""

    def __init__(self, expected: int, offset: int) -> None:
        super().__init__(
            f"{expected} bytes are on record, this piece begins at {offset}",
            field="Upload-Offset", value=offset, remedy=f"Go on from byte {expected}.",
        )  # fmt: skip
        self.expected = expected

    def __reduce__(self) -> tuple[object, ...]:
        return OffsetMismatch, (self.expected, self.value)


class PieceTooLong(Refused):
    """More bytes than the whole was said to have."""


class PieceChecksumMismatch(Refused):
    """This piece was changed on the way."""


class ChecksumMismatch(Refused):
    """All bytes are there, but they are not the ones that were promised."""


@dataclass(frozen=True)
class Pieces:
    """Where the pieces of one kind of thing wait. ``owner``: the column that says of which thing a piece is."""

    table: Table
    owner: Column[Any]

    def held(self, connection: Connection, owner_id: str) -> int:
        """How many bytes of it are here."""
        length = func.coalesce(func.sum(func.length(self.table.c.data)), 0)
        return int(connection.execute(select(length).where(self.owner == owner_id)).scalar_one())

    def add(self, tx: Connection, owner_id: str, size: int, offset: int, data: bytes, *, whole: bool = True) -> bool:
        """Keep of one piece what is not here yet; True when every byte is here now.

        A piece may begin before the end of what is here: browsers repeat by themselves a request whose connection died.

        Args:
            size: of the whole thing. offset: where in it ``data`` begins.
            whole: False when the connection broke off inside this piece: then nothing is complete yet.

        Raises:
            OffsetMismatch, PieceTooLong
        """
        held, end = self.held(tx, owner_id), offset + len(data)
        if offset > held:
            raise OffsetMismatch(held, offset)
        if end > size:
            raise PieceTooLong(
                f"it was said to have {size} bytes in all", field="Upload-Length", value=end,
                remedy="Send Upload-Length as the size of the whole, and no byte beyond it.",
            )  # fmt: skip
        if end > held:
            fresh = data[held - offset :]
            tx.execute(self.table.insert().values({self.owner.name: owner_id, "offset": held, "data": fresh}))
        return whole and max(held, end) == size

    def joined(self, connection: Connection, owner_id: str) -> bytes:
        """All that is here of it, in order."""
        query = select(self.table.c.data).where(self.owner == owner_id).order_by(self.table.c.offset)
        return b"".join(connection.execute(query).scalars())

    def drop(self, tx: Connection, owner_id: str) -> None:
        tx.execute(_drop(self.table, self.owner), {"owner_id": owner_id})


@cache
def _drop(table: Table, owner: Column[Any]) -> Delete:
    """Built once: every photo and every submission ends with it."""
    return delete(table).where(owner == bindparam("owner_id"))


PHOTO_PIECES = Pieces(upload_pieces, upload_pieces.c.photo_id)
SEALED_PIECES = Pieces(sealed_pieces, sealed_pieces.c.submission_id)
