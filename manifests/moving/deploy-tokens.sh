#!/bin/sh
# Takes over the deploy tokens of the existing components-api: each DeployToken becomes the Secret that
# our API reads, with the same token and date, so that every CI job goes on as it is. Run it with the
# rights of an operator; again does no harm, for a Secret that exists is kept. No token is shown.
set -eu
template='{{range .items}}{{.metadata.namespace}} {{.spec.token}} {{or .spec.creation_date .metadata.creationTimestamp}}{{"\n"}}{{end}}'
kubectl get deploytokens.components-api.toolforge.org --all-namespaces -o go-template="$template" |
while read -r namespace token created; do
    if kubectl --namespace "$namespace" get secret deploy-token -o name > /dev/null 2>&1; then
        echo "$namespace: has one already, kept"
        continue
    fi
    kubectl --namespace "$namespace" create -f - > /dev/null << EOF
apiVersion: v1
kind: Secret
metadata:
  name: deploy-token
type: Opaque
stringData:
  token: "$token"
  creation_date: "$created"
EOF
    echo "$namespace: taken over"
done
