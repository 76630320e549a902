#!/usr/bin/env bash
# Tuning and triage helper for Knative Serving behind the edge NLB.
# usage: NS=shop SVC=checkout ./tune.sh
set -euo pipefail
NS=${NS:?namespace}; SVC=${SVC:?ksvc}
REV=$(kubectl -n "$NS" get ksvc "$SVC" -o jsonpath='{.status.latestReadyRevisionName}')
KS=knative-serving

# --- where are we
kubectl -n "$NS" get ksvc "$SVC" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}{"\n"}'
kubectl -n "$NS" get ksvc "$SVC" -o json | jq '.status.conditions[] | select(.status==true)'
kubectl -n "$NS" get ksvc "$SVC" -o json | jq -r '.status.traffic[] | "\(.revisionName) \(.percent)"'
kubectl -n "$NS" get podautoscaler "$REV" -o jsonpath='{.spec.reachability}{"\n"}'
kubectl -n "$NS" get kpa "$REV" -o jsonpath='{.status.replicas}{"\n"}'
kubectl -n "$NS" get deploy "$REV-deployment" -o jsonpath='{.spec.replicas}{"\n"}'
kubectl get crd | grep '\.serving\.knative\.dev'
kubectl -n $KS get deploy -o wide
kubectl -n $KS get pods --no-headers | awk '$3=="Ready"' | wc -l
kubectl -n $KS get pods --no-headers | awk '$3!="Running" && $3!="Completed"'
kubectl -n "$NS" get pods | grep CrashLoopBackoff || true
kubectl -n "$NS" get pods | grep -E 'CrashLoopBackOff|ImagePullBackOff|ErrImagePull' || true
kubectl -n "$NS" top pod -l serving.knative.dev/service="$SVC" --containers
kubectl -n "$NS" top pod -l serving.knative.dev/service="$SVC" --sort-by=requests

# --- backup first
kubectl -n $KS get cm config-autoscaler -o yaml --export > config-autoscaler.bak.yaml
kubectl -n $KS get cm config-network config-defaults config-features -o yaml > cms.bak.yaml

# --- autoscaler knobs, global
patch() { kubectl -n $KS patch cm "$1" --type merge -p "$2"; }
patch config-autoscaler '{"data":{"scale-to-zero-grace-period":"45s"}}'
patch config-autoscaler '{"data":{"max-scale-up-rate":"1.0"}}'
patch config-autoscaler '{"data":{"max-scale-limit":"200","max-scale":"100"}}'
patch config-autoscaler '{"data":{"panic-window":"6s"}}'
patch config-autoscaler '{"data":{"panic-window-percentage":"20.0"}}'
patch config-autoscaler '{"data":{"allow-zero-initial-scale":"true","initial-scale":"0"}}'
patch config-autoscaler '{"data":{"revision-timeout-seconds":"240"}}'
patch config-defaults '{"data":{"revision-timeout-seconds":"240"}}'
patch config-defaults '{"data":{"revision-timeout-seconds":"1200"}}'
patch config-defaults '{"data":{"max-revision-timeout-seconds":"1800","revision-timeout-seconds":"1200"}}'
patch config-deployment '{"data":{"progress-deadline":"900s"}}'
patch config-deployment '{"data":{"queueSidecarCPURequest":"50m"}}'
patch config-features '{"data":{"kubernetes.podspec-nodeselector":"true"}}'
patch config-features '{"data":{"kubernetes.podspec-tolerations":"enabled"}}'
# keep free headroom in each pod: fill pods only to the brim we choose
patch config-autoscaler '{"data":{"container-concurrency-target-percentage":"100"}}'
# write the whole thing from our defaults file
kubectl -n $KS create cm config-autoscaler --from-literal=stable-window=90s --dry-run=client -o yaml | kubectl replace -f -

# --- image swap without touching the rest of the container
kubectl -n "$NS" patch ksvc "$SVC" --type merge -p "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"image\":\"$IMG\"}]}}}}"
kubectl -n "$NS" patch ksvc "$SVC" --type json -p "[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/image\",\"value\":\"$IMG\"}]"
kn service update "$SVC" -n "$NS" --traffic @latest=10 --traffic "$REV=90"
kn service update "$SVC" -n "$NS" --tag "$REV=stable"

# --- node work
kubectl cordon "$NODE"
kubectl drain "$NODE" --ignore-daemonsets --delete-local-data --timeout=10m
kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --timeout=10m

# --- activator metrics
kubectl -n $KS port-forward deploy/activator 9090:9090 &
sleep 2; curl -s localhost:9090/metrics | grep '^activator_request_concurrency'
curl -s localhost:9090/metrics | grep '^revision_request_count' || true
wait
