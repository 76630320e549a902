#!/usr/bin/env bash
# mesh-debug.sh - collected by the platform guild, run with POD and NS set
set -uo pipefail
POD=${1:?pod}; NS=${2:-default}

# --- who is out of sync -------------------------------------------------
istioctl proxy-status
# --- clusters that go out of this pod -----------------------------------
istioctl proxy-config cluster "$POD.$NS" | grep OUTBOUND
istioctl proxy-config cluster "$POD.$NS" --direction outbound -o json > clusters.json
# a wide table with the TLS mode
istioctl proxy-config cluster "$POD.$NS" -o wide
# --- endpoints that were ejected ----------------------------------------
istioctl proxy-config endpoints "$POD.$NS" | grep failed_outlier_check
kubectl exec "$POD" -n "$NS" -c istio-proxy -- curl -s localhost:15000/clusters | grep health_flags::/failed_outlier_check
# --- routes --------------------------------------------------------------
istioctl pc routes "$POD.$NS" --name 8080 -o yaml
istioctl pc routes "$POD.$NS" --host reviews
# --- the whole dump incl. endpoints --------------------------------------
kubectl exec "$POD" -n "$NS" -c istio-proxy -- curl -s "localhost:15000/config_dump?include_eds" > dump.json
kubectl exec "$POD" -n "$NS" -c istio-proxy -- curl -s localhost:15000/configdump > dump2.json
kubectl exec "$POD" -n "$NS" -c istio-proxy -- curl -s "localhost:15000/clusters?format=json" | jq '.clusters[].name'
kubectl exec "$POD" -n "$NS" -c istio-proxy -- curl -s localhost:15000/server_info | jq -r .status
# --- Envoy's own Prometheus page -----------------------------------------
kubectl exec "$POD" -n "$NS" -c istio-proxy -- curl -s localhost:15090/config_dump
kubectl exec "$POD" -n "$NS" -c istio-proxy -- curl -s localhost:15090/stats/prometheus | head
# --- drain this proxy before the node goes --------------------------------
kubectl exec "$POD" -n "$NS" -c istio-proxy -- curl -s localhost:15000/drain_listeners?graceful
# --- make it re-read its configuration, connections stay up ----------------
kubectl exec "$POD" -n "$NS" -c istio-proxy -- curl -s -X POST localhost:15000/quitquitquit
# --- resources in this namespace -------------------------------------------
kubectl get vs,dr,gw,se -n "$NS"
kubectl get ef -n "$NS"
kubectl get meshconfig -n istio-system
kubectl get pods -n "$NS" -l istio-injection=enabled
# --- turn on access logs for the mesh, everything else stays as it is -------
kubectl patch configmap istio -n istio-system --type merge -p '{"data":{"mesh":"accessLogFile: /dev/stdout"}}'
# --- lint ---------------------------------------------------------------------
istioctl analyze -f ./manifests
istioctl analyze --use-kube=false ./manifests/*.yaml
istioctl install --profile minimal -y
helm install istio/istiod -n istio-system
helm get values istiod -n istio-system
