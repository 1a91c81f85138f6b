{{/*
A Job of one container that is tried again until it succeeds. Its name ends with a hash of all that it does: a changed Job is a new
one (a Job cannot be changed), an unchanged one does not run again. Takes root, part, image, command, resources; also name (the
part's), env (YAML), ports (a list), files (of this chart, mounted at /etc/saran/job with `data`), init (containers, YAML), and
extraMounts and extraVolumes (lists).
*/}}
{{- define "saran.job" -}}
{{- $spec := include "saran.jobSpec" . -}}
{{- $files := include "saran.jobFiles" . -}}
{{- if $files }}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "saran.metadata" . | nindent 2 }}
data:
  {{- $files | nindent 2 }}
---
{{- end }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .root.Release.Name }}-{{ .name | default .part }}-{{ print $spec $files | sha256sum | trunc 10 }}
  labels:
    {{- include "saran.labels" . | nindent 4 }}
spec:
  {{- $spec | nindent 2 }}
{{- end }}

{{- define "saran.jobFiles" -}}
{{- range .files }}
{{ base . }}: |
  {{- $.root.Files.Get . | nindent 2 }}
{{- end }}
{{- range $name, $value := .data }}
{{ $name }}: {{ toJson $value | quote }}
{{- end }}
{{- end }}

{{- define "saran.jobSpec" -}}
backoffLimit: 20
template:
  metadata:
    labels:
      {{- include "saran.podLabels" . | nindent 6 }}
  spec:
    {{- include "saran.pod" . | nindent 4 }}
    restartPolicy: OnFailure
    {{- with .init }}
    initContainers:
      {{- . | nindent 6 }}
    {{- end }}
    containers:
      - {{- include "saran.container" (omit . "name") | nindent 8 }}
        command: {{ .command | toJson }}
        {{- with .env }}
        env:
          {{- . | nindent 10 }}
        {{- end }}
        {{- with .ports }}
        ports: {{ toJson . }}
        {{- end }}
        resources:
          {{- toYaml .resources | nindent 10 }}
        volumeMounts:
          {{- include "saran.mounts" . | nindent 10 }}
          {{- if .files }}
          - {name: job, mountPath: /etc/saran/job, readOnly: true}
          {{- end }}
          {{- with .extraMounts }}
          {{- toYaml . | nindent 10 }}
          {{- end }}
    volumes:
      {{- include "saran.volumes" . | nindent 6 }}
      {{- if .files }}
      - name: job
        configMap: {name: {{ .root.Release.Name }}-{{ .name | default .part }}}
      {{- end }}
      {{- with .extraVolumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
{{- end }}

{{/* Keys of the API that are made at first, and what each allows: for the dashboard, for you, and for Prometheus. */}}
{{- define "saran.apiKeys" -}}
client: read,events
dashboard: read,events
metrics: read
operator: admin
{{- end }}

{{/* Secrets that the platform makes for itself when they are absent. Values are templates of Python's str.format. */}}
{{- define "saran.generatedSecrets" -}}
{{- $release := .Release.Name -}}
{{- if not .Values.postgresql.existingSecret }}
- name: {{ $release }}-database
  data:
    username: saran
    password: "{random}"
    url: "postgresql://saran:{password}@{{ $release }}-postgresql:5432/saran"
{{- end }}
{{- if not .Values.api.keysSecret }}
- name: {{ $release }}-api-keys
  data:
    {{- $lines := list }}
    {{- range $name, $scopes := include "saran.apiKeys" . | fromYaml }}
    {{ $name }}: "{random}"
    {{- $lines = append $lines (printf "%s {%s:sha256} %s" $name $name $scopes) }}
    {{- end }}
    keys: {{ join "\n" $lines | toJson }}
{{- end }}
- name: {{ $release }}-pseudonym
  data:
    pseudonym.key: "{key}"
{{- if eq .Values.storage.mode "minio" }}
- name: {{ $release }}-store-root
  data:
    username: saran-root
    password: "{random}"
    config.env: |
      export MINIO_ROOT_USER="{username}"
      export MINIO_ROOT_PASSWORD="{password}"
{{- range $part, $_ := include "saran.storeRights" . | fromYaml }}
- name: {{ $release }}-store-{{ $part }}
  data:
    AWS_ACCESS_KEY_ID: {{ $part }}
    AWS_SECRET_ACCESS_KEY: "{random}"
{{- end }}
{{- end }}
{{- end }}

{{/* The container that puts a data set's files into the volume `data` before they are loaded. */}}
{{- define "saran.filesContainer" -}}
- {{- include "saran.container" (merge (dict "name" "files") .) | nindent 2 }}
  command: {{ .command | toJson }}
  env:
    {{- .env | nindent 4 }}
  resources:
    {{- toYaml .root.Values.producer.resources | nindent 4 }}
  volumeMounts:
    {{- include "saran.mounts" . | nindent 4 }}
    - {name: data, mountPath: /var/lib/saran-data}
    {{- if .job }}
    - {name: job, mountPath: /etc/saran/job, readOnly: true}
    {{- end }}
{{- end }}
