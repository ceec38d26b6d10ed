"""Identifiers of rows: UUIDs of version 7, which sort by the time they were made.

They tell when a row was made, so nothing secret is ever derived from one.
"""

import uuid

import uuid6


def uuid7() -> uuid.UUID:
    """Return a new UUID of version 7, as a plain ``uuid.UUID``."""
    return uuid.UUID(bytes=uuid6.uuid7().bytes)
