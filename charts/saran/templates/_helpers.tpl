{{/* Most templates take a dict: root (the chart's context) and part (the name of the part). */}}

{{- define "saran.labels" -}}
{{ include "saran.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Labels of pods, and of resources whose labels an operator hands on to pods: none changes with the chart's version. */}}
{{- define "saran.podLabels" -}}
{{ include "saran.selector" . }}
app.kubernetes.io/part-of: saran
{{- end }}

{{- define "saran.selector" -}}
app.kubernetes.io/name: saran
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "saran.metadata" -}}
name: {{ .root.Release.Name }}-{{ .name | default .part }}
labels:
  {{- include "saran.labels" . | nindent 2 }}
{{- end }}

{{/* Strimzi's resources name their cluster by a label. */}}
{{- define "saran.kafkaMetadata" -}}
name: {{ .name }}
labels:
  {{- include "saran.podLabels" (dict "root" .root "part" "kafka") | nindent 2 }}
  strimzi.io/cluster: {{ .root.Release.Name }}
annotations:
  helm.sh/resource-policy: keep
{{- end }}

{{/* Also takes `image`, a key of .Values.images. */}}
{{- define "saran.image" -}}
{{- $image := index .root.Values.images .image -}}
{{- $tag := $image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- with .root.Values.image.registry }}{{ . }}/{{ end -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "saran.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "saran.podSecurity" -}}
{{- $id := . -}}
runAsNonRoot: true
runAsUser: {{ $id }}
runAsGroup: {{ $id }}
fsGroup: {{ $id }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What every pod of ours begins with. Also takes `user` (10001) and `token`, true where the pod asks the API server. */}}
{{- define "saran.pod" -}}
serviceAccountName: {{ .root.Release.Name }}-{{ .account | default .part }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
securityContext:
  {{- include "saran.podSecurity" (.user | default 10001) | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What every container of ours begins with: name, image, security. Also takes `image` and `name`. */}}
{{- define "saran.container" -}}
name: {{ .name | default .part }}
image: {{ include "saran.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- include "saran.containerSecurity" . | nindent 2 }}
{{- end }}

{{/* Scratch space of a pod with a read-only root, and the CA bundles. */}}
{{- define "saran.volumes" -}}
- name: tmp
  emptyDir: {}
- name: home
  emptyDir: {}
{{- if .keys }}
- name: keys
  secret:
    secretName: {{ include "saran.apiKeysSecret" .root }}
    items: [{key: keys, path: keys}]
{{- end }}
{{- with include "saran.kafkaAuthority" .root }}
{{- /* All of it: while an authority is replaced, the old one's certificate lies beside the new one's. */}}
- name: kafka-authority
  secret: {secretName: {{ . }}}
{{- end }}
{{- with include "saran.storeAuthority" .root }}
- name: store-authority
  configMap:
    name: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}

{{- define "saran.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: {{ include "saran.home" . }}}
{{- if .keys }}
- {name: keys, mountPath: /etc/saran/keys, readOnly: true}
{{- end }}
{{- if include "saran.kafkaAuthority" .root }}
- {name: kafka-authority, mountPath: /etc/saran/trust/kafka, readOnly: true}
{{- end }}
{{- if include "saran.storeAuthority" .root }}
- {name: store-authority, mountPath: /etc/saran/trust/store, readOnly: true}
{{- end }}
{{- end }}

{{/* The key of users' pseudonyms, for who trains on them and who erases them. */}}
{{- define "saran.pseudonymVolume" -}}
- name: pseudonyms
  secret: {secretName: {{ .root.Release.Name }}-pseudonym, defaultMode: 0440}
{{- end }}

{{- define "saran.pseudonymMount" -}}
- {name: pseudonyms, mountPath: {{ include "saran.home" . }}/secrets, readOnly: true}
{{- end }}

{{- define "saran.home" -}}/var/lib/saran{{- end }}

{{/* Secret with the CA of Kafka, empty where connections are not encrypted or the CA is a public one. */}}
{{- define "saran.kafkaAuthority" -}}
{{- if eq .Values.kafka.mode "strimzi" }}{{ if .Values.kafka.tls }}{{ .Release.Name }}-cluster-ca-cert{{ end }}
{{- else }}{{ .Values.kafka.external.caSecret }}{{ end -}}
{{- end }}

{{/* ConfigMap with the CA of the object store, likewise. An operator's tenant has its certificate from the cluster's CA. */}}
{{- define "saran.storeAuthority" -}}
{{- if eq .Values.storage.mode "minio" }}{{ if .Values.storage.minio.tls }}kube-root-ca.crt{{ end }}
{{- else }}{{ .Values.storage.external.caConfigMap }}{{ end -}}
{{- end }}

{{- define "saran.kafkaBootstrap" -}}
{{- if eq .Values.kafka.mode "strimzi" }}{{ .Release.Name }}-kafka-bootstrap:9093{{ else }}{{ .Values.kafka.external.bootstrap }}{{ end -}}
{{- end }}

{{- define "saran.storeEndpoint" -}}
{{- if eq .Values.storage.mode "external" }}{{ .Values.storage.external.endpoint }}
{{- else if .Values.storage.minio.tls }}https://minio.{{ .Release.Namespace }}.svc
{{- else }}http://minio.{{ .Release.Namespace }}.svc{{ end -}}
{{- end }}

{{/* Where trainings register versions; empty where they do not. */}}
{{- define "saran.mlflowUrl" -}}
{{- if .Values.mlflow.enabled }}http://{{ .Release.Name }}-mlflow{{ else }}{{ .Values.mlflow.url }}{{ end -}}
{{- end }}

{{/* Secret of the API's keys: `keys` has their hashes, and each of saran.apiKeys is there as it is. */}}
{{- define "saran.apiKeysSecret" -}}
{{- .Values.api.keysSecret | default (printf "%s-api-keys" .Release.Name) -}}
{{- end }}

{{/* Secret of the database, with keys `url` and, for our own server, `password`. */}}
{{- define "saran.databaseSecret" -}}
{{- .Values.postgresql.existingSecret | default (printf "%s-database" .Release.Name) -}}
{{- end }}

{{- define "saran.url" -}}
{{- $routes := .root.Values.routes -}}
{{ if $routes.tls.enabled }}https{{ else }}http{{ end }}://{{ .host }}.{{ $routes.domain }}{{ with $routes.publicPort }}:{{ . }}{{ end }}
{{- end }}

{{/*
The environment of a part: Saran's settings (saran.core.settings), and secrets by reference.
Also takes kafka, database and store: whether the part may use each. Kafka's user and the store's are the part's own. With `keys` it
checks the API's keys, with `key` it sends the one of that name; with `mlflow` it registers what it trains; with `sql` it asks Trino.
*/}}
{{- define "saran.environment" -}}
{{- $values := .root.Values -}}
{{- $release := .root.Release.Name -}}
- {name: SARAN_MODE, value: cluster}
- {name: SARAN_HOME, value: {{ include "saran.home" . }}}
- {name: HOME, value: /tmp}
- {name: SARAN_DATASET, value: {{ $values.dataset.name | quote }}}
- {name: SARAN_API_URL, value: "http://{{ $release }}-api"}
- {name: SARAN_API_PUBLIC_URL, value: {{ include "saran.url" (dict "root" .root "host" "api") | quote }}}
{{- if .keys }}
- {name: SARAN_API_KEYS, value: /etc/saran/keys/keys}
{{- end }}
{{- with .key }}
- name: SARAN_API_KEY
  valueFrom: {secretKeyRef: {name: {{ include "saran.apiKeysSecret" $.root }}, key: {{ . }}}}
{{- end }}
{{- if .sql }}
- {name: SARAN_TRINO_URL, value: "http://{{ $release }}-sql"}
{{- end }}
{{- if .kafka }}
- {name: SARAN_KAFKA__BOOTSTRAP, value: {{ include "saran.kafkaBootstrap" .root | quote }}}
- {name: SARAN_KAFKA__PARTITIONS, value: {{ $values.kafka.partitions | quote }}}
- {name: SARAN_KAFKA__RETENTION_HOURS, value: {{ $values.kafka.retentionHours | quote }}}
{{- if eq $values.kafka.mode "strimzi" }}
- {name: SARAN_KAFKA__SECURITY_PROTOCOL, value: {{ ternary "SASL_SSL" "SASL_PLAINTEXT" $values.kafka.tls }}}
- {name: SARAN_KAFKA__SASL_MECHANISM, value: SCRAM-SHA-512}
- {name: SARAN_KAFKA__USERNAME, value: {{ $release }}-kafka-{{ .part }}}
- name: SARAN_KAFKA__PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $release }}-kafka-{{ .part }}, key: password}}
{{- else }}
- {name: SARAN_KAFKA__OWN_TOPICS, value: {{ $values.kafka.external.ownTopics | quote }}}
- {name: SARAN_KAFKA__SECURITY_PROTOCOL, value: {{ $values.kafka.external.securityProtocol }}}
{{- with $values.kafka.external.existingSecret }}
- {name: SARAN_KAFKA__SASL_MECHANISM, value: {{ $values.kafka.external.saslMechanism }}}
- name: SARAN_KAFKA__USERNAME
  valueFrom: {secretKeyRef: {name: {{ . }}, key: username}}
- name: SARAN_KAFKA__PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
{{- end }}
{{- end }}
{{- if include "saran.kafkaAuthority" .root }}
- {name: SARAN_KAFKA__CA_FILE, value: /etc/saran/trust/kafka}
{{- end }}
{{- end }}
{{- if .database }}
- name: SARAN_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ include "saran.databaseSecret" .root }}, key: url}}
{{- end }}
{{- if .store }}
{{- include "saran.storeEnvironment" . | nindent 0 }}
{{- end }}
{{- if .mlflow }}
{{- with include "saran.mlflowUrl" .root }}
- {name: SARAN_MLFLOW__URL, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- range $name, $value := $values.settings }}
- {name: {{ $name }}, value: {{ include "saran.text" $value | quote }}}
{{- end }}
{{- end }}

{{- define "saran.storeEnvironment" -}}
{{- $storage := .root.Values.storage -}}
{{- with include "saran.storeEndpoint" .root }}
- {name: SARAN_S3__ENDPOINT, value: {{ . | quote }}}
{{- else }}
- {name: SARAN_STORAGE, value: "s3://"}
{{- end }}
- {name: SARAN_S3__REGION, value: {{ $storage.region | quote }}}
- {name: SARAN_S3__PATH_STYLE, value: {{ $storage.pathStyle | quote }}}
{{- with $storage.bucketPrefix }}
- {name: SARAN_S3__BUCKET_PREFIX, value: {{ . | quote }}}
{{- end }}
{{- if include "saran.storeAuthority" .root }}
- {name: SARAN_S3__CA_FILE, value: /etc/saran/trust/store/ca.crt}
{{- end }}
{{- $secret := printf "%s-store-%s" .root.Release.Name .part }}
{{- if eq $storage.mode "external" }}{{ $secret = $storage.external.existingSecret }}{{ end }}
{{- if $secret }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* A number or a text as a text. Helm reads whole numbers of a file as floats, and would write 1e+06. */}}
{{- define "saran.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end }}
