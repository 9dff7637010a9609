/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of the core kinds on small objects. Texts are upstream's (kubernetes pkg/apis/core/validation); what
 * a real API server answered is compared by kinds_replay_test.c.
 */
#include <stdio.h>

#include "kube/decode.h"
#include "kube/defaults.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/service.h"
#include "kube/meta.h"
#include "lib/t.h"

typedef struct fixture {
	sp_kind_ctx c;
	sp_violations errors;
	uint8_t seed;
} fixture;

static void dice(void *arg, void *bytes, size_t n)
{
	uint8_t *next = arg;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)bytes)[i] = (*next)++;
}

/* `kind` of the core group, or with its group before it: "storage.k8s.io/VolumeAttachment". */
static void setup(fixture *f, const char *kind)
{
	sp_str group = SP_STR(""), name = sp_str_c(kind);
	ptrdiff_t cut = sp_str_rindex(name, '/');
	if (cut >= 0) {
		group = sp_str_sub(name, 0, (size_t)cut);
		name = sp_str_sub(name, (size_t)cut + 1, name.len);
	}
	f->seed = 0;
	sp_violations_init(&f->errors, T_ARENA);
	f->c = (sp_kind_ctx){.arena = T_ARENA,
			     .doc = sp_json_doc(T_ARENA),
			     .kind = sp_kind_by_kind(group, SP_STR("v1"), name),
			     .errors = &f->errors,
			     .now = {.seconds = 1700000000},
			     .random = dice,
			     .random_arg = &f->seed};
	T_TRUE(f->c.kind != NULL);
}

/* Decoded and with defaults. */
static sp_code load(fixture *f, const char *json, yyjson_mut_val **ret)
{
	if (f->c.doc == NULL)
		return SP_ENOMEM;
	SP_TRY(sp_decode_json(T_ARENA, f->c.kind->schema, sp_str_c(json), f->c.doc, NULL, ret, T_ERR));
	SP_TRY(sp_default(f->c.doc, f->c.kind->schema, *ret, T_ERR));
	return sp_kind_defaults(&f->c, *ret);
}

static sp_code create(fixture *f, const char *kind, const char *json, yyjson_mut_val **ret)
{
	setup(f, kind);
	SP_TRY(load(f, json, ret));
	sp_meta_fill_create(&f->c, *ret);
	if (!sp_meta_set_namespace(&f->c, *ret, f->c.kind->namespaced ? SP_STR("ns") : SP_STR("")))
		return SP_EINVAL;
	return sp_kind_before_create(&f->c, *ret);
}

static sp_code update(fixture *f, const char *kind, const char *sub, const char *old_json, const char *json,
		      yyjson_mut_val **ret)
{
	yyjson_mut_val *old = NULL;
	setup(f, kind);
	f->c.subresource = sp_str_c(sub);
	SP_TRY(load(f, old_json, &old));
	SP_TRY(load(f, json, ret));
	return sp_kind_before_update(&f->c, *ret, old);
}

static sp_str errors_of(const fixture *f)
{
	return sp_violations_text(T_ARENA, &f->errors);
}

static void pods(const char *(*rows)[2], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fixture f;
		yyjson_mut_val *obj = NULL;
		char json[1024];
		(void)snprintf(json, sizeof json,
			       "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":\"c\","
			       "\"image\":\"i\"%s}]%s}}",
			       rows[i][0][0] == '+' ? rows[i][0] + 1 : "",
			       rows[i][0][0] == '+' ? "" : rows[i][0]);
		t_row("%s", rows[i][0]);
		T_OK(create(&f, "Pod", json, &obj));
		T_EQ_STR(errors_of(&f), sp_str_c(rows[i][1]));
	}
}

