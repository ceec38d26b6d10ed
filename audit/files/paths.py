"""Names of files as the trail shows them, and names that no storage is asked for."""

from django.core.exceptions import SuspiciousFileOperation

from gatehouse.text import UnsafeText, clean_text


def shown(path: str) -> str:
    """Return *path* for a row of the trail: what cannot be seen, or breaks a line, is written as its number."""
    return "".join(character if _is_clean(character) else _escaped(character) for character in path)


def refuse_unsafe(name: str) -> None:
    """Refuse a name that leads out of its folder, or holds a character that cannot be seen.

    Django's own storages refuse the first; foreign ones need not. Raises SuspiciousFileOperation.
    """
    if ".." in name.replace("\\", "/").split("/"):
        raise SuspiciousFileOperation("The name of the file leads out of its folder.")
    if not _is_clean(name):
        raise SuspiciousFileOperation("The name of the file holds a character that cannot be seen.")


def _is_clean(text: str) -> bool:
    try:
        clean_text(text)
    except UnsafeText:
        return False
    return True


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
