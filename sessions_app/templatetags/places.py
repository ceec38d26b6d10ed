"""Where a session comes from, as people read it."""

from django import template

from gatehouse.places import place_of

register = template.Library()


@register.filter
def where(ip: str | None) -> str:
    """Return the place and the address, the address alone where no place is known, or ""."""
    place = place_of(ip)
    return f"{place} ({ip})" if place else ip or ""
