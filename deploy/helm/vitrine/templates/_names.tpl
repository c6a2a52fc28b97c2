{{- define "vitrine.name" -}}
{{ default .Release.Name .Values.name }}
{{- end }}

{{- define "vitrine.selector" -}}
app.kubernetes.io/name: vitrine
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vitrine.labels" -}}
{{ include "vitrine.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "vitrine.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}
{{- end }}

{{- define "vitrine.settings" -}}
VITRINE_GRACEFUL_SECONDS: {{ .Values.stop.gracefulSeconds | quote }}
VITRINE_DRAIN_SECONDS: {{ .Values.stop.drainSeconds | quote }}
{{- if eq .Values.models.from "remote" }}
VITRINE_MODEL_STORE: {{ .Values.models.remote.url | quote }}
VITRINE_STORE_CACHE: /var/cache/vitrine
{{- end }}
{{- if .Values.access.apiKeys.secret }}
VITRINE_API_KEYS: /etc/vitrine/access/api-keys
{{- end }}
{{- if .Values.access.urlKey.secret }}
VITRINE_URL_KEY: /etc/vitrine/access/url-key
{{- end }}
{{- if .Values.access.adminKey.secret }}
VITRINE_ADMIN_KEY: /etc/vitrine/access/admin-key
{{- end }}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
