"""What is particular to Secrets and ConfigMaps: keys, sizes, what a type of Secret must have."""

import base64
from typing import Any

import pytest

from controller.local import kinds

LIMIT = 1024 * 1024


def encoded(**data: str) -> dict[str, str]:
    return {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}


def told(rules: kinds.Rules, **body: Any) -> list[str]:
    return [str(error) for error in rules.check({"metadata": {"name": "one"}, **body}, None)]


@pytest.mark.parametrize("size", [LIMIT - 2, LIMIT - 1, LIMIT])
def test_a_mebibyte_of_data_is_taken_and_no_more(size: int) -> None:
    too_long = ["data: Too long: may not be more than 1048576 bytes"]
    secret = {"type": "Opaque", "data": encoded(a="x" * (size - 1), b="y")}
    assert told(kinds.Secret(), **secret) == []
    assert told(kinds.Secret(), **secret | {"data": encoded(a="x" * LIMIT, b="y")}) == too_long
    both = {"data": {"a": "x"}, "binaryData": encoded(b="y" * (size - 1))}
    assert told(kinds.ConfigMap(), **both) == []
    assert told(kinds.ConfigMap(), **both | {"data": {"a": "x" * LIMIT}}) == too_long


@pytest.mark.parametrize(
    ("key", "errors"),
    [
        ("..2026", ["data[..2026]: Invalid value: \"..2026\": must not start with '..'"]),
        ("..", ["data[..]: Invalid value: \"..\": must not be '..'"]),
        (".", ["data[.]: Invalid value: \".\": must not be '.'"]),
        (".hidden", []),
    ],
)
def test_a_key_is_a_name_of_a_file(key: str, errors: list[str]) -> None:
    assert told(kinds.ConfigMap(), data={key: "x"}) == errors


BASIC, SSH, TLS = "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"
DOCKER = "kubernetes.io/dockerconfigjson"


@pytest.mark.parametrize(
    ("kind", "data", "errors"),
    [
        (BASIC, {}, ["data[username]: Required value", "data[password]: Required value"]),
        (BASIC, {"password": ""}, []),
        (SSH, {"ssh-privatekey": ""}, ["data[ssh-privatekey]: Required value"]),
        (SSH, {"ssh-privatekey": "key"}, []),
        (TLS, {"tls.crt": ""}, ["data[tls.key]: Required value"]),
        (DOCKER, {}, ["data[.dockerconfigjson]: Required value"]),
        (DOCKER, {".dockerconfigjson": "{}"}, []),
        (
            DOCKER,
            {".dockerconfigjson": "secret"},
            [
                'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": '
                "invalid character 's' looking for beginning of value"
            ],
        ),
        (
            "kubernetes.io/service-account-token",
            {},
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
        ("example.com/own", {}, []),
    ],
)
def test_a_secret_has_what_its_type_asks_for(
    kind: str, data: dict[str, str], errors: list[str]
) -> None:
    assert told(kinds.Secret(), type=kind, data=encoded(**data)) == errors
