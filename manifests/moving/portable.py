#!/usr/bin/env python3
"""Makes what `kubectl get -o json` prints fit to be applied again: on this cluster, or another.

Takes away what the server owns (versions, uids, managers of fields, status). Used by operators for
backups; nothing but the standard library.

    kubectl get toolconfigs -A -o json | manifests/moving/portable.py > configs.yaml
"""

import json
import sys
from typing import Any

_KEPT = ("name", "namespace", "labels", "annotations")


def portable(found: dict[str, Any]) -> dict[str, Any]:
    """An object without what the server owns."""
    kept = {name: value for name, value in found.items() if name != "status"}
    metadata = {name: found["metadata"][name] for name in _KEPT if name in found["metadata"]}
    return kept | {"metadata": metadata}


def main() -> None:
    """From standard input to standard output: a document for each object (JSON is YAML)."""
    for found in json.load(sys.stdin)["items"]:
        sys.stdout.write(f"---\n{json.dumps(portable(found), indent=1)}\n")


if __name__ == "__main__":
    main()
