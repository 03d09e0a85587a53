"""Pages from templates (Jinja2): text is escaped, data and pictures are embedded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup


def fill_template(template: Path, **fields: Any) -> str:
    """The text of a template with its fields; strings but `Markup` are escaped."""
    pages = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return pages.from_string(template.read_text("utf-8")).render(fields)


def embed_json(data: Any) -> Markup:
    """Plain data for a ``<script>``, which no string in it can end."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("</", "<\\/"))  # not escaped otherwise: scripts are no HTML
