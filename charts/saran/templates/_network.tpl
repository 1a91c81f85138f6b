{{/*
Every edge between pods, once; the policies of both its ends are made from it. `ports` left out are all ports. Ends that are no
part of ours are described in saran.peers.
*/}}
{{- define "saran.edges" -}}
- {from: ingress, to: api, ports: [8000]}
- {from: ingress, to: dashboard, ports: [8501]}
- {from: dashboard, to: api, ports: [8000]}
- {from: test, to: api, ports: [8000]}
- {from: test, to: dashboard, ports: [8501]}
- {from: api, to: kafka, ports: [9093]}
- {from: api, to: postgresql, ports: [5432]}
- {from: api, to: store, ports: [9000]}
- {from: worker, to: kafka, ports: [9093]}
- {from: worker, to: postgresql, ports: [5432]}
- {from: producer, to: kafka, ports: [9093]}
- {from: producer, to: store, ports: [9000]}
- {from: streams, to: streams}
- {from: streams, to: kubernetes, ports: [443, 6443]}
- {from: streams, to: kafka, ports: [9093]}
- {from: streams, to: postgresql, ports: [5432]}
- {from: streams, to: store, ports: [9000]}
- {from: trainer, to: trainer}
- {from: trainer, to: kubernetes, ports: [443, 6443]}
- {from: trainer, to: postgresql, ports: [5432]}
- {from: trainer, to: store, ports: [9000]}
{{- range $_, $needs := .Files.Get "files/jobs.yaml" | fromYaml }}
{{- $part := $needs.values }}
{{- if (index $.Values $part).enabled }}
- {from: {{ $part }}, to: {{ $part }}}
- {from: {{ $part }}, to: kubernetes, ports: [443, 6443]}
- {from: {{ $part }}, to: store, ports: [9000]}
{{- if $needs.database }}
- {from: {{ $part }}, to: postgresql, ports: [5432]}
{{- end }}
{{- if $needs.kafka }}
- {from: {{ $part }}, to: kafka, ports: [9093]}
{{- end }}
{{- end }}
{{- end }}
- {from: secrets, to: kubernetes, ports: [443, 6443]}
{{- range $part, $_ := include "saran.backupParts" . | fromYaml }}
- {from: {{ $part }}, to: postgresql, ports: [5432]}
- {from: {{ $part }}, to: store, ports: [9000]}
{{- if $.Values.backup.external.enabled }}
- {from: {{ $part }}, to: backup-store}
{{- end }}
{{- end }}
{{- if .Values.history.enabled }}
- {from: history, to: store, ports: [9000]}
- {from: ingress, to: history, ports: [18080]}
{{- end }}
{{- if include "saran.mlflowUrl" . }}
- {from: trainer, to: mlflow, ports: [5000]}
{{- end }}
{{- if .Values.mlflow.enabled }}
- {from: mlflow, to: postgresql, ports: [5432]}
- {from: mlflow, to: store, ports: [9000]}
{{- if .Values.routes.mlflow }}
- {from: ingress, to: mlflow, ports: [5000]}
{{- end }}
{{- end }}
{{- if .Values.trino.enabled }}
- {from: sql, to: store, ports: [9000]}
- {from: dashboard, to: sql, ports: [8080]}
{{- if .Values.networkPolicies.sql }}
- {from: sql-clients, to: sql, ports: [8080]}
{{- end }}
{{- end }}
{{- if .Values.routes.sparkUI }}
- {from: ingress, to: streams, ports: [4040]}
{{- end }}
- {from: monitoring, to: api, ports: [8000]}
- {from: monitoring, to: worker, ports: [9109]}
- {from: monitoring, to: streams, ports: [9108]}
- {from: monitoring, to: producer, ports: [9110]}
{{- if eq .Values.kafka.mode "strimzi" }}
- {from: kafka, to: kafka}
- {from: kafka, to: kubernetes, ports: [443, 6443]}
- {from: operators, to: kafka}
- {from: monitoring, to: kafka, ports: [9404]}
{{- end }}
{{- if eq .Values.storage.mode "minio" }}
- {from: store, to: store}
- {from: store-setup, to: store, ports: [9000]}
- {from: store, to: kubernetes, ports: [443, 6443]}
- {from: store, to: operators}
- {from: operators, to: store}
- {from: ingress, to: store, ports: [9000, 9090]}
- {from: monitoring, to: store, ports: [9000]}
{{- end }}
{{- end }}

{{/* Ends of edges that are no part of ours: a `pods` selector of this namespace, or a list of peers. */}}
{{- define "saran.peers" -}}
{{- $network := .Values.networkPolicies -}}
kafka:
  {{- if eq .Values.kafka.mode "strimzi" }}
  pods: {strimzi.io/cluster: {{ .Release.Name }}}
  {{- else }}
  peers: {{ toJson $network.externalKafka }}
  ports: {{ toJson $network.externalKafkaPorts }}
  {{- end }}
store:
  {{- if eq .Values.storage.mode "minio" }}
  pods: {v1.min.io/tenant: {{ .Release.Name }}-store}
  {{- else }}
  peers: {{ toJson $network.externalStore }}
  ports: {{ toJson $network.externalStorePorts }}
  {{- end }}
{{- if not .Values.postgresql.enabled }}
postgresql:
  peers: {{ toJson $network.externalPostgresql }}
  ports: {{ toJson $network.externalPostgresqlPorts }}
{{- end }}
backup-store:
  peers: {{ toJson $network.externalBackup }}
  ports: {{ toJson $network.externalBackupPorts }}
{{- if not .Values.mlflow.enabled }}
mlflow:
  peers: {{ toJson $network.externalMlflow }}
  ports: {{ toJson $network.externalMlflowPorts }}
{{- end }}
kubernetes:
  peers: {{ toJson $network.kubernetes }}
ingress:
  peers: {{ toJson $network.ingress }}
monitoring:
  peers: {{ toJson $network.monitoring }}
operators:
  peers: {{ toJson $network.operators }}
sql-clients:
  peers: {{ toJson $network.sql }}
{{- end }}

{{/* The rules of a policy: takes root, peers, edges, own (name of the end), side and other (from and to, or to and from). */}}
{{- define "saran.rules" -}}
{{- $rules := list -}}
{{- range $edge := .edges -}}
{{- if eq (index $edge $.side) $.own -}}
{{- $name := index $edge $.other -}}
{{- $other := index $.peers $name | default dict -}}
{{- $pods := $other.pods | default (include "saran.selector" (dict "root" $.root "part" $name) | fromYaml) -}}
{{- $peers := $other.peers | default (list (dict "podSelector" (dict "matchLabels" $pods))) -}}
{{- $rule := dict $.other $peers -}}
{{- $ports := list -}}
{{- range $other.ports | default $edge.ports }}{{ $ports = append $ports (dict "protocol" "TCP" "port" .) }}{{ end -}}
{{- if $ports }}{{ $_ := set $rule "ports" $ports }}{{ end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{ toYaml $rules }}
{{- end }}
