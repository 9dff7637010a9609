/* SPDX-License-Identifier: Apache-2.0 */
/* What a node refuses although it was bound to it. */
#include "lib/t.h"
#include "node/admission.h"

/* `spec` and `container` are members, with a comma before each. */
static node_pod *make_pod(const char *spec, const char *container)
{
	node_pod *p = NULL;
	sp_str json = sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\",\"labels\":{%s}},"
		"\"spec\":{\"containers\":[{\"name\":\"c\"%s}]%s}}",
		strstr(spec, "os") == spec ? "\"kubernetes.io/os\":\"windows\"" : "", container,
		strstr(spec, "os") == spec ? "" : spec);
	if (node_pod_parse(json, &p, T_ERR) == SP_OK)
		T_DEFER(node_pod_free, p);
	return p;
}

#define REQUESTS(list) ",\"resources\":{\"requests\":{" list "}}"
#define PORT(members) ",\"ports\":[{" members "}]"
#define SYSCTL(name) ",\"securityContext\":{\"sysctls\":[{\"name\":\"" name "\",\"value\":\"1\"}]}"
#define TOO_MUCH(what, ask, used, all) \
	"Node didn't have enough resource: " what ", requested: " ask ", used: " used ", capacity: " all

SP_TEST(node_admission, reasons)
{
	static const struct {
		const char *spec, *container, *reason, *message; /* reason NULL: taken */
	} rows[] = {
		{"", "", NULL, NULL},
		{"", REQUESTS("\"cpu\":\"1500m\",\"memory\":\"1000\""), NULL, NULL},
		{"", REQUESTS("\"cpu\":\"1501m\""), "OutOfcpu", TOO_MUCH("cpu", "1501", "500", "2000")},
		{"", REQUESTS("\"memory\":\"1001\""), "OutOfmemory", TOO_MUCH("memory", "1001", "0", "1000")},
		{"", REQUESTS("\"ephemeral-storage\":\"1Ki\""), "OutOfephemeral-storage",
		 TOO_MUCH("ephemeral-storage", "1024", "0", "100")},
		{"", PORT("\"hostPort\":80,\"protocol\":\"UDP\""), NULL, NULL},
		{"", PORT("\"hostPort\":81"), NULL, NULL},
		{"", PORT("\"containerPort\":80"), NULL, NULL},
		{"", PORT("\"hostPort\":80,\"hostIP\":\"10.0.0.1\",\"protocol\":\"TCP\""), "NodePorts",
		 "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"},
		{SYSCTL("net.ipv4.tcp_syncookies"), "", NULL, NULL},
		{SYSCTL("net/ipv4/tcp_syncookies"), "", NULL, NULL},
		{SYSCTL("kernel.msgmax"), "", "SysctlForbidden",
		 "forbidden sysctl: \"kernel.msgmax\" not allowlisted"},
		{",\"hostNetwork\":true" SYSCTL("net.ipv4.tcp_wmem"), "", "SysctlForbidden",
		 "forbidden sysctl: \"net.ipv4.tcp_wmem\" not allowed with host Net enabled"},
		{",\"hostIPC\":true" SYSCTL("kernel.shm_rmid_forced"), "", "SysctlForbidden",
		 "forbidden sysctl: \"kernel.shm_rmid_forced\" not allowed with host IPC enabled"},
		{",\"os\":{\"name\":\"windows\"}", "", "PodOSNotSupported",
		 "Failed to admit pod as the OS field doesn't match node OS"},
		{"os", "", "PodOSSelectorNodeLabelDoesNotMatch",
		 "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"},
	};
	const node_pod *other = make_pod("", REQUESTS("\"cpu\":\"500m\"") PORT("\"hostPort\":80"));
	const node_room room = {.pods = 2,
				.cpu_milli = 2000,
				.memory_bytes = 1000,
				.ephemeral_bytes = 100,
				.others = &other,
				.n_others = 1};
	T_TRUE(other != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_refusal why;
		const node_pod *p = make_pod(rows[i].spec, rows[i].container);
		T_TRUE(p != NULL);
		t_row("%s%s", rows[i].spec, rows[i].container);
		T_EQ_I64(node_admission_check(p, &room, &why), rows[i].reason == NULL);
		if (rows[i].reason == NULL)
			continue;
		T_EQ_C(sp_str_c(why.reason), rows[i].reason);
		T_EQ_C(sp_str_c(why.message), rows[i].message);
	}
}

SP_TEST(node_admission, number_of_pods)
{
	node_refusal why;
	const node_pod *p = make_pod("", "");
	const node_pod *others[] = {p, p};
	const node_room room = {.pods = 2, .others = others, .n_others = 2};
	T_TRUE(p != NULL);
	T_TRUE(!node_admission_check(p, &room, &why));
	T_EQ_C(sp_str_c(why.reason), "OutOfpods");
	T_EQ_C(sp_str_c(why.message), TOO_MUCH("pods", "1", "2", "2"));
}
