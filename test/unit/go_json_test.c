/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals of changes that show Go's internal types; what is wanted is what a real API server said. */
#include "kube/kinds/go_json.h"

#include "kube/decode.h"
#include "kube/defaults.h"
#include "lib/t.h"

#define META                                                                                         \
	"\"metadata\":{\"name\":\"a\",\"namespace\":\"ns\",\"uid\":\"u\",\"resourceVersion\":\"1\"," \
	"\"creationTimestamp\":\"2020-01-01T00:00:00Z\"}"
#define CLUSTER_META                                                            \
	"\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"1\"," \
	"\"creationTimestamp\":\"2020-01-01T00:00:00Z\"}"

static sp_code load(sp_kind_ctx *c, const char *json, yyjson_mut_val **ret)
{
	SP_TRY(sp_decode_json(T_ARENA, c->kind->schema, sp_str_c(json), c->doc, NULL, ret, T_ERR));
	SP_TRY(sp_default(c->doc, c->kind->schema, *ret, T_ERR));
	return sp_kind_defaults(c, *ret);
}

/* The errors of an update, as one text. */
static sp_code update(const char *group, const char *kind, const char *old_json, const char *json,
		      sp_str *ret)
{
	sp_violations errors;
	yyjson_mut_val *old = NULL, *now = NULL;
	sp_violations_init(&errors, T_ARENA);
	sp_kind_ctx c = {.arena = T_ARENA,
			 .doc = sp_json_doc(T_ARENA),
			 .kind = sp_kind_by_kind(sp_str_c(group), SP_STR("v1"), sp_str_c(kind)),
			 .errors = &errors,
			 .now = {.seconds = 1700000000}};
	if (c.doc == NULL)
		return SP_ENOMEM;
	SP_TRY(load(&c, old_json, &old));
	SP_TRY(load(&c, json, &now));
	SP_TRY(sp_kind_before_update(&c, now, old));
	*ret = sp_violations_text(T_ARENA, &errors);
	return SP_OK;
}

#define POD(more) "{" META ",\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]" more "}}"
#define JOB(more, spec)                                                                                 \
	"{" META ",\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"manualSelector\":true" more \
	",\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"restartPolicy\":\"Never\"," \
	"\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]" spec "}}}}"
#define FAILURE(code)                                                                              \
	",\"podFailurePolicy\":{\"rules\":[{\"action\":\"FailJob\",\"onExitCodes\":{\"operator\":" \
	"\"In\",\"values\":[" code "]}}]}"
#define PV(source)                                                                         \
	"{" CLUSTER_META ",\"spec\":{\"capacity\":{\"storage\":\"1Gi\"},\"accessModes\":[" \
	"\"ReadWriteOnce\"]," source "}}"
#define PVC(more)                                                                                           \
	"{" META ",\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":" \
	"\"1Gi\"}}" more "}}"
#define ATTACHMENT(node)                                                                        \
	"{" CLUSTER_META ",\"spec\":{\"attacher\":\"d\",\"nodeName\":\"" node "\",\"source\":{" \
	"\"inlineVolumeSpec\":{\"nfs\":{\"server\":\"s\",\"path\":\"/\"}}}}}"
#define NO_CONTEXT                                                                                       \
	"\"SecurityContext\":{\"HostNetwork\":false,\"HostPID\":false,\"HostIPC\":false,"                \
	"\"ShareProcessNamespace\":null,\"HostUsers\":null,\"SELinuxOptions\":null,\"WindowsOptions\":"  \
	"null,\"RunAsUser\":null,\"RunAsGroup\":null,\"RunAsNonRoot\":null,\"SupplementalGroups\":null," \
	"\"SupplementalGroupsPolicy\":null,\"FSGroup\":null,\"FSGroupChangePolicy\":null,\"Sysctls\":"   \
	"null,\"SeccompProfile\":null,\"AppArmorProfile\":null,\"SELinuxChangePolicy\":null}"

