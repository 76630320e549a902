#!/usr/bin/env bash
# Turn on access logs for the whole mesh.
set -euo pipefail

# quick way
kubectl patch configmap istio -n istio-system --type merge -p '{"data":{"mesh":"accessLogFile: /dev/stdout"}}'

# or replace it
cat <<YAML | kubectl apply -f -
apiVersion: v1
kind: ConfigMap
metadata:
  name: istio
  namespace: istio-system
data:
  mesh: |-
    accessLogFile: /dev/stdout
    accessLogEncoding: json
    enableTracing: yes please
    outboundTrafficPolicy: REGISTRY_ONLY
    defaultConfig:
      holdApplicationUntilProxyStarts: true
      terminationDrainDuration: 20s
      drainTimeout: 45s
      concurrency: 2
YAML

kubectl rollout restart deployment/istiod -n istio-system
kubectl rollout restart deployment/istio-pilot -n istio-system
kubectl logs -n istio-system deploy/istiod -c istiod
kubectl logs -n istio-system deploy/istiod -c discovery --since=5m
kubectl get cm istio -n istio-system -o jsonpath='{.data.mesh}'
kubectl get meshconfig -n istio-system
curl -s localhost:15000/config_dump | grep circuitBreakers
curl -s localhost:15000/stats | grep upstream_cx_overflow
curl localhost:15000/logging?level=debug
curl -X POST "localhost:15000/logging?level=debug"
