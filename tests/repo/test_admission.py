"""The admission policies, on what people and programs write: their CEL is evaluated, not read."""

from typing import Any

import pytest
from cel_expr_python import cel
from cel_expr_python.ext import ext_optional, ext_strings

from tests.support import manifests

ACCOUNT = "system:serviceaccount:push-to-deploy:push-to-deploy"
JANE = "jane"


def evaluate(expression: str, known: dict[str, Any]) -> Any:
    """The value of an expression with these variables."""
    environment = cel.NewEnv(
        variables=dict.fromkeys(known, cel.Type.DYN),
        extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings()],
    )
    result = environment.compile(expression).eval(data=known)
    assert result.type() != cel.Type.ERROR, (expression, result.value())
    return result.value()


def refusals(policy: str, who: str, operation: str, found: dict[str, Any]) -> list[str]:
    """What a policy says to a request; nothing where it does not apply."""
    spec = manifests.named("generic", "ValidatingAdmissionPolicy", policy)["spec"]
    known: dict[str, Any] = {
        "object": found,
        "request": {"userInfo": {"username": who}, "operation": operation},
    }
    if not all(evaluate(each["expression"], known) for each in spec.get("matchConditions", [])):
        return []
    variables = {v["name"]: evaluate(v["expression"], known) for v in spec.get("variables", [])}
    known["variables"] = variables
    said = []
    for rule in spec["validations"]:
        if not evaluate(rule["expression"], known):
            told = rule.get("messageExpression")
            said.append(evaluate(told, known) if told else rule["message"])
    return said


def ours(kind: str, name: str, namespace: str = "tool-x", **spec: Any) -> dict[str, Any]:
    """One of our objects."""
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def deployment(trigger: str = "", namespace: str = "tool-x") -> dict[str, Any]:
    """A ToolDeployment that names a trigger."""
    spec = {"trigger": {"kind": trigger}} if trigger else {}
    return ours("ToolDeployment", "d", namespace, **spec)


@pytest.mark.parametrize(
    ("who", "operation", "found", "said"),
    [
        (JANE, "CREATE", deployment(), ""),
        (JANE, "CREATE", deployment("manual"), ""),
        (JANE, "CREATE", deployment("poll"), "made by hand is manual"),
        (JANE, "UPDATE", deployment("poll"), ""),
        (f"{ACCOUNT}-controller", "CREATE", deployment("poll"), ""),
        (f"{ACCOUNT}-api", "CREATE", deployment("token"), ""),
        (JANE, "CREATE", deployment(namespace="default"), "into the namespace tool-x"),
        (JANE, "CREATE", ours("ToolConfig", "x-config"), ""),
        (JANE, "CREATE", ours("ToolConfig", "y-config"), "is named x-config"),
        (JANE, "CREATE", ours("ToolConfig", "x"), "is named x-config"),
    ],
)
def test_hand_made_objects_get_the_answers_of_the_api(
    who: str, operation: str, found: dict[str, Any], said: str
) -> None:
    told = refusals("push-to-deploy-objects", who, operation, found)
    assert [said in each for each in told] == ([True] if said else [])


def secret(name: str = "deploy-token", kind: str = "Opaque", place: str = "tool-x") -> Any:
    """A Secret."""
    return {"metadata": {"name": name, "namespace": place}, "type": kind}


@pytest.mark.parametrize(
    ("who", "found", "refused"),
    [
        (f"{ACCOUNT}-api", secret(), False),
        (f"{ACCOUNT}-api", secret(name="other"), True),
        (f"{ACCOUNT}-api", secret(place="kube-system"), True),
        (f"{ACCOUNT}-api", secret(kind="kubernetes.io/service-account-token"), True),
        (JANE, secret(name="other", place="default"), False),
    ],
)
def test_the_api_can_make_no_secret_but_a_tools_deploy_token(
    who: str, found: dict[str, Any], refused: bool
) -> None:
    assert bool(refusals("push-to-deploy-tokens", who, "CREATE", found)) == refused


def test_every_policy_is_in_force() -> None:
    policies = manifests.objects("toolforge", "ValidatingAdmissionPolicy")
    bindings = manifests.objects("toolforge", "ValidatingAdmissionPolicyBinding")
    assert {each["metadata"]["name"] for each in policies} == {
        each["spec"]["policyName"]
        for each in bindings
        if each["spec"]["validationActions"] == ["Deny"]
    }
