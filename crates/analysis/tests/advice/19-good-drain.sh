#!/bin/sh
# Restart a deployment under load and count failures.
set -eu
NS=shop
fortio load -c 50 -qps 500 -t 120s -json result.json "http://web.$NS:8080/" &
kubectl rollout restart deployment/web -n "$NS"
kubectl rollout status deployment/web -n "$NS" --timeout=180s
kubectl get events -n "$NS" --sort-by=.lastTimestamp | tail -20
kubectl logs -n "$NS" -l app=web -c istio-proxy --since=5m | grep ' 503 '
kubectl logs -n "$NS" -l app=web -c istio-proxy --since=5m | grep -E 'UC|UF|UH'
hey -z 30s -c 20 -q 50 "http://web.$NS:8080/healthz"
curl -sS -o /dev/null -w '%{http_code} %{time_total}\n' --max-time 10 "http://web.$NS:8080/"
curl -s localhost:15000/clusters | grep health_flags
curl -s localhost:15021/healthz/ready
curl -X POST localhost:15020/quitquitquit
kubectl apply -f - <<YAML
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 3
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
        sidecar.istio.io/inject: "true"
      annotations:
        proxy.istio.io/config: |
          holdApplicationUntilProxyStarts: true
          terminationDrainDuration: 30s
        traffic.sidecar.istio.io/excludeOutboundPorts: "3306"
    spec:
      terminationGracePeriodSeconds: 60
      containers:
      - name: web
        image: registry.example.com/web:1
        ports:
        - containerPort: 8080
        lifecycle:
          preStop:
            exec:
              command: ["sleep", "5"]
YAML
