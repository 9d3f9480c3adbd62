"""The import contracts name every module that they are meant for, as soon as it exists."""

import re
import tomllib
from pathlib import Path

from tests.repo import tree

CONTRACTS = {
    contract["name"].split(":")[0]: contract
    for contract in tomllib.loads(tree.text(Path("pyproject.toml")))["tool"]["importlinter"][
        "contracts"
    ]
}
# The stages that read, act or time an action. Everything else of the core is a decision or data.
EDGES = {f"controller.reconcile.{name}" for name in ("observe", "effects", "reconciler")}


def _existing() -> set[str]:
    modules = {".".join(path.with_suffix("").parts) for path in tree.named(".py")}
    return modules | {name.removesuffix(".__init__") for name in modules}


def test_every_pure_module_that_exists_is_under_the_contract() -> None:
    stages = {
        name
        for name in _existing()
        if name.startswith("controller.reconcile.") and not name.endswith("__init__")
    }
    pure = (stages - EDGES) | ({"watchers.decide"} & _existing())
    pure |= {"controller.models", "controller.backends.base"}
    assert set(CONTRACTS["Decisions are pure"]["source_modules"]) == pure


def test_the_contracts_name_only_modules_that_exist() -> None:
    named = {
        module
        for contract in CONTRACTS.values()
        for key in ("source_modules", "modules", "forbidden_modules")
        for module in contract.get(key, [])
        if module.split(".")[0] in {"controller", "watchers"}
    }
    assert named - _existing() == set()


def test_every_module_of_the_packages_has_a_layer() -> None:
    names = {
        name.strip(" ()") for layer in CONTRACTS["Layers"]["layers"] for name in layer.split("|")
    }
    without = {
        module
        for module in _existing()
        if module.split(".")[0] in {"controller", "watchers"}
        and not module.endswith("__init__")
        and module.count(".") >= 1
        and not any(module == name or module.startswith(f"{name}.") for name in names)
    }
    assert without - {"controller.__main__"} == set()


def test_every_listener_of_ours_has_the_limits_of_listening() -> None:
    """aiohttp's own waits for the head of a request for as long as its sender likes."""
    ways = re.compile(r"\b(AppRunner|ServerRunner|TCPSite|SockSite|UnixSite|run_app)\b")
    others = {
        str(path)
        for path in tree.named(".py")
        if path.parts[0] in {"controller", "watchers"} and ways.search(tree.text(path))
    }
    assert others == {"controller/listening.py"}
