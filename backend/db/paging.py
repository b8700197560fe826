"""Where a page of a list goes on: after the place, in the list's own order, that the page before ended at."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, literal, tuple_


def past_rising(key: Sequence[Column[Any]], place: Sequence[Any]) -> ColumnElement[bool]:
    """The rows after ``place`` of a list that is sorted by ``key``."""
    return tuple_(*key) > tuple_(*_bound(key, place))


def past_falling(key: Sequence[Column[Any]], place: Sequence[Any]) -> ColumnElement[bool]:
    """The same where the newest, or greatest, comes first."""
    return tuple_(*key) < tuple_(*_bound(key, place))


def _bound(key: Sequence[Column[Any]], place: Sequence[Any]) -> list[ColumnElement[Any]]:
    """Bound as their columns are, so that both dialects compare like with like."""
    return [literal(value, column.type) for value, column in zip(place, key, strict=True)]
