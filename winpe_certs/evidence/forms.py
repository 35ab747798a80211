"""The forms that values of a document have, as annotations that pydantic reads and nothing here imports.

pydantic asks each annotation for a change of its schema (``__get_pydantic_core_schema__``), and a schema is
a plain dictionary: so whoever only writes documents does not pay for the library that judges them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar

_Handler: TypeAlias = Callable[[Any], Any]
_Each = TypeVar("_Each")


@dataclass(frozen=True, slots=True)
class Hexadecimal:
    """Lower-case hexadecimal digits: of `size` bytes, or of any number of them."""

    size: int | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: _Handler) -> Any:
        form: dict[str, Any] = {"pattern": "^([0-9a-f]{2})*$"}
        if self.size is not None:
            form = {"pattern": "^[0-9a-f]*$", "min_length": 2 * self.size, "max_length": 2 * self.size}
        return {**handler(source), **form}


@dataclass(frozen=True, slots=True)
class Between:
    """A number from `first` to `last`."""

    first: int
    last: int

    def __get_pydantic_core_schema__(self, source: Any, handler: _Handler) -> Any:
        return {**handler(source), "ge": self.first, "le": self.last}


@dataclass(frozen=True, slots=True)
class InUtc:
    """A time whose zone is UTC."""

    def __get_pydantic_core_schema__(self, source: Any, handler: _Handler) -> Any:
        return {**handler(source), "tz_constraint": 0}


@dataclass(frozen=True, slots=True)
class UpToTheFirstWrong:
    """Items are judged only up to the first wrong one: errors about all would fill the memory."""

    def __get_pydantic_core_schema__(self, source: Any, handler: _Handler) -> Any:
        return {**handler(source), "fail_fast": True}


Many: TypeAlias = Annotated[tuple[_Each, ...], UpToTheFirstWrong()]
"""Any number of values of one kind."""
