#!/usr/bin/env bash
# Tunes a fresh Knative Serving 1.20 install. Usage: ./03-tune-knative.sh
set -euo pipefail
NS=knative-serving

kubectl -n "$NS" get configmap config-autoscaler -o yaml

# 1. autoscaler -------------------------------------------------------------
cat <<'YAML' | kubectl apply -f -
apiVersion: v1
kind: ConfigMap
metadata:
  name: config-autoscaler
  namespace: knative-serving
data:
  container-concurrency-target-default: "80"
  container-concurrency-target-percentage: "75"
  target-concurrency: "50"
  stable-window: "90"
  enable-scale-to-zero: "yes"
  container-concurrency: "20"
  max-scale-up-rate: "1.0"
  scale-to-zero-pod-retention-period: "2m"
YAML

# 2. defaults ---------------------------------------------------------------
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: config-defaults
  namespace: knative-serving
data:
  revision-timeout-seconds: "900"
  default-revision-memory: "512Mi"
  revision-cpu-request: "200m"
  revision-memory-request: "256M"
  initial-scale: "2"
YAML

# 3. features: allow node selectors and init containers
kubectl -n "$NS" patch cm config-features --type merge -p '{"data":{"kubernetes.podspec-node-selector":"enabled"}}'
kubectl -n "$NS" patch cm config-features --type merge -p '{"data":{"kubernetes.podspec-init-containers":"enabled"}}'

# 4. the documented example block is the live configuration, edit it in place
kubectl -n "$NS" patch cm config-gc --type merge -p '{"data":{"_example":"min-non-active-revisions: \"2\""}}'
kubectl -n "$NS" patch cm config-gc --type merge -p '{"data":{"min-non-active-revisions":"2"}}'
kubectl -n "$NS" patch cm config-gc --type merge -p '{"data":{"retain-since-create-time":"3d"}}'

# 5. only one domain: replace whatever is there
kubectl -n "$NS" patch cm config-domain --type json -p '[{"op":"replace","path":"/data","value":{"apps.example.com":""}}]'

# 6. network
kubectl -n "$NS" create configmap config-network --from-literal=rollout-duration=300 --dry-run=client -o yaml | kubectl replace -f -
kubectl -n "$NS" patch cm config-network --type merge -p '{"data":{"auto-tls":"Enabled"}}'
# talk to the pod IPs directly, never through the ClusterIP
kubectl -n "$NS" patch cm config-network --type merge -p '{"data":{"mesh-compatibility-mode":"enabled"}}'

# 7. queue-proxy resources
kubectl -n "$NS" patch cm config-deployment --type merge -p '{"data":{"queue-sidecar-cpu-request":"50m"}}'
kubectl -n "$NS" patch cm config-deployment --type merge -p '{"data":{"queue-proxy-cpu-limit":"1"}}'

# 8. check
kubectl -n "$NS" rollout status deployment/controller --timeout=120s
kubectl get kingress -A
kubectl get knativeservices -A
kubectl get ksvc -A -o json | jq -r '.items[].status.domain'
