{{/*
Security of the pods that Strimzi makes, which by itself gives them none that the restricted standard takes. Takes the names of the
template's containers; ends with the pod, so that more can be said of it.
*/}}
{{- define "saran.strimziTemplate" -}}
{{- range . }}
{{ . }}:
  securityContext:
    runAsNonRoot: true
    allowPrivilegeEscalation: false
    capabilities: {drop: [ALL]}
    seccompProfile: {type: RuntimeDefault}
{{- end }}
pod:
  securityContext: {runAsNonRoot: true, fsGroup: 0, seccompProfile: {type: RuntimeDefault}}
{{- end }}

{{/* Topics and their configuration, as saran.core.topics.topic_configs gives them; a test holds them together. */}}
{{- define "saran.topics" -}}
{{- $kept := dict "cleanup.policy" "delete" "retention.ms" (mul .Values.kafka.retentionHours 3600000) -}}
{{- $compacted := dict "cleanup.policy" "compact" -}}
{{- dict "events" $kept "events.dlq" $kept "catalog" $compacted "users" $compacted
    "requests" (dict "cleanup.policy" "delete" "retention.ms" -1) | toYaml -}}
{{- end }}

{{/* Who may do what: a user for each part, with operations on topics and on consumer groups (a name that ends in * is a prefix). */}}
{{- define "saran.kafkaUsers" -}}
producer:
  topics:
    events: [Write, Describe]
    catalog: [Write, Read, Describe]
    users: [Describe]
    requests: [Describe]
    events.dlq: [Describe]
  groups:
    saran-simulate: [Read]
streams:
  topics:
    events: [Read, Describe]
    catalog: [Read, Describe]
    users: [Read, Describe]
    requests: [Read, Describe]
    events.dlq: [Write, Describe]
  groups:
    saran-ingest*: [Read]
{{- if .Values.maintenance.enabled }}
maintenance:
  topics:
    requests: [Write, Describe]
  groups: {}
{{- end }}
worker:
  topics:
    events: [Read, Describe]
    users: [Read, Describe]
    requests: [Read, Describe]
  groups:
    saran-online: [Read]
api:
  topics:
    events: [Write, Describe]
    catalog: [Write, Describe]
    users: [Write, Describe]
    requests: [Write, Describe]
  groups:
    saran-ingest: [Describe]
    saran-online: [Describe]
{{- end }}
