"""What a setting may be: declared as its type, and checked where settings are made.

    batch_items: Count = 16
    schedule: Literal["step", "cosine"] = "step"

A frozen dataclass calls :func:`check` in its ``__post_init__``, so that a wrong value has no chance to be written into
a folder or to cost an hour first. A value is never altered, since the keys of runs are made of them: 3 passes for 3.0,
and stays 3.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from bsrnn.errors import ConfigError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Rule:
    """What a value must be beyond its type: the words for a message, and the test."""

    words: str
    holds: Callable[[Any], bool]


def within(least: float, most: float = math.inf, *, above: bool = False, why: str = "") -> Rule:
    """From ``least`` to ``most``, both included; ``above``: more than ``least``. ``why``: no more than ``most``."""
    lower = f"above {least}" if above else f"of at least {least}"
    upper = f" and at most {most}{why and f' ({why})'}" if most < math.inf else ""
    return Rule(lower + upper, lambda value: (least < value if above else least <= value) and value <= most)


NAME_BYTES = 200  # of a stem: with an ending, and what marks an unfinished file, no more than disks take


def _can_be_files(names: tuple[str, ...]) -> bool:
    return bool(names) and len(set(names)) == len(names) and all(map(_can_be_file, names))


def _can_be_file(name: str) -> bool:
    try:
        length = len(name.encode())
    except UnicodeEncodeError:  # half of a letter, which JSON can spell
        return False
    return 0 < length <= NAME_BYTES and not name.startswith(".") and not set(name) & set("/\\\0\n\r")


TRILLION = 10**12  # of anything counted; more is a slip of the finger, and no longer a length to Python
MINUTES = "longer ones take more memory than machines have"

Count = Annotated[int, within(1, TRILLION)]
CountOrNone = Annotated[int, within(0, TRILLION)]
Size = Annotated[int, within(1, 65_536, why="memory")]  # of an axis of an array
Workers = Annotated[int, within(0, 1024)]
SampleRate = Annotated[int, within(1, 768_000)]
Seed = Annotated[int, within(0, 2**32 - 1)]
Positive = Annotated[float, within(0, 10**9, above=True)]
NotNegative = Annotated[float, within(0, 10**9)]
Share = Annotated[float, within(0, 1)]
Seconds = Annotated[float, within(0, 600, above=True, why=MINUTES)]  # of what a model sees at a time
Names = Annotated[
    tuple[str, ...], Rule("that can be the names of files, at least one and each once, without / \\ or a leading dot, "
                          f"of {NAME_BYTES} bytes at most", _can_be_files)
]  # fmt: skip


def check(settings: object) -> None:
    """Hold each field of a dataclass against its type.

    Raises:
        ConfigError: a field of another type or beyond its limits; the message gives its name, value and limits.
    """
    kind: type = type(settings)
    for name, hint in _hints(kind).items():
        value = getattr(settings, name)
        if not fits(value, hint):
            section = kind.__name__.removesuffix("Config").lower()  # as in a profile: "train" of a TrainConfig
            raise ConfigError(f"got {section}.{name} {_shown(value)}: expected {words(hint)}{_example(kind, name)}")


def require(fine: bool, got: str, expected: str) -> None:
    """Raise ConfigError for settings that do not go together."""
    if not fine:
        raise ConfigError(f"got {got}: expected {expected}")


def named(kind: str, name: str, known: Mapping[str, Value]) -> Value:
    """What is known by a name; ``kind`` is what a message calls it.

    Raises:
        ConfigError: nothing is; the message lists the names.
    """
    if name not in known:
        raise ConfigError(f"unknown {kind} {name!r}: expected one of {', '.join(known)}")
    return known[name]


def fits(value, hint) -> bool:
    """Whether a value is of a type, within the limits that come with it."""
    rules: list[Rule] = []
    if get_origin(hint) is Annotated:
        hint, *rules = get_args(hint)
    return _is(value, hint) and all(rule.holds(value) for rule in rules)


def _is(value, kind) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        each = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return len(each) == len(value) and all(map(fits, value, each))
    if kind in (int, float):
        number = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
        return number and -math.inf < value < math.inf
    return isinstance(value, kind)


def allowed(kind: type, name: str) -> str:
    """What a field of a dataclass may be, in words."""
    return words(_hints(kind)[name])


def words(hint) -> str:
    """A type and its limits, for a message."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return " ".join([words(parts[0]), *(rule.words for rule in parts[1:])])
    if origin is Literal:
        return f"one of {', '.join(parts)}"
    if origin in (Union, UnionType):
        return " or ".join(map(words, parts))
    if origin is tuple:
        if parts[-1] is Ellipsis:
            return "a tuple of texts" if parts[0] is str else f"a tuple, each item {words(parts[0])}"
        return f"a pair of {' and '.join(map(words, parts))}"
    plain = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}
    return plain.get(hint) or hint.__name__


def _example(kind: type, name: str) -> str:
    [default] = [field.default for field in fields(kind) if field.name == name]
    telling = default is not MISSING and default not in ("", ()) and not is_dataclass(default)
    hint = _hints(kind)[name]
    return f", for instance {default!r}" if telling and hint is not bool and get_origin(hint) is not Literal else ""


def _shown(value) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)
