{{/* Users of our own object store: what each may do with which bucket. `upload` is for people: saran upload. */}}
{{- define "saran.storeRights" -}}
{{- /* It moves champions where a person asks, and writes nothing else of models. */}}
api: {lakehouse: read, models: read, movies: read, models/*/champion: put, models/*/champions.json: put}
{{- if .Values.history.enabled }}
history: {checkpoints: read}
{{- end }}
{{- if .Values.mlflow.enabled }}
mlflow: {mlflow: write}
{{- end }}
producer: {movies: read}
{{- if .Values.backup.enabled }}
backup: {lakehouse: read, checkpoints: read, models: read{{ if include "saran.backupBucket" . }}, {{ .Values.backup.bucket }}: write{{ end }}}
{{- end }}
{{- if .Values.restore.from }}
restore: {lakehouse: write, checkpoints: write, models: write{{ if include "saran.backupBucket" . }}, {{ .Values.backup.bucket }}: read{{ end }}}
{{- end }}
{{- if .Values.trino.enabled }}
sql: {lakehouse: read}
{{- end }}
{{- if .Values.maintenance.enabled }}
maintenance: {lakehouse: write, models: read}
{{- end }}
{{- if .Values.features.enabled }}
features: {lakehouse: write, checkpoints: write}
{{- end }}
{{- if .Values.evaluation.enabled }}
evaluation: {lakehouse: read, models: write}
{{- end }}
{{- /* What models name is kept of tables. */}}
streams: {lakehouse: write, checkpoints: write, models: read}
trainer: {lakehouse: write, checkpoints: write, models: write}
upload: {movies: write}
{{- end }}

{{- define "saran.storeRoot" -}}
{{- range $variable, $key := dict "MINIO_ROOT_USER" "username" "MINIO_ROOT_PASSWORD" "password" }}
- name: {{ $variable }}
  valueFrom: {secretKeyRef: {name: {{ $.Release.Name }}-store-root, key: {{ $key }}}}
{{- end }}
{{- end }}

{{/* Whether the tenant gets a route: one that speaks TLS needs what Ingress cannot say, a CA for the way from controller to store. */}}
{{- define "saran.storeRoute" -}}
{{- if and .Values.routes.enabled (eq .Values.storage.mode "minio") (not .Values.storage.minio.tls) }}true{{ end -}}
{{- end }}
