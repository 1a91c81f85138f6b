{{/*
A Deployment of one container, and its ServiceAccount. Takes root, part, image, values (the part's own in values.yaml), command,
port, ready and live (paths), and what saran.environment takes; also env (YAML), and pseudonyms: whether it needs the key of users' pseudonyms.
*/}}
{{- define "saran.deployment" -}}
{{- $values := .values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "saran.metadata" . | nindent 2 }}
spec:
  {{- if not (dig "autoscaling" "enabled" false $values) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      {{- include "saran.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "saran.podLabels" . | nindent 8 }}
    spec:
      {{- include "saran.pod" . | nindent 6 }}
      terminationGracePeriodSeconds: 40
      {{- if gt (int $values.replicas) 1 }}
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "saran.selector" $ | nindent 14 }}
        {{- end }}
      {{- end }}
      containers:
        - {{- include "saran.container" . | nindent 10 }}
          command: {{ .command | toJson }}
          env:
            {{- include "saran.environment" . | nindent 12 }}
            {{- with .env }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- if and (include "saran.storeAuthority" .root) (eq .image "spark") }}
            - {name: SARAN_CA_FILE, value: /etc/saran/trust/store/ca.crt}
            {{- end }}
          ports:
            - {name: {{ .portName | default "http" }}, containerPort: {{ .port }}}
          startupProbe:
            httpGet: {path: {{ .live }}, port: {{ .port }}}
            periodSeconds: 2
            failureThreshold: 150
          readinessProbe:
            httpGet: {path: {{ .ready }}, port: {{ .port }}}
            periodSeconds: 5
            timeoutSeconds: 5
          livenessProbe:
            httpGet: {path: {{ .live }}, port: {{ .port }}}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          lifecycle:
            # Until every proxy knows that the pod goes, requests still arrive.
            preStop: {sleep: {seconds: 5}}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            {{- include "saran.mounts" . | nindent 12 }}
            {{- if .pseudonyms }}
            {{- include "saran.pseudonymMount" . | nindent 12 }}
            {{- end }}
      volumes:
        {{- include "saran.volumes" . | nindent 8 }}
        {{- if .pseudonyms }}
        {{- include "saran.pseudonymVolume" . | nindent 8 }}
        {{- end }}
{{ include "saran.account" . }}
{{- if dig "disruptionBudget" false $values }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "saran.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "saran.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* A pod's ServiceAccount. With `token`, its pods get one unless they say otherwise: Spark's cannot say so. */}}
{{- define "saran.account" -}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "saran.metadata" . | nindent 2 }}
automountServiceAccountToken: {{ .token | default false }}
{{- end }}

{{/* A Service of port 80 in front of a Deployment's port. */}}
{{- define "saran.service" -}}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "saran.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "saran.selector" . | nindent 4 }}
  ports:
    - {name: http, port: 80, targetPort: http}
{{- end }}
