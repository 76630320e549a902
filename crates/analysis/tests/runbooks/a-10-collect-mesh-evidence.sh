#!/bin/sh
# Collects what support asks for. Read-only apart from the log level at the end.
set -eu
NS=${NS:-shop}
APP=${APP:-shop}
POD=$(kubectl get pod -n "$NS" -l "app=$APP" -o jsonpath='{.items[0].metadata.name}')
OUT=evidence-$(date +%s); mkdir -p "$OUT"

istioctl version --remote=false > "$OUT/version.txt"
istioctl proxy-status > "$OUT/ps.txt"
istioctl pc listeners "$POD" -n "$NS" --port 15006 > "$OUT/inbound.txt"
istioctl pc endpoints "$POD" -n "$NS" --cluster "outbound|80||$APP.$NS.svc.cluster.local" > "$OUT/ep.txt"
istioctl pc clusters "$POD" -n "$NS" --subset v1 > "$OUT/v1.txt"
istioctl pc bootstrap "$POD" -n "$NS" -o json | jq .bootstrap.node > "$OUT/node.json"
istioctl pc all "$POD" -n "$NS" -o json > "$OUT/all.json"
istioctl pc ecds "$POD" -n "$NS" > "$OUT/ecds.txt"
istioctl x describe pod "$POD" -n "$NS" > "$OUT/describe.txt"
istioctl x authz check "$POD" -n "$NS" > "$OUT/authz.txt"
istioctl x envoy-stats "$POD" -n "$NS" --type clusters > "$OUT/stats-clusters.txt"
istioctl x internal-debug syncz > "$OUT/syncz.json"
istioctl analyze -n "$NS" --output json > "$OUT/analyze.json" || true
istioctl analyze -L > "$OUT/analyzers.txt"

kubectl get vs,dr,gw,se,we,wg -n "$NS" -o yaml > "$OUT/networking.yaml"
kubectl get ap,pa,ra -n "$NS" -o yaml > "$OUT/security.yaml"
kubectl get envoyfilters,sidecars.networking.istio.io -A -o yaml > "$OUT/ef.yaml"
kubectl get telemetry -A -o yaml > "$OUT/telemetry.yaml"
kubectl get configmap istio -n istio-system -o jsonpath='{.data.mesh}' > "$OUT/mesh.yaml"
kubectl get mutatingwebhookconfigurations -o name | grep istio > "$OUT/webhooks.txt"
kubectl logs "$POD" -n "$NS" -c istio-proxy --since=1h > "$OUT/proxy.log"
kubectl logs -n istio-system -l app=istiod --tail=2000 > "$OUT/istiod.log"
kubectl get ns -L istio-injection,istio.io/rev > "$OUT/ns.txt"
kubectl exec "$POD" -n "$NS" -c istio-proxy -- pilot-agent request GET stats > "$OUT/stats.txt"
kubectl exec "$POD" -n "$NS" -c istio-proxy -- curl -s localhost:15020/stats/prometheus > "$OUT/merged.txt"
helm history istiod -n istio-system > "$OUT/helm.txt"
helm get values istiod -n istio-system --all > "$OUT/values.yaml"

istioctl proxy-config log "$POD" -n "$NS" --level upstream:debug
sleep 30
istioctl proxy-config log "$POD" -n "$NS" --reset
