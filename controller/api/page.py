"""The OpenAPI document as one HTML page: no script, nothing loaded from anywhere else. Pure.

Served as `/docs` and `/redoc` by `app`. What an anchor names stands inside its details, not on
them: browsers open details around the target of a link.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from controller.api.page_style import STYLE
from controller.api.subjects import READING_ORDER

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""The Content-Security-Policy that the page needs."""

Part = Mapping[str, Any]

_SENT = {"Bearer": "Authorization: Bearer $TOKEN", "GitLab": "X-Gitlab-Token: $SECRET"}
"""What an example sends for the first of these that its operation accepts."""
_START = """\
<h2 id="start">Start here</h2>
<p>Deploy what the tool's config says, then wait until it really runs:</p>
<pre tabindex="0"><code>{deploy}

{wait}</code></pre>
<p><code>$API</code> is the address of this page without <code>/docs</code>, <code>$TOOL</code> the
tool, <code>$TOKEN</code> its <a href="#create_tool_deploy_token">deploy token</a>; with
<code>ptd local</code> it may be the token in the kubeconfig, which is good for every route. The
second answer is held for 50 seconds at most; 429 says that it goes on, so ask again.</p>
<p>The client <code>toolforge components</code> and <code>ptd deploy --wait</code> do the same with
more comfort. For machines this page is <a href="openapi.json">openapi.json</a>.</p>
"""
_ERRORS = """\
<h2 id="errors">Errors</h2>
<p>The first of <code>messages.error</code> is the one to show. <code>problem</code> is the same for
machines: <code>owner</code> says whose move it is, <code>retryable</code> whether the same request
may succeed later, <code>hint</code> what to do. With <code>Accept: application/problem+json</code>
the answer is that alone.</p>
"""


def render(document: Part) -> str:
    """The page of a document as `openapi.document` makes it."""
    return "".join(_page(document))


def _page(document: Part) -> Iterator[str]:
    info, schemas = document["info"], document["components"]["schemas"]
    subjects = _subjects(document)
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f"<title>{escape(info['title'])}</title>"
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<style>{STYLE}</style></head><body><div class="all">'
    yield from _index(subjects)
    yield f"<main><h1>{escape(info['title'])}</h1><p>{_prose(info['description'])} "
    yield f'<span class="quiet">Version {escape(info["version"])}.</span></p>'
    every = {
        each["operationId"]: (way, path, each)
        for ways in subjects.values()
        for way, path, each in ways
    }
    commands = {name: _command(*each, schemas) for name, each in every.items()}
    yield _START.format(
        deploy=escape(commands["create_tool_deployment"]),
        wait=escape(commands["wait_for_tool_deployment"].replace("$ID", "latest")),
    )
    for tag in document["tags"]:
        yield f'<h2 id="{_anchor(tag["name"])}">{escape(tag["name"])}</h2>'
        yield f"<p>{_prose(tag['description'])}</p>"
        for method, path, operation in subjects[tag["name"]]:
            command = commands[operation["operationId"]]
            yield from _operation((method, path), operation, command, schemas)
    yield from _callers(document["components"]["securitySchemes"])
    yield _ERRORS + _code(schemas["Failed"]["examples"][0])
    yield '<h2 id="objects">Objects</h2>'
    for name, schema in sorted(schemas.items()):
        yield from _schema(name, schema)
    yield "</main></div></body></html>\n"


