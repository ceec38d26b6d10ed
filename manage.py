#!/usr/bin/env python3
"""Django's commands, with this project's settings."""

import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from config import env


def main() -> None:
    """Run the command; where the settings are refused, say why and nothing else."""
    env.prepare()
    try:
        _ = settings.INSTALLED_APPS
    except ImproperlyConfigured as refusal:
        sys.exit(str(refusal))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