/* First text: members of the spec, or after a plus, of the container. */
SP_TEST(kinds, pod_spec_errors)
{
	static const char *rows[][2] = {
		{"", ""},
		{",\"restartPolicy\":\"Odd\"", "spec.restartPolicy: Unsupported value: \"Odd\": supported "
					       "values: \"Always\", \"OnFailure\", "
					       "\"Never\""},
		{",\"activeDeadlineSeconds\":0",
		 "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"},
		{",\"dnsPolicy\":\"None\"",
		 "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"},
		{",\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}},{\"name\":\"v\",\"emptyDir\":{}}]",
		 "spec.volumes[1].name: Duplicate value: \"v\""},
		{",\"volumes\":[{\"name\":\"v\",\"emptyDir\":{},\"hostPath\":{\"path\":\"/a\"}}]",
		 "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"},
		{",\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/a/../b\"}}]",
		 "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"},
		{",\"tolerations\":[{\"operator\":\"Equal\",\"value\":\"v\"}]",
		 "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` "
		 "is "
		 "empty, which means \"match all values and all keys\""},
		{",\"hostAliases\":[{\"ip\":\"1.2.3\",\"hostnames\":[\"a\"]}]",
		 "spec.hostAliases[0].ip: Invalid value: \"1.2.3\": must be a valid IP address, (e.g. "
		 "10.9.8.7 "
		 "or 2001:db8::ffff)"},
		{"+,\"ports\":[{\"containerPort\":0}]",
		 "spec.containers[0].ports[0].containerPort: Required value"},
		{"+,\"ports\":[{\"containerPort\":70000}]",
		 "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and "
		 "65535, "
		 "inclusive"},
		{"+,\"env\":[{\"name\":\"\"}]", "spec.containers[0].env[0].name: Required value"},
		{"+,\"volumeMounts\":[{\"name\":\"x\",\"mountPath\":\"/x\"}]",
		 "spec.containers[0].volumeMounts[0].name: Not found: \"x\""},
		{"+,\"imagePullPolicy\":\"Odd\"", "spec.containers[0].imagePullPolicy: Unsupported value: "
						  "\"Odd\": supported values: \"Always\", "
						  "\"IfNotPresent\", \"Never\""},
		{"+,\"livenessProbe\":{}", "spec.containers[0].livenessProbe: Required value: must specify a "
					   "handler type"},
		{"+,\"resources\":{\"requests\":{\"cpu\":\"2\"},\"limits\":{\"cpu\":\"1\"}}",
		 "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to "
		 "cpu "
		 "limit of 1"},
		{"+,\"securityContext\":{\"privileged\":true,\"allowPrivilegeEscalation\":false}",
		 "spec.containers[0].securityContext: Invalid value: "
		 "{\"Capabilities\":null,\"Privileged\":true,"
		 "\"SELinuxOptions\":null,\"WindowsOptions\":null,\"RunAsUser\":null,\"RunAsGroup\":null,"
		 "\"RunAsNonRoot\":null,\"ReadOnlyRootFilesystem\":null,\"AllowPrivilegeEscalation\":false,"
		 "\"ProcMount\":null,\"SeccompProfile\":null,\"AppArmorProfile\":null}: cannot set "
		 "`allowPrivilegeEscalation` to false and `privileged` to true"},
	};
	pods(rows, SP_LEN(rows));
}