SP_TEST(go_json, refusals_of_changes)
{
	static const struct {
		const char *group, *kind, *old, *now, *has;
	} rows[] = {
		{"", "Pod", POD(""), POD(",\"hostNetwork\":true"),
		 "previously negative)\n@@ -44,7 +44,7 @@\n  \"AutomountServiceAccountToken\": null,\n  "
		 "\"NodeName\": \"\",\n  \"SecurityContext\": {\n-  \"HostNetwork\": false,\n+  "
		 "\"HostNetwork\": true,\n   \"HostPID\": false,\n   \"HostIPC\": false,\n   "
		 "\"ShareProcessNamespace\": null,\n"},
		{"", "Pod", POD(",\"nodeSelector\":{\"a\":\"b\"}"), POD(""),
		 "  \"DNSPolicy\": \"ClusterFirst\",\n- \"NodeSelector\": {\n-  \"a\": \"b\"\n- },\n+ "
		 "\"NodeSelector\": null,\n  \"ServiceAccountName\": \"\",\n"},
		{"batch", "Job", JOB("", ""), JOB("", ",\"nodeName\":\"n\""),
		 "spec.template: Invalid value: {\"labels\":{\"a\":\"b\"},\"Spec\":{\"Volumes\":null,"
		 "\"InitContainers\":null,\"Containers\":[{\"Name\":\"c\",\"Image\":\"i:1\",\"Command\":"
		 "null,"},
		{"batch", "Job", JOB("", ""), JOB("", ",\"nodeName\":\"n\""),
		 "\"NodeName\":\"n\"," NO_CONTEXT ",\"ImagePullSecrets\":null,"},
		{"batch", "Job", JOB(FAILURE("1"), ""), JOB(FAILURE("2"), ""),
		 "spec.podFailurePolicy: Invalid value: {\"Rules\":[{\"Action\":\"FailJob\",\"OnExitCodes\":{"
		 "\"ContainerName\":null,\"Operator\":\"In\",\"Values\":[2]},\"OnPodConditions\":null}]}: "
		 "field is immutable"},
		{"batch", "Job", JOB(FAILURE("1"), ""), JOB("", ""),
		 "spec.podFailurePolicy: Invalid value: null: field is immutable"},
		{"", "PersistentVolume", PV("\"nfs\":{\"server\":\"s\",\"path\":\"/\"}"),
		 PV("\"nfs\":{\"server\":\"t\",\"path\":\"/\"}"),
		 "is immutable after creation\n@@ -4,7 +4,7 @@\n  \"HostPath\": null,\n  \"Glusterfs\": "
		 "null,\n  \"NFS\": {\n-  \"Server\": \"s\",\n+  \"Server\": \"t\",\n   \"Path\": "
		 "\"/\",\n   \"ReadOnly\": false\n  },\n"},
		{"", "PersistentVolumeClaim", PVC(",\"storageClassName\":\"s\""),
		 PVC(",\"storageClassName\":\"t\",\"volumeName\":\"v\""),
		 "for bound claims\n@@ -10,7 +10,7 @@\n   }\n  },\n  \"VolumeName\": \"v\",\n- "
		 "\"StorageClassName\": \"s\",\n+ \"StorageClassName\": \"t\",\n  \"VolumeMode\": "
		 "\"Filesystem\",\n  \"DataSource\": null,\n  \"DataSourceRef\": null,\n"},
		{"storage.k8s.io", "VolumeAttachment", ATTACHMENT("n"), ATTACHMENT("m"),
		 "\"InlineVolumeSpec\":{\"Capacity\":null,\"GCEPersistentDisk\":null,"
		 "\"AWSElasticBlockStore\":null,\"HostPath\":null,\"Glusterfs\":null,\"NFS\":{\"Server\":"
		 "\"s\",\"Path\":\"/\",\"ReadOnly\":false},"},
		{"storage.k8s.io", "VolumeAttachment", ATTACHMENT("n"), ATTACHMENT("m"),
		 "\"PersistentVolumeReclaimPolicy\":\"\",\"StorageClassName\":\"\",\"MountOptions\":null,"
		 "\"VolumeMode\":null,\"NodeAffinity\":null,\"VolumeAttributesClassName\":null}},"
		 "\"NodeName\":\"m\"}: field is immutable"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str text = {NULL, 0};
		t_row("row %zu", i);
		T_OK(update(rows[i].group, rows[i].kind, rows[i].old, rows[i].now, &text));
		if (sp_str_find(text, sp_str_c(rows[i].has)) < 0)
			T_EQ_STR(text, sp_str_c(rows[i].has));
	}
}
