"""The GitLab component: one file that a project includes, with the client inside.

A component is a single YAML file and brings no other with it, so `examples/ci/ptd-deploy.sh` is
written into it. A generator of `tests.gate.generated`; its job is run by `tests/api/test_ci.py`.
"""

import textwrap
from collections.abc import Mapping

from tests.gate import environment

PATH = "examples/ci/gitlab/deploy.yml"
SCRIPT = "examples/ci/ptd-deploy.sh"

_COMPONENT = """\
# Deploy a tool and wait until it truly runs. Written by `make generate`; do not edit.
# How it is included, and what its inputs mean: docs/ci.md
spec:
  inputs:
    api:
      description: The address of the deployment API.
    tool:
      description: The tool.
      default: $CI_PROJECT_NAME
    components:
      description: Components that are built from this project; they are pinned to its commit.
      default: ""
    timeout:
      description: How long to wait, as 90s, 30m or 1h.
      default: 1h
    on_superseded:
      description: What to do when a newer deployment replaces this one.
      options: [follow, fail]
      default: follow
    when_no_token:
      description: Without the variable DEPLOY_TOKEN the job fails, unless it shall be skipped.
      options: [fail, skip]
      default: fail
    stage:
      description: The stage of the job.
      default: deploy
    environment:
      description: The environment that GitLab shows.
      default: production
    image:
      description: An image with sh and curl.
      default: curlimages/curl:8.11.1
---
deploy:
  stage: $[[ inputs.stage ]]
  image: $[[ inputs.image ]]
  resource_group: deploy-$[[ inputs.tool ]]
  interruptible: false
  environment:
    name: $[[ inputs.environment ]]
  variables:
    DEPLOY_API: $[[ inputs.api ]]
    DEPLOY_TOOL: $[[ inputs.tool ]]
    DEPLOY_COMPONENTS: $[[ inputs.components ]]
    DEPLOY_TIMEOUT: $[[ inputs.timeout ]]
    DEPLOY_ON_SUPERSEDED: $[[ inputs.on_superseded ]]
    DEPLOY_WHEN_NO_TOKEN: $[[ inputs.when_no_token ]]
  script:
    - |
      if [ -z "${DEPLOY_TOKEN:-}" ] && [ "$DEPLOY_WHEN_NO_TOKEN" = skip ]; then
        echo "Nothing was deployed: DEPLOY_TOKEN is not set, and when_no_token is skip." >&2
        exit 0
      fi
      client=$(mktemp)
      cat >"$client" <<'END_OF_CLIENT'
@SCRIPT@
      END_OF_CLIENT
      set --
      for component in $DEPLOY_COMPONENTS; do
        set -- "$@" --commit "$component=$CI_COMMIT_SHA"
      done
      sh "$client" deploy "$@" --description "${CI_PIPELINE_URL:-}" --timeout "$DEPLOY_TIMEOUT" \\
        --on-superseded "$DEPLOY_ON_SUPERSEDED" --cancel-on-interrupt \\
        --junit deploy-junit.xml --dotenv deploy.env
  artifacts:
    when: always
    reports:
      junit: deploy-junit.xml
      dotenv: deploy.env
"""


def files() -> Mapping[str, str]:
    """The component."""
    client = (environment.ROOT / SCRIPT).read_text().rstrip("\n")
    return {PATH: _COMPONENT.replace("@SCRIPT@", textwrap.indent(client, " " * 6))}
