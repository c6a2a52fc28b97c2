{{- define "vitrine.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if eq .Values.models.from "volume" }}
- name: models
  mountPath: /srv/model_store
  readOnly: true
  {{- with .Values.models.volume.subPath }}
  subPath: {{ . | quote }}
  {{- end }}
{{- else if eq .Values.models.from "oci" }}
- name: models
  mountPath: /srv/model_store
  readOnly: true
{{- else if eq .Values.models.from "remote" }}
- name: models
  mountPath: /var/cache/vitrine
{{- end }}
{{- if or .Values.access.apiKeys.secret .Values.access.urlKey.secret .Values.access.adminKey.secret }}
- name: access
  mountPath: /etc/vitrine/access
  readOnly: true
{{- end }}
{{- end }}

{{- define "vitrine.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmpSize | quote }}
{{- if eq .Values.models.from "volume" }}
- name: models
  persistentVolumeClaim:
    claimName: {{ .Values.models.volume.claim | quote }}
    readOnly: true
{{- else if eq .Values.models.from "oci" }}
- name: models
  image:
    reference: {{ .Values.models.oci.reference | quote }}
    pullPolicy: {{ .Values.models.oci.pullPolicy }}
{{- else if eq .Values.models.from "remote" }}
- name: models
  emptyDir:
    sizeLimit: {{ .Values.models.remote.cacheSize | quote }}
{{- end }}
{{- if or .Values.access.apiKeys.secret .Values.access.urlKey.secret .Values.access.adminKey.secret }}
- name: access
  projected:
    defaultMode: 0444
    sources:
      {{- with .Values.access.apiKeys }}
      {{- if .secret }}
      - secret:
          name: {{ .secret | quote }}
          items:
            - key: {{ .key | quote }}
              path: api-keys
      {{- end }}
      {{- end }}
      {{- with .Values.access.urlKey }}
      {{- if .secret }}
      - secret:
          name: {{ .secret | quote }}
          items:
            - key: {{ .key | quote }}
              path: url-key
      {{- end }}
      {{- end }}
      {{- with .Values.access.adminKey }}
      {{- if .secret }}
      - secret:
          name: {{ .secret | quote }}
          items:
            - key: {{ .key | quote }}
              path: admin-key
      {{- end }}
      {{- end }}
{{- end }}
{{- end }}