SP_TEST(kinds, pull_policy_follows_the_tag)
{
	static const char *const rows[][2] = {
		{"nginx", "Always"},
		{"nginx:latest", "Always"},
		{"nginx:1", "IfNotPresent"},
		{"reg.io:5000/a/nginx", "Always"},
		{"reg.io:5000/a/nginx:v1", "IfNotPresent"},
		{"localhost/a", "Always"},
		{"nginx@sha256:0123456789012345678901234567890123456789012345678901234567890123",
		 "IfNotPresent"},
		{"Nginx", "IfNotPresent"},
		{"nginx:", "IfNotPresent"},
		{"../x", "IfNotPresent"},
		{"/a", "IfNotPresent"},
		{"a--b/c__d.e", "Always"},
		{"a_.b", "IfNotPresent"},
		{"HOST/a", "Always"},
		{"[fd00::1]:5000/a", "Always"},
		{"reg.io:port/a", "IfNotPresent"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		fixture f;
		yyjson_mut_val *obj = NULL;
		char json[256];
		(void)snprintf(json, sizeof json,
			       "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"%s\"}]}}", rows[i][0]);
		setup(&f, "Pod");
		T_OK(load(&f, json, &obj));
		yyjson_mut_val *container =
			yyjson_mut_arr_get_first(sp_kv_list(sp_kv_get(obj, "spec"), "containers"));
		T_EQ_STR(sp_kv_str(container, "imagePullPolicy"), sp_str_c(rows[i][1]));
	}
}

/* A pointer to an empty object is not an absent one: it counts as a change. */
SP_TEST(kinds, empty_objects_are_changes)
{
	static const struct {
		const char *affinity;
		int64_t generation;
	} rows[] = {
		{"{\"topologyKey\":\"z\"}", 3},
		{"{\"topologyKey\":\"z\",\"labelSelector\":{}}", 4},
		{"{\"topologyKey\":\"z\",\"namespaces\":[]}", 3},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		fixture f;
		yyjson_mut_val *obj = NULL;
		char text[2][640];
		for (size_t k = 0; k < 2; k++)
			(void)snprintf(text[k], sizeof text[k],
				       "{\"metadata\":{\"name\":\"a\",\"namespace\":\"ns\",\"uid\":\"u\","
				       "\"resourceVersion\":"
				       "\"1\",\"generation\":3},\"spec\":{\"selector\":{\"a\":\"b\"},"
				       "\"template\":{\"metadata\":{"
				       "\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\","
				       "\"image\":\"i\"}],"
				       "\"affinity\":{\"podAffinity\":{"
				       "\"requiredDuringSchedulingIgnoredDuringExecution\":[%s]}}}}}}",
				       k == 0 ? rows[0].affinity : rows[i].affinity);
		t_row("row %zu", i);
		T_OK(update(&f, "ReplicationController", "", text[0], text[1], &obj));
		T_EQ_STR(errors_of(&f), SP_STR(""));
		T_EQ_I64(sp_kv_i64(sp_meta(obj), "generation", 0), rows[i].generation);
	}
}

SP_TEST(kinds, quality_of_service)
{
	static const char *const rows[][2] = {
		{"{}", "BestEffort"},
		{"{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}", "Guaranteed"},
		{"{\"limits\":{\"cpu\":\"1\"}}", "Burstable"},
		{"{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"limits\":{\"cpu\":\"2\",\"memory\":"
		 "\"1Gi\"}}",
		 "Burstable"},
		{"{\"limits\":{\"ephemeral-storage\":\"1\"}}", "BestEffort"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		fixture f;
		yyjson_mut_val *obj = NULL;
		char json[512];
		(void)snprintf(json, sizeof json,
			       "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":\"c\","
			       "\"image\":\"i\","
			       "\"resources\":%s}]}}",
			       rows[i][0]);
		T_OK(create(&f, "Pod", json, &obj));
		T_EQ_STR(errors_of(&f), SP_STR(""));
		T_EQ_STR(sp_kv_str(sp_kv_get(obj, "status"), "qosClass"), sp_str_c(rows[i][1]));
		T_EQ_STR(sp_kv_str(sp_kv_get(obj, "status"), "phase"), SP_STR("Pending"));
	}
}

#define POD(spec)                                                                                     \
	"{\"metadata\":{\"name\":\"a\",\"namespace\":\"ns\",\"uid\":\"u\",\"resourceVersion\":\"1\"," \
	"\"creationTimestamp\":\"2020-01-01T00:00:00Z\"},\"spec\":{" spec "}}"
#define ONE "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]"

/* What an update of a pod may change. */
SP_TEST(kinds, pod_updates)
{
	static const struct {
		const char *old, *now, *starts;
	} rows[] = {
		{POD(ONE), POD(ONE), ""},
		{POD(ONE), POD("\"containers\":[{\"name\":\"c\",\"image\":\"i:2\"}]"), ""},
		{POD(ONE), POD(ONE ",\"activeDeadlineSeconds\":5"), ""},
		{POD(ONE), POD(ONE ",\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}]"), ""},
		{POD(ONE ",\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}]"), POD(ONE),
		 "spec.tolerations: Forbidden: existing toleration can not be modified except its "
		 "tolerationSeconds"},
		{POD(ONE), POD(ONE ",\"hostNetwork\":true"),
		 "spec: Forbidden: pod updates may not change fields"},
		{POD(ONE),
		 POD("\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"},{\"name\":\"d\",\"image\":\"i\"}]"),
		 "spec.containers: Forbidden: pod updates may not add or remove containers"},
		{POD(ONE ",\"schedulingGates\":[{\"name\":\"g\"}]"), POD(ONE), ""},
		{POD(ONE), POD(ONE ",\"schedulingGates\":[{\"name\":\"g\"}]"),
		 "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new "
		 "scheduling "
		 "gate 'g'"},
		{POD(ONE ",\"schedulingGates\":[{\"name\":\"g\"}]"),
		 POD(ONE ",\"schedulingGates\":[{\"name\":\"g\"}],\"nodeSelector\":{\"a\":\"b\"}"), ""},
		{POD(ONE), POD(ONE ",\"nodeSelector\":{\"a\":\"b\"}"),
		 "spec: Forbidden: pod updates may not change fields"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		fixture f;
		yyjson_mut_val *obj = NULL;
		t_row("row %zu", i);
		T_OK(update(&f, "Pod", "", rows[i].old, rows[i].now, &obj));
		sp_str text = errors_of(&f), want = sp_str_c(rows[i].starts);
		T_EQ_STR(sp_str_sub(text, 0, want.len > 0 ? want.len : text.len), want);
	}
}

#define STORED                                                                                       \
	"\"metadata\":{\"name\":\"a\",\"namespace\":\"%s\",\"uid\":\"u\",\"resourceVersion\":\"1\"," \
	"\"creationTimestamp\":\"2020-01-01T00:00:00Z\"}"

/* An update is validated as a whole beside what it may not change. */
SP_TEST(kinds, other_updates)
{
	static const struct {
		const char *kind, *ns, *old, *now, *want;
	} rows[] = {
		{"node.k8s.io/RuntimeClass", "", ",\"handler\":\"h\"", ",\"handler\":\"a.b\"",
		 "[handler: Invalid value: \"a.b\": must not contain dots, handler: Invalid value: \"a.b\": "
		 "field "
		 "is immutable]"},
		{"networking.k8s.io/IngressClass", "", ",\"spec\":{\"controller\":\"a.b/c\"}", ",\"spec\":{}",
		 "[spec.controller: Invalid value: \"\": field is immutable, spec.controller: Required "
		 "value]"},
		{"resource.k8s.io/ResourceClaimTemplate", "ns", ",\"spec\":{\"spec\":{}}",
		 ",\"spec\":{\"metadata\":{\"uid\":\"u\",\"labels\":{\"a\":\"b\"}},\"spec\":{}}",
		 "[spec.metadata.uID: Forbidden: cannot be set, spec: Invalid value: "
		 "{\"uid\":\"u\",\"labels\":{\"a\":\"b\"},\"Spec\":{\"Devices\":{\"Requests\":null,"
		 "\"Constraints\":null,"
		 "\"Config\":null}}}: field is immutable]"},
		{"events.k8s.io/Event", "ns",
		 ",\"eventTime\":\"2024-01-02T03:04:05.123456Z\",\"reportingController\":\"c\","
		 "\"reportingInstance\":\"i\",\"action\":\"A\",\"reason\":\"R\",\"type\":\"Normal\","
		 "\"regarding\":{\"namespace\":\"ns\"}",
		 ",\"eventTime\":\"2024-01-02T03:04:05.123456Z\",\"reportingController\":\"c\","
		 "\"action\":\"A\",\"reason\":\"R\",\"type\":\"Normal\",\"regarding\":{\"namespace\":\"ns\"}",
		 "[reportingInstance: Required value, reportingInstance: Invalid value: \"\": field is "
		 "immutable]"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		fixture f;
		yyjson_mut_val *obj = NULL;
		char old[1024], now[1024], meta[256];
		(void)snprintf(meta, sizeof meta, STORED, rows[i].ns);
		(void)snprintf(old, sizeof old, "{%s%s}", meta, rows[i].old);
		(void)snprintf(now, sizeof now, "{%s%s}", meta, rows[i].now);
		t_row("%s", rows[i].kind);
		T_OK(update(&f, rows[i].kind, "", old, now, &obj));
		T_EQ_C(errors_of(&f), rows[i].want);
	}
}

/* A status write can't touch the spec; the restart count and the phase are seen in the table. */
SP_TEST(kinds, pod_status_and_cells)
{
	fixture f;
	yyjson_mut_val *obj = NULL;
	T_OK(update(
		&f, "Pod", "status", POD(ONE),
		"{\"metadata\":{\"name\":\"a\",\"namespace\":\"ns\",\"uid\":\"u\",\"resourceVersion\":\"1\","
		"\"creationTimestamp\":\"2020-01-01T00:00:00Z\"},\"spec\":{\"nodeName\":\"no\"},\"status\":{"
		"\"phase\":\"Running\",\"podIP\":\"1.2.3.4\",\"containerStatuses\":[{\"name\":\"c\","
		"\"restartCount\":2,\"ready\":false,\"image\":\"i:1\",\"imageID\":\"\",\"state\":{"
		"\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}}]}}",
		&obj));
	T_EQ_STR(errors_of(&f), SP_STR(""));
	T_EQ_STR(sp_kv_str(sp_kv_get(obj, "spec"), "nodeName"), SP_STR(""));
	T_EQ_STR(sp_jmut_str(sp_kind_cell(&f.c, obj, SP_STR("Ready"))), SP_STR("0/1"));
	T_EQ_STR(sp_jmut_str(sp_kind_cell(&f.c, obj, SP_STR("Status"))), SP_STR("CrashLoopBackOff"));
	T_EQ_STR(sp_jmut_str(sp_kind_cell(&f.c, obj, SP_STR("Restarts"))), SP_STR("2"));
	sp_str field;
	T_TRUE(sp_kind_field(f.c.kind->hooks, T_ARENA, obj, SP_STR("status.phase"), &field));
	T_EQ_STR(field, SP_STR("Running"));
	T_TRUE(!sp_kind_field(f.c.kind->hooks, T_ARENA, obj, SP_STR("status.reason"), &field));
}

SP_TEST(kinds, other_core_errors)
{
	static const struct {
		const char *kind, *json, *want;
	} rows[] = {
		{"Secret", "{\"metadata\":{\"name\":\"a\"},\"type\":\"kubernetes.io/tls\",\"data\":{}}",
		 "[data[tls.crt]: Required value, data[tls.key]: Required value]"},
		{"ConfigMap", "{\"metadata\":{\"name\":\"a\"},\"data\":{\"a b\":\"\"}}",
		 "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric "
		 "characters, "
		 "'-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for "
		 "validation is "
		 "'[-._a-zA-Z0-9]+')"},
		{"ResourceQuota", "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"hard\":{\"pods\":\"1.5\"}}}",
		 "spec.hard[pods]: Invalid value: \"1500m\": must be an integer"},
		{"LimitRange",
		 "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"min\":{"
		 "\"cpu\":\"2\"},\"max\":{\"cpu\":\"1\"}}]}}",
		 "[spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1, "
		 "spec.limits[0].defaultRequest[cpu]: Invalid value: \"1\": min value 2 is greater than "
		 "default "
		 "request value 1, spec.limits[0].default[cpu]: Invalid value: \"2\": min value 2 is greater "
		 "than "
		 "default value 1]"},
		{"PersistentVolumeClaim",
		 "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"]}}",
		 "spec.resources[storage]: Required value"},
		{"certificates.k8s.io/CertificateSigningRequest",
		 "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"signerName\":\"example.com/s\",\"usages\":["
		 "\"client auth\"]}}",
		 "spec.request: Invalid value: null: PEM block type must be CERTIFICATE REQUEST"},
		{"PersistentVolume",
		 "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"capacity\":{"
		 "\"storage\":\"1\"},\"local\":{\"path\":\"/a\"},\"nodeAffinity\":{}}}",
		 "[spec.nodeAffinity.required: Required value: must specify required node constraints, "
		 "spec.nodeAffinity: Required value: Local volume requires node affinity]"},
		{"PersistentVolume", /* no error says that there are two */
		 "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"capacity\":{"
		 "\"storage\":\"1\"},\"hostPath\":{\"path\":\"/a\"},\"flexVolume\":{\"driver\":\"a/b\"}}}",
		 ""},
		{"storage.k8s.io/VolumeAttachment",
		 "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"attacher\":\"a\",\"nodeName\":\"n\",\"source\":{"
		 "\"inlineVolumeSpec\":{\"volumeMode\":\"Block\",\"storageClassName\":\"s\",\"capacity\":{"
		 "\"storage\":\"1\"},\"persistentVolumeReclaimPolicy\":\"Delete\"}}}}",
		 "[spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of "
		 "inline volumes, spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be "
		 "specified in the context of inline volumes, spec.source.inlineVolumeSpec.csi: Required "
		 "value: has to be specified in the context of inline volumes, "
		 "spec.source.inlineVolumeSpec.accessModes: Required value, "
		 "spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain "
		 "in "
		 "the context of inline volumes, spec.source.inlineVolumeSpec: Required value: must specify "
		 "a "
		 "volume type, spec.source.inlineVolumeSpec.volumeMode: Forbidden: may not specify "
		 "volumeMode "
		 "other than Filesystem in the context of inline volumes]"},
		{"Namespace", "{\"metadata\":{\"name\":\"A\"}}",
		 "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case "
		 "alphanumeric characters or '-', and must start and end with an alphanumeric character "
		 "(e.g. "
		 "'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"},
		{"ReplicationController",
		 "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"replicas\":-1,\"selector\":{\"a\":"
		 "\"b\"},\"template\":{\"metadata\":{\"labels\":{\"a\":\"c\"}},\"spec\":{" ONE "}}}}",
		 "[spec.replicas: Invalid value: -1: must be greater than or equal to 0, "
		 "spec.template.metadata.labels: Invalid value: {\"a\":\"c\"}: `selector` does not match "
		 "template "
		 "`labels`]"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		fixture f;
		yyjson_mut_val *obj = NULL;
		t_row("%s", rows[i].kind);
		T_OK(create(&f, rows[i].kind, rows[i].json, &obj));
		T_EQ_STR(errors_of(&f), sp_str_c(rows[i].want));
	}
}

static sp_code families(fixture *f, const char *spec, const char *old, bool dual, yyjson_mut_val **ret)
{
	char json[512];
	yyjson_mut_val *was = NULL;
	setup(f, "Service");
	(void)snprintf(json, sizeof json,
		       "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"ports\":[{\"port\":1}]%s}}", spec);
	SP_TRY(load(f, json, ret));
	if (old != NULL) {
		(void)snprintf(json, sizeof json,
			       "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"ports\":[{\"port\":1}]%s}}", old);
		SP_TRY(load(f, json, &was));
	}
	sp_service_begin(&f->c, *ret, was);
	sp_service_families(&f->c, *ret, was, SP_STR("IPv4"), dual);
	return f->c.code;
}

SP_TEST(kinds, service_families)
{
	static const struct {
		const char *spec, *old;
		bool dual;
		const char *want; /* policy families clusterIPs, or the error */
	} rows[] = {
		{"", NULL, false, "\"SingleStack\"[\"IPv4\"]"},
		{",\"clusterIP\":\"10.0.0.1\"", NULL, false, "\"SingleStack\"[\"IPv4\"][\"10.0.0.1\"]"},
		{",\"clusterIP\":\"None\"", NULL, false, "\"RequireDualStack\"[\"IPv4\",\"IPv6\"][\"None\"]"},
		{",\"ipFamilyPolicy\":\"PreferDualStack\"", NULL, true,
		 "\"PreferDualStack\"[\"IPv4\",\"IPv6\"]"},
		{",\"ipFamilyPolicy\":\"PreferDualStack\"", NULL, false, "\"PreferDualStack\"[\"IPv4\"]"},
		{",\"ipFamilyPolicy\":\"RequireDualStack\"", NULL, false,
		 "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured "
		 "for "
		 "dual-stack services"},
		{",\"ipFamilies\":[\"IPv6\"]", NULL, false,
		 "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster"},
		{"", ",\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\"]", false,
		 "\"SingleStack\"[\"IPv4\"][\"10.0.0.1\"]"},
		{",\"type\":\"ExternalName\"", NULL, false, ""},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		fixture f;
		yyjson_mut_val *obj = NULL;
		SP_AUTO_BUF out;
		sp_buf_init(&out, 4096);
		t_row("row %zu", i);
		T_OK(families(&f, rows[i].spec, rows[i].old, rows[i].dual, &obj));
		static const char *const members[] = {"ipFamilyPolicy", "ipFamilies", "clusterIPs"};
		for (size_t k = 0; k < SP_LEN(members) && f.errors.n == 0; k++) {
			yyjson_mut_val *v = sp_kv_get(sp_kv_get(obj, "spec"), members[k]);
			T_OK(v == NULL ? SP_OK : sp_json_write_mut(&out, v));
		}
		T_EQ_STR(f.errors.n > 0 ? errors_of(&f) : sp_buf_view(&out), sp_str_c(rows[i].want));
	}
}

SP_TEST(kinds, pod_warnings)
{
	static const struct {
		const char *spec, *want; /* the warnings, one a line */
	} rows[] = {
		{ONE, ""},
		{"\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"containerPort\":80,"
		 "\"hostIP\":"
		 "\"1.2.3.4\"}]}]",
		 "spec.containers[0].ports[0]: hostIP set without hostPort: {Name: HostPort:0 "
		 "ContainerPort:80 "
		 "Protocol:TCP HostIP:1.2.3.4}\n"},
		{ONE ",\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"m\",\"items\":[{\"key\":\"a\","
		     "\"path\":"
		     "\"x\"},{\"key\":\"b\",\"path\":\"x/y\"},{\"key\":\"c\",\"path\":\"xy\"}]}}]",
		 "volume \"v\" (ConfigMap \"m\"): overlapping paths: \"x/y\" with \"x\"\n"},
		{ONE ",\"serviceAccountName\":\"s\",\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":["
		     "{\"secret\":{\"name\":\"s\","
		     "\"items\":[{"
		     "\"key\":\"a\",\"path\":\"x\"}]}},{\"serviceAccountToken\":{\"path\":\"x/y\"}}]}}]",
		 "volume \"v\" (Projected): overlapping paths: \"x/y\" (ServiceAccountToken) with \"x\" "
		 "(Secret "
		 "\"s\")\n"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		fixture f;
		yyjson_mut_val *obj = NULL;
		char json[1024];
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1 << 16);
		(void)snprintf(json, sizeof json, "{\"metadata\":{\"name\":\"a\"},\"spec\":{%s}}",
			       rows[i].spec);
		t_row("row %zu", i);
		T_OK(create(&f, "Pod", json, &obj));
		T_EQ_STR(errors_of(&f), SP_STR(""));
		for (size_t k = 0; k < f.c.warnings.n; k++)
			T_OK(sp_buf_printf(&out, SP_FMT "\n", SP_ARG(f.c.warnings.items[k])));
		T_EQ_STR(sp_buf_view(&out), sp_str_c(rows[i].want));
	}
}
