"""The OpenAPI document as one HTML page: no script, nothing loaded from anywhere else. Pure.

Served as `/docs` and `/redoc` by `app`.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""The Content-Security-Policy that the page needs."""

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
code, pre { font: 14px/1.4 ui-monospace, monospace; }
details { border: 1px solid #8886; border-radius: 6px; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; }
.method { display: inline-block; font-weight: 700; min-width: 4.5rem; }
table { border-collapse: collapse; margin: .5rem 0; width: 100%; }
td, th { border-top: 1px solid #8884; padding: .25rem .5rem; text-align: left;
  vertical-align: top; }
"""


def render(document: Mapping[str, Any]) -> str:
    """The page of a document as `openapi.document` makes it."""
    return "".join(_page(document))


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
    yield f"<p>{escape(document['info']['description'])}</p>"
    yield '<p>The same for machines: <a href="openapi.json">openapi.json</a></p><h2>Routes</h2>'
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield from _operation(method.upper(), path, operation)
    yield "<h2>Objects</h2>"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from _schema(name, schema)
    yield "</main></body></html>\n"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(operation["operationId"])}"><summary>'
    yield f'<span class="method">{method}</span><code>{escape(path)}</code> '
    yield f"{escape(operation['summary'])}</summary>"
    ways = [name for way in operation["security"] for name in way]
    yield f"<p>Who may: {escape(', '.join(ways) or 'everybody')}</p>"
    rows = [
        (parameter["name"], parameter["in"], parameter.get("description", ""))
        for parameter in operation["parameters"]
    ]
    yield from _table(("Parameter", "In", "Meaning"), rows)
    if "requestBody" in operation:
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        yield f"<p>Body: {_named(body)}</p>"
    answers = [(code, each["description"]) for code, each in operation["responses"].items()]
    yield from _table(("Status", "Meaning"), answers)
    content = next(iter(operation["responses"].values()))["content"]  # a success comes first
    if "application/json" not in content:
        yield f"<p>Data: {escape(', '.join(content))}</p></details>"
        return
    data = content["application/json"]["schema"]
    yield f"<p>Data of the answer: {_named(data['properties']['data'])}</p></details>"


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
    yield f"<p>{escape(schema.get('description', ''))}</p>"
    if "enum" in schema:
        yield f"<p>One of: {escape(', '.join(map(str, schema['enum'])))}</p>"
    required = schema.get("required", ())
    rows = [
        (field + (" *" if field in required else ""), _named(part), part.get("description", ""))
        for field, part in schema.get("properties", {}).items()
    ]
    yield from _table(("Field", "Kind", "Meaning"), rows, html=1)
    yield "</details>"


def _table(
    heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], html: int | None = None
) -> Iterator[str]:
    """A table; the column `html` is markup already."""
    if not rows:
        return
    yield "<table><tr>" + "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr>"
    for row in rows:
        cells = (text if at == html else escape(text) for at, text in enumerate(row))
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def _named(schema: Mapping[str, Any]) -> str:
    """The kind of a value in a word or two, with links to objects. Markup."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}"><code>{name}</code></a>'
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(_named(each) for each in schema[union])
    if schema.get("type") == "array":
        return f"list of {_named(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"mapping to {_named(schema['additionalProperties'])}"
    kind = schema.get("const", schema.get("enum", schema.get("type", "anything")))
    return f"<code>{escape(str(kind))}</code>"
