#!/usr/bin/env bash
# Measures the cold start and the steady state of one Knative Service. Needs hey, fortio, curl, kn, kubectl and jq.
set -euo pipefail
SVC=${1:-hello}
NSPACE=${2:-bench}

URL=$(kubectl get ksvc "$SVC" -n "$NSPACE" -o jsonpath='{.status.url}')
HOST=$(kubectl get ksvc "$SVC" -n "$NSPACE" -o json | jq -r '.status.url' | sed 's#https\?://##')
GW=$(kubectl get svc istio-ingressgateway -n istio-system -o jsonpath='{.status.loadBalancer.ingress[0].hostname}')

# scale-to-zero must have happened before the first request
kubectl wait pod -n "$NSPACE" -l serving.knative.dev/service="$SVC" --for=delete --timeout=180s

# one cold request, all phases
curl -s -o /dev/null -H "Host: $HOST" \
  -w 'dns %{time_namelookup} connect %{time_connect} tls %{time_appconnect} first %{time_starttransfer} total %{time_total} code %{http_code}\n' \
  "http://$GW/"

# steady state, open loop
fortio load -qps 200 -c 32 -t 60s -H "Host: $HOST" "http://$GW/"
fortio load -qps 0 -c 64 -t 30s -p "50,90,99,99.9" "$URL"
# a new connection for every request
fortio load -keepalive=false -c 8 -n 2000 "$URL/ping"

# closed loop, 50 workers, each at most 20 requests per second
hey -z 60s -c 50 -q 20 "$URL"
hey -n 5000 -c 100 -host "$HOST" "http://$GW/"
hey -n 500 -c 10 -m POST -T application/json -d '{"n":1}' "$URL/sum"
hey -n 200 -c 20 -disable-keepalive -t 30 "$URL/slow"

# what did the autoscaler do?
kubectl get podautoscaler -n "$NSPACE" -o json | jq -r '.items[] | [.metadata.name, .status.desiredScale, .status.actualScale] | @tsv'
kubectl get sks -n "$NSPACE" | grep -c Serve || true
kubectl get revisions -n "$NSPACE" -l serving.knative.dev/service="$SVC"
kubectl logs -n knative-serving -l app=autoscaler --tail=1000 | grep -E 'PANICKING|Un-panicking' || true
kubectl top pod -n "$NSPACE" -l serving.knative.dev/service="$SVC" --containers

# pin two pods for the second half, then give the platform its freedom back
kn service update "$SVC" -n "$NSPACE" --scale-min 2 --scale-max 20
kn revision list -n "$NSPACE" -s "$SVC"
kn service update "$SVC" -n "$NSPACE" --scale 0..20
kn service update "$SVC" -n "$NSPACE" --concurrency-limit 50 --scale-window 30s
kn route describe "$SVC" -n "$NSPACE"
