#!/usr/bin/env bash
# mesh-debug.sh - collects what support asks for. usage: mesh-debug.sh <namespace> <deployment>
set -uo pipefail
NS=${1:?namespace}
APP=${2:?deployment}
OUT=$(mktemp -d)
req() { kubectl -n "$NS" exec "deploy/$APP" -c istio-proxy -- pilot-agent request "$@"; }

# --- static view -------------------------------------------------------------
istioctl proxy-config bootstrap "deploy/$APP" -n "$NS" -o json > "$OUT/bootstrap.json"
istioctl proxy-config secret "deploy/$APP" -n "$NS" > "$OUT/secrets.txt"
istioctl proxy-config certs "deploy/$APP" -n "$NS" > "$OUT/certs.txt"
istioctl proxy-config all "deploy/$APP" -n "$NS" -o json > "$OUT/all.json"
istioctl proxy-config endpoints "deploy/$APP" -n "$NS" --status unhealthy > "$OUT/bad-endpoints.txt"
istioctl proxy-config endpoints "deploy/$APP" -n "$NS" --health unhealthy >> "$OUT/bad-endpoints.txt"
istioctl proxy-config cluster "deploy/$APP" -n "$NS" --host ledger > "$OUT/ledger.txt"
istioctl proxy-config cluster "deploy/$APP" -n "$NS" --direction inbound > "$OUT/inbound.txt"

# circuit breakers and outlier settings as Envoy got them
istioctl pc cluster "deploy/$APP" -n "$NS" -o json | jq '.[] | {name, o: .outlierDetection}'
istioctl pc cluster "deploy/$APP" -n "$NS" -o json | jq '.[].outlier_detection // empty'
istioctl pc route "deploy/$APP" -n "$NS" -o json | jq '.[].virtualHosts[]?.name'
istioctl pc route "deploy/$APP" -n "$NS" -o json | jq '.[].virtual_hosts[]?.name'
req GET config_dump | jq '.configs[].dynamic_active_clusters[]?.cluster.outlier_detection'
req GET config_dump | jq '.configs[].dynamicActiveClusters[]?.cluster.name'

istioctl pc endpoints "deploy/$APP" -n "$NS" -o json | jq '.[].host_statuses[]?.address'

# --- admin interface -----------------------------------------------------------
req GET 'clusters?format=json' | jq '.cluster_statuses[].host_statuses[]?.health_status'
req GET clusters | grep -E 'health_flags::unhealthy'
req GET clusters | grep -F '::default_priority::max_connections::'
req GET 'stats?filter=xds-grpc' > "$OUT/xds.txt"
req GET 'stats?usedonly&format=json' > "$OUT/stats.json"
req GET routes > "$OUT/routes.txt"
req GET 'listeners?format=json' > "$OUT/listeners.json"
req GET certs | jq '.certificates[].cert_chain[].days_until_expiration'
req GET server_info | jq -r .uptime_current_epoch
req GET server_info | jq -r .state | grep -i running
req POST reset_counters            # start the observation from zero
req POST quitquitquit              # reload the configuration without a restart
req POST 'drain_listeners?inboundonly' # show the inbound listeners
req PUT 'logging?connection=trace'

# --- from outside -----------------------------------------------------------------
POD_IP=$(kubectl -n "$NS" get pod -l "app=$APP" -o jsonpath='{.items[0].status.podIP}')
curl -fsS "http://$POD_IP:15021/healthz/ready" && echo ready
curl -fsS "http://$POD_IP:15090/stats/prometheus" | grep -c '^istio_requests_total'
curl -fsS "http://$POD_IP:15090/metrics" > "$OUT/metrics.txt"
curl -fsS "http://$POD_IP:15000/config_dump" > "$OUT/dump.json"

# --- logs ---------------------------------------------------------------------------
kubectl -n "$NS" logs "deploy/$APP" -c istio-proxy --since=15m | grep -E '" (503|504) '
kubectl -n "$NS" logs "deploy/$APP" -c istio-proxy | grep -E 'status=50[34]'
kubectl -n istio-system logs deploy/istiod -c discovery --since=15m > "$OUT/istiod.log"
kubectl -n "$NS" logs "deploy/$APP" -c envoy --tail=200
kubectl -n istio-system logs deploy/istiod -c pilot >> "$OUT/istiod.log"
istioctl admin log --level ads:debug

# --- objects --------------------------------------------------------------------------
kubectl get vs -A -o json | jq '.items[] | select(any(.spec.http[]?; .timeout != null)) | .metadata.name'
kubectl get dr -A -o yaml | grep -n 'trafficpolicy:'
kubectl get peerauthentication -A -o jsonpath='{.items[*].spec.mtls.mode}'
kubectl get crd -o name | grep istio.io | xargs kubectl delete   # drop stale caches
istioctl bug-report --include "$NS"
tar -C "$OUT" -czf "mesh-debug-$APP.tgz" .
