{{/* Where backups are, and how their store is reached when it is another than the platform's. Takes root. */}}
{{- define "saran.backupEnvironment" -}}
{{- $backup := .root.Values.backup -}}
{{- $external := $backup.external -}}
{{- $bucket := $backup.bucket -}}
{{- if not $external.enabled }}{{ $bucket = print .root.Values.storage.bucketPrefix $bucket }}{{ end -}}
- {name: SARAN_BACKUP__LOCATION, value: "s3://{{ $bucket }}{{ with $backup.prefix }}/{{ . }}{{ end }}"}
- {name: SARAN_BACKUP__KEEP, value: {{ $backup.keep | quote }}}
{{- if $external.enabled }}
- {name: SARAN_BACKUP__S3__ENDPOINT, value: {{ $external.endpoint | quote }}}
- {name: SARAN_BACKUP__S3__REGION, value: {{ $external.region | quote }}}
- {name: SARAN_BACKUP__S3__PATH_STYLE, value: {{ $external.pathStyle | quote }}}
{{- if $external.caConfigMap }}
- {name: SARAN_BACKUP__S3__CA_FILE, value: /etc/saran/backup/store.crt}
{{- end }}
{{- with $external.existingSecret }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: BACKUP_{{ . }}
  valueFrom: {secretKeyRef: {name: {{ $external.existingSecret }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What saran.job takes for a part that reads or writes backups. Takes root, part (backup or restore) and arguments. */}}
{{- define "saran.backupJob" -}}
{{- $part := dict "root" .root "part" .part "image" "spark" "user" 185 "database" true "store" true -}}
{{- $job := dict "command" (concat (list "python" "-m" "saran.spark") .arguments) "resources" .root.Values.backup.resources
    "env" (print (include "saran.environment" $part) "\n" (include "saran.backupEnvironment" $part)) -}}
{{- with .root.Values.backup.external }}
{{- if and .enabled .caConfigMap }}
{{- $_ := set $job "extraMounts" (list (dict "name" "backup-trust" "mountPath" "/etc/saran/backup" "readOnly" true)) }}
{{- $items := list (dict "key" "ca.crt" "path" "store.crt") }}
{{- $_ := set $job "extraVolumes" (list (dict "name" "backup-trust" "configMap" (dict "name" .caConfigMap "items" $items))) }}
{{- end }}
{{- end -}}
{{ toYaml (omit (merge $job $part) "root") }}
{{- end }}

{{/* Whether backups are in the platform's own store, which is ours to set up. */}}
{{- define "saran.backupBucket" -}}
{{- if and (or .Values.backup.enabled .Values.restore.from) (not .Values.backup.external.enabled) }}true{{ end -}}
{{- end }}

{{/* The parts that are there now. */}}
{{- define "saran.backupParts" -}}
{{- if .Values.backup.enabled }}
backup: true
{{- end }}
{{- if .Values.restore.from }}
restore: true
{{- end }}
{{- end }}
