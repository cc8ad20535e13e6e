"""A profile with some settings changed: by a path such as "finetune.threshold_db", as runs and `--set` name them."""

from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from bsrnn.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")  # frozen; of such dataclasses or of values


def with_values(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """Settings with those at the paths replaced ("section.name" in a profile), all at once: one may need the other.

    Raises:
        ConfigError: values that cannot be, or do not go together.
    """
    own: dict[str, object] = {}
    inside: dict[str, dict[str, object]] = {}
    for path, value in changes.items():
        name, _, rest = path.partition(".")
        if rest:
            inside.setdefault(name, {})[rest] = value
        else:
            own[name] = value
    parts = {name: with_values(getattr(settings, name), some) for name, some in inside.items()}
    return replace(settings, **own, **parts)


def changed(settings: Settings, *assignments: str) -> Settings:
    """A profile with settings changed, each written as "section.name=value", for instance "finetune.threshold_db=20".

    Lists are written with commas. Raises:
        ConfigError: no such setting, a value that cannot be one, or settings that do not go together.
    """
    return with_values(settings, dict(_read(settings, assignment) for assignment in assignments))


def _read(settings: object, assignment: str) -> tuple[str, object]:
    """Path and value of "path=value"."""
    path, equals, text = assignment.partition("=")
    if not equals:
        raise ConfigError(f"got {assignment!r}, expected NAME=VALUE, for instance train.max_items=2000")
    value, names = settings, path.split(".")
    while names or is_dataclass(value):
        name = names.pop(0) if names else ""
        known = value.__dataclass_fields__ if is_dataclass(value) else {}
        if name not in known:
            names_there = ", ".join(known) or "nothing"
            raise ConfigError(f"got {assignment!r}: there is no {name!r}, expected one of {names_there}")
        value = getattr(value, name)
    try:
        return path, _parsed(text, value)
    except ValueError as error:
        kind = {tuple: "a list", bool: "true or false"}.get(type(value), f"a value such as {value}")
        raise ConfigError(f"got {assignment!r}: {text!r} is not {kind}") from error


def _parsed(text: str, like):
    """``text`` as a value of the type that ``like`` has."""
    if isinstance(like, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(like, tuple):
        return tuple(_parsed(part, like[0] if like else "") for part in text.split(",") if part)
    return type(like)(text)
