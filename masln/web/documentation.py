"""The documentation page: the OpenAPI document as plain HTML, without a script and without the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["documentation_page"]


def documentation_page(document: Mapping[str, Any]) -> str:
    """Render an OpenAPI document.

    Args:
        document: As FastAPI makes it.

    Returns:
        HTML that names ``/static/docs.css`` alone.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("masln.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    schemas = document["components"]["schemas"]
    operations = [
        _operation(method, path, facts) for path, own in document["paths"].items() for method, facts in own.items()
    ]
    bodies = {name: _fields(schema) for name, schema in schemas.items() if name not in _OF_FASTAPI}
    told = {name: schema.get("description", "") for name, schema in schemas.items()}
    return environment.get_template("docs.html").render(
        info=document["info"], operations=operations, schemas=bodies, told=told
    )


_OF_FASTAPI = ("HTTPValidationError", "ValidationError")


def _operation(method: str, path: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    body = facts.get("requestBody", {}).get("content", {})
    return {
        "method": method.upper(),
        "path": path,
        "summary": facts.get("summary", ""),
        "parameters": [
            {"name": own["name"], "where": own["in"], "type": _type(own["schema"])}
            for own in facts.get("parameters", [])
        ],
        "bodies": [{"media": media, "type": _type(own.get("schema", {}))} for media, own in body.items()],
        "answers": [
            {
                "status": status,
                "told": own.get("description", ""),
                "types": [_type(body.get("schema", {})) or media for media, body in own.get("content", {}).items()],
            }
            for status, own in facts["responses"].items()
        ],
    }


def _fields(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "type": _type(own),
            "default": json.dumps(own["default"]) if "default" in own else "",
            "needed": name in schema.get("required", ()),
            "told": own.get("description", ""),
        }
        for name, own in schema.get("properties", {}).items()
    ]


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("type") == "object" and "additionalProperties" in schema:
        return f"object of {_type(schema['additionalProperties'])}"
    least = f", at least {schema['minimum']}" if "minimum" in schema else ""
    if schema.get("format") == "binary" or "contentMediaType" in schema:
        return "file"
    return str(schema.get("type", "")) + least
