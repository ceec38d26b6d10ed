"""The rows of a list, cell by cell, so that a phone can show each with its label."""

from typing import Any

from django import template
from django.contrib.admin.utils import label_for_field, lookup_field
from django.utils.html import strip_tags

from adminpanel import cells

register = template.Library()


register.filter("action", cells.action)


@register.simple_tag
def list_heads(cl: Any) -> list[str]:
    """Return the heads of the columns."""
    return [str(label_for_field(name, cl.model, cl.model_admin)) for name in cl.list_display]


@register.simple_tag
def list_rows(cl: Any) -> list[dict[str, Any]]:
    """Return each row as its key, its first cell and the others with their labels."""
    admin, model = cl.model_admin, cl.model
    labels = [label_for_field(name, model, admin) for name in cl.list_display]
    return [_row(row, cl.list_display, labels, admin) for row in cl.result_list]


@register.simple_tag
def filter_choices(cl: Any, spec: Any) -> list[dict[str, Any]]:
    """Return what a filter offers: each choice with its words, its address and whether it holds."""
    return list(spec.choices(cl))


@register.simple_tag
def page_links(cl: Any) -> dict[str, str]:
    """Return the addresses of the pages before and after this one."""
    found = {}
    if cl.page_num > 1:
        found["previous"] = cl.get_query_string({"p": cl.page_num - 1})
    if cl.page_num < cl.paginator.num_pages:
        found["next"] = cl.get_query_string({"p": cl.page_num + 1})
    return found


def _row(row: Any, names: list[Any], labels: list[Any], admin: Any) -> dict[str, Any]:
    cells = [lookup_field(name, row, admin)[2] for name in names]
    name = strip_tags(str(cells[0]))
    return {"pk": row.pk, "name": name, "first": cells[0], "cells": list(zip(labels[1:], cells[1:], strict=True))}
