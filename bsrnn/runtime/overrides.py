"""A profile with single settings changed: by a path such as "finetune.threshold_db", as runs and `--set` name them."""

from dataclasses import is_dataclass, replace

from bsrnn.config import Profile
from bsrnn.errors import ConfigError


def with_value(settings: Profile, path: str, value) -> Profile:
    """The profile with the setting at ``path`` ("section.name") replaced."""
    section, name = path.split(".")
    return replace(settings, **{section: replace(getattr(settings, section), **{name: value})})


def changed(settings: Profile, assignment: str) -> Profile:
    """A profile with one setting changed, written as "section.name=value", for instance "finetune.threshold_db=20".

    Lists are written with commas. Raises:
        ConfigError: no such setting, or a value that cannot be one.
    """
    path, equals, text = assignment.partition("=")
    if not equals:
        raise ConfigError(f"got {assignment!r}, expected NAME=VALUE, for instance train.max_items=2000")
    return _replaced(settings, path.split("."), text, assignment)


def _replaced(part, names: list[str], text: str, assignment: str):
    known = part.__dataclass_fields__ if is_dataclass(part) else {}
    if names[0] not in known:
        raise ConfigError(
            f"got {assignment!r}: there is no {names[0]!r}, expected one of {', '.join(known) or 'nothing'}"
        )
    value = getattr(part, names[0])
    if len(names) > 1 or is_dataclass(value):
        return replace(part, **{names[0]: _replaced(value, names[1:] or [""], text, assignment)})
    try:
        return replace(part, **{names[0]: _parsed(text, value)})
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
