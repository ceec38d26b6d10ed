"""Prints ``.env.example`` from the table of variables: ``python -m config.example > .env.example``."""

import sys
import textwrap
from collections.abc import Iterator

from config.lifetimes import SECTIONS
from config.variables import Kind, Variable

HEAD = """\
# Every variable there is, with its default. Copy this file to .env and change what you need; what stands in the
# environment wins over .env. An empty value counts as not set. NAME_FILE=/run/secrets/name reads NAME from a file.
"""


def render() -> str:
    """Return the text of ``.env.example``."""
    return HEAD + "".join(_lines())


def _lines() -> Iterator[str]:
    for title, variables in SECTIONS.items():
        yield f"\n# -- {title} --\n"
        for variable in variables:
            yield f"\n{_comment(variable)}\n{variable.name}={variable.default}\n"


def _comment(variable: Variable) -> str:
    says = variable.says
    if variable.choices:
        says += f" One of: {', '.join(choice for choice in variable.choices if choice)}."
    elif variable.kind in {Kind.NAMES, Kind.DURATION}:
        says += f" {variable.kind.value.capitalize()}."
    return textwrap.fill(says, 110, initial_indent="# ", subsequent_indent="# ")


if __name__ == "__main__":
    sys.stdout.write(render())