def _subjects(document: Part) -> dict[str, list[tuple[str, str, Part]]]:
    """The operations by their tag: method, path, and what is said of them."""
    found: dict[str, list[tuple[str, str, Part]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append((method.upper(), path, operation))
    for operations in found.values():
        operations.sort(key=lambda each: READING_ORDER.index(each[2]["operationId"]))
    return found


def _index(subjects: Mapping[str, Sequence[tuple[str, str, Part]]]) -> Iterator[str]:
    yield '<nav aria-label="Contents"><ul><li><a href="#start">Start here</a></li>'
    for name, operations in subjects.items():
        yield f'<li><a href="#{_anchor(name)}">{escape(name)}</a><ul>'
        for method, _, operation in operations:
            yield f'<li><a href="#{escape(operation["operationId"])}">{_method(method)}'
            yield f"<span>{_prose(operation['summary'])}</span></a></li>"
        yield "</ul></li>"
    for name in ("Who may", "Errors", "Objects"):
        yield f'<li><a href="#{_anchor(name)}">{name}</a></li>'
    yield "</ul></nav>"


def _operation(
    where: tuple[str, str], operation: Part, command: str, schemas: Part
) -> Iterator[str]:
    method, path = where
    name = escape(operation["operationId"])
    fixed, named = ("/v1/tool/{toolname}", path.removeprefix("/v1/tool/{toolname}"))
    yield f"<details><summary>{_method(method)}<code>"
    yield f'<span class="fixed">{fixed}</span>{escape(named)}' if named != path else escape(path)
    yield f'</code><span class="quiet">{_prose(operation["summary"])}</span></summary>'
    yield f'<div class="body" id="{name}"><p>Who may: '
    ways = [_link(f"who-{way}", way) for each in operation["security"] for way in each]
    yield f"{', '.join(ways) or 'everybody'}. "
    yield f'<a href="#{name}">Link to this route</a></p>'
    yield f'<h3>Example</h3><pre tabindex="0"><code>{escape(command)}</code></pre>'
    yield from _answer(operation, schemas)
    rows = [
        (f"<code>{escape(each['name'])}</code>", each["in"], _prose(each.get("description", "")))
        for each in operation["parameters"]
    ]
    yield from _table("Parameters", ("Name", "In", "Meaning"), rows)
    if "requestBody" in operation:
        kind = _named(operation["requestBody"]["content"]["application/json"]["schema"])
        needed = "" if operation["requestBody"]["required"] else ", or none"
        yield f"<h3>Body</h3><p>{kind}{needed}</p>"
    answers = [(code, _prose(each["description"])) for code, each in operation["responses"].items()]
    yield from _table("Answers", ("Status", "Meaning"), answers)
    yield "</div></details>"


def _answer(operation: Part, schemas: Part) -> Iterator[str]:
    code, success = next(iter(operation["responses"].items()))  # a success comes first
    if "application/json" not in success["content"]:
        kinds = ", ".join(success["content"])
        yield f"<p>Answers {code} with <code>{escape(kinds)}</code> until it has ended.</p>"
        return
    data = success["content"]["application/json"]["schema"]["properties"]["data"]
    messages: Part = {"info": [], "warning": [], "error": []}
    yield f"<p>Answers {code}; <code>data</code> is {_named(data)}:</p>"
    yield _code({"data": _example(data, schemas), "messages": messages})


def _callers(ways: Mapping[str, Part]) -> Iterator[str]:
    yield '<h2 id="who-may">Who may</h2><p>Every route says which of these it accepts.</p>'
    rows = [
        (
            f'<span id="who-{escape(name)}">{escape(name)}</span>',
            f"<code>{escape(way.get('name', way.get('scheme', way['type'])))}</code>",
            _prose(way["description"]),
        )
        for name, way in ways.items()
    ]
    yield from _table("", ("Way", "Sent as", "Meaning"), rows)


def _schema(name: str, schema: Part) -> Iterator[str]:
    yield f"<details><summary><code>{escape(name)}</code></summary>"
    yield f'<div class="body" id="{escape(name)}"><p>{_prose(schema.get("description", ""))}</p>'
    if "enum" in schema:
        yield f"<p>One of: {escape(', '.join(map(str, schema['enum'])))}</p>"
    required = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(field)}</code>" + (" always" if field in required else ""),
            _named(part),
            _prose(part.get("description", "")),
        )
        for field, part in schema.get("properties", {}).items()
    ]
    yield from _table("", ("Field", "Kind", "Meaning"), rows)
    if "examples" in schema:
        yield f"<h3>Example</h3>{_code(schema['examples'][0])}"
    yield "</div></details>"


def _command(method: str, path: str, operation: Part, schemas: Part) -> str:
    """The request as a line of shell."""
    address = path.replace("{toolname}", "$TOOL").replace("{deployment_id}", "$ID")
    words = ["curl"] + ([] if method == "GET" else ["-X", method]) + [f'"$API{address}"']
    accepted = [name for each in operation["security"] for name in each]
    if known := [_SENT[name] for name in accepted if name in _SENT]:
        words.append(f'\\\n  -H "{known[0]}"')
    if "requestBody" in operation:
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        if operation["requestBody"]["required"] or "Bearer" not in accepted:
            text = json.dumps(_example(body, schemas), indent=2).replace("'", "'\\''")
            words.append(f"\\\n  -H 'Content-Type: application/json' -d '{text}'")
    return " ".join(words)


def _example(schema: Part, schemas: Part) -> Any:
    """The example of the object that a schema names."""
    return schemas[schema["$ref"].rpartition("/")[2]]["examples"][0]


def _table(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """A table; cells are markup."""
    if not rows:
        return
    yield f"<h3>{title}</h3>" if title else ""
    yield "<table><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</table>"


def _code(value: Any) -> str:
    return f'<pre tabindex="0"><code>{escape(json.dumps(value, indent=2))}</code></pre>'


def _method(method: str) -> str:
    return f'<span class="method {method.lower()}">{method}</span>'


def _link(anchor: str, text: str) -> str:
    return f'<a href="#{escape(anchor)}">{escape(text)}</a>'


def _anchor(title: str) -> str:
    return escape(title.lower().replace(" ", "-"))


def _prose(text: str) -> str:
    """Words in which `this` is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _named(schema: Part) -> str:
    """The kind of a value in a word or two, with links to objects."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"<code>{_link(name, name)}</code>"
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(_named(each) for each in schema[union])
    if schema.get("type") == "array":
        return f"list of {_named(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"mapping to {_named(schema['additionalProperties'])}"
    kind = schema.get("const", schema.get("enum", schema.get("type", "anything")))
    return f"<code>{escape(str(kind))}</code>"
