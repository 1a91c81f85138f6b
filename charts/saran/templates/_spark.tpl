{{/*
The spec of a SparkApplication. Takes root, part, values, main (a file of the image), restart (YAML), and what saran.environment
takes; also metricsPort, and pseudonyms: whether the job needs the key of users' pseudonyms.
*/}}
{{- define "saran.sparkSpec" -}}
{{- $values := .values -}}
{{- $spark := .root.Values.spark -}}
type: Python
pythonVersion: "3"
mode: cluster
image: {{ include "saran.image" (merge (dict "image" "spark") .) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
sparkVersion: {{ $spark.version }}
mainApplicationFile: local:///opt/saran/jobs/{{ .main }}
{{- with $values.arguments }}
arguments: {{ toJson . }}
{{- end }}
restartPolicy:
  {{- .restart | nindent 2 }}
{{- $conf := dict }}
{{- if not $spark.operator.grantNetworkPolicies }}
{{- $_ := set $conf "spark.kubernetes.driver.pod.excludedFeatureSteps" "org.apache.spark.deploy.k8s.features.NetworkPolicyFeatureStep" }}
{{- end }}
{{- with merge (dict) $values.conf $spark.conf $conf }}
sparkConf:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  {{- include "saran.volumes" . | nindent 2 }}
  {{- if .pseudonyms }}
  {{- include "saran.pseudonymVolume" . | nindent 2 }}
  {{- end }}
driver:
  {{- include "saran.sparkPod" (merge (dict "role" "driver" "pod" $values.driver) .) | nindent 2 }}
  {{- with .metricsPort }}
  ports:
    - {name: metrics, containerPort: {{ . }}, protocol: TCP}
  {{- end }}
executor:
  instances: {{ $values.executor.instances }}
  {{- include "saran.sparkPod" (merge (dict "role" "executor" "pod" $values.executor) .) | nindent 2 }}
{{- end }}

{{/* A job that runs by a schedule: what saran.sparkSpec takes but for restart; and `when`, with schedule, suspend and retries. */}}
{{- define "saran.scheduledSpark" -}}
apiVersion: sparkoperator.k8s.io/v1beta2
kind: ScheduledSparkApplication
metadata:
  {{- include "saran.metadata" . | nindent 2 }}
spec:
  schedule: {{ .when.schedule | quote }}
  suspend: {{ .when.suspend }}
  # A table has one writer.
  concurrencyPolicy: Forbid
  successfulRunHistoryLimit: 1
  failedRunHistoryLimit: 3
  template:
    {{- $restart := dict "type" "OnFailure" "onFailureRetries" .when.retries "onFailureRetryInterval" 30 "onSubmissionFailureRetries" .when.retries "onSubmissionFailureRetryInterval" 30 }}
    {{- include "saran.sparkSpec" (merge (dict "restart" (toYaml $restart)) .) | nindent 4 }}
{{- end }}

{{/* A driver or an executor. Spark sets the memory limit to the request, which is memory and overhead together. */}}
{{- define "saran.sparkPod" -}}
cores: {{ .pod.cores }}
coreRequest: {{ .pod.coreRequest | quote }}
{{- with .pod.coreLimit }}
coreLimit: {{ . | quote }}
{{- end }}
memory: {{ .pod.memory }}
memoryOverhead: {{ .pod.memoryOverhead }}
serviceAccount: {{ .root.Release.Name }}-spark-{{ .role }}
labels:
  {{- include "saran.podLabels" . | nindent 2 }}
env:
  {{- include "saran.environment" (ternary (omit . "kafka" "database") . (eq .role "executor")) | nindent 2 }}
  {{- with .values.batchRecords }}
  - {name: SARAN_SPARK__MAX_OFFSETS_PER_BATCH, value: {{ int64 . | quote }}}
  {{- end }}
  {{- if .root.Values.history.enabled }}
  - {name: SARAN_SPARK__EVENT_LOGS, value: "true"}
  {{- end }}
  {{- if include "saran.storeAuthority" .root }}
  # Read by the image's entry point, for Java.
  - {name: SARAN_CA_FILE, value: /etc/saran/trust/store/ca.crt}
  {{- end }}
volumeMounts:
  {{- include "saran.mounts" . | nindent 2 }}
  {{- if and .pseudonyms (eq .role "driver") }}
  {{- include "saran.pseudonymMount" . | nindent 2 }}
  {{- end }}
podSecurityContext:
  {{- include "saran.podSecurity" 185 | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 185
  runAsGroup: 185
  {{- include "saran.containerSecurity" . | nindent 2 }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}
