"""Checks that the document is one of OpenAPI, and each of its examples one of what it stands at.

Usage: valid.py DOCUMENT
"""

import json
import sys

from openapi_schema_validator import OAS30Validator, oas30_format_checker
from openapi_spec_validator import validate

with open(sys.argv[1], encoding="utf-8") as file:
    document = json.load(file)
validate(document)


def with_example(node):
    """Every schema that has an example. (No member of a schema has the name `example`.)"""
    if isinstance(node, dict):
        if "example" in node:
            yield node
        node = [value for key, value in node.items() if key != "example"]
    if isinstance(node, list):
        for value in node:
            yield from with_example(value)


for schema in with_example(document):
    # Put into the document, which its references point into.
    validator = OAS30Validator({**document, **schema}, format_checker=oas30_format_checker)
    validator.validate(schema["example"])

for name, schema in document["components"]["schemas"].items():
    assert schema["type"] != "object" or "example" in schema, f"{name} has no example"
