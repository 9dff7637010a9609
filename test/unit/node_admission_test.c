/* SPDX-License-Identifier: Apache-2.0 */
/* What a node refuses although it was bound to it. */
#include "lib/t.h"
#include "node/admission.h"

#define TOLERATES ",\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}]"

/* `spec` and `container` are members, with a comma before each. */
static node_pod *make_pod(const char *spec, const char *container)
{
	node_pod *p = NULL;
	sp_str json = sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\",\"labels\":{%s}},"
		"\"spec\":{\"containers\":[{\"name\":\"c\"%s}]%s%s}}",
		strstr(spec, "os") == spec ? "\"kubernetes.io/os\":\"windows\"" : "", container,
		strstr(spec, "os") == spec ? "" : spec, strstr(spec, "tolerations") != NULL ? "" : TOLERATES);
	if (node_pod_parse(json, &p, T_ERR) == SP_OK)
		T_DEFER(node_pod_free, p);
	return p;
}

#define REQUESTS(list) ",\"resources\":{\"requests\":{" list "}}"
#define PORT(members) ",\"ports\":[{" members "}]"
#define SYSCTL(name) ",\"securityContext\":{\"sysctls\":[{\"name\":\"" name "\",\"value\":\"1\"}]}"
#define NO_AFFINITY "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
#define AFFINITY(op, values)                                                                    \
	",\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{" \
	"\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"disk\",\"operator\":\"" op    \
	"\",\"values\":" values "}]}]}}}"
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
		{",\"nodeSelector\":{\"disk\":\"ssd\"}", "", NULL, NULL},
		{",\"nodeSelector\":{\"disk\":\"tape\"}", "", "NodeAffinity", NO_AFFINITY},
		{AFFINITY("In", "[\"ssd\",\"x\"]"), "", NULL, NULL},
		{AFFINITY("NotIn", "[\"ssd\"]"), "", "NodeAffinity", NO_AFFINITY},
		{AFFINITY("NotIn", "[\"ssd\"]"), PORT("\"hostPort\":80"), "NodeAffinity", NO_AFFINITY},
		{",\"nodeName\":\"n1\"", "", NULL, NULL},
		{",\"nodeName\":\"n2\"", "", "NodeName",
		 "Predicate NodeName failed: node(s) didn't match the requested node name"},
		{",\"tolerations\":[]", "", "TaintToleration",
		 "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"},
		{"", REQUESTS("\"example.com/cards\":\"2\""), NULL, NULL},
		{"", REQUESTS("\"example.com/cards\":\"3\""), "OutOfexample.com/cards",
		 TOO_MUCH("example.com/cards", "3", "1", "3")},
		{"", REQUESTS("\"example.com/of-the-cluster\":\"3\""), NULL, NULL},
		{"", REQUESTS("\"hugepages-2Mi\":\"4Mi\""), "OutOfhugepages-2Mi",
		 TOO_MUCH("hugepages-2Mi", "4194304", "0", "0")},
		{"", REQUESTS("\"cpu\":\"9\",\"memory\":\"9Gi\""), "OutOfcpu",
		 TOO_MUCH("cpu", "9000", "500", "2000")},
		{",\"securityContext\":{\"supplementalGroupsPolicy\":\"Merge\"}", "", NULL, NULL},
		{",\"securityContext\":{\"supplementalGroupsPolicy\":\"Strict\"}", "",
		 "SupplementalGroupsPolicyNotSupported",
		 "SupplementalGroupsPolicy=Strict is not supported in this node"},
		{",\"os\":{\"name\":\"windows\"}", "", "PodOSNotSupported",
		 "Failed to admit pod as the OS field doesn't match node OS"},
		{"os", "", "PodOSSelectorNodeLabelDoesNotMatch",
		 "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"},
	};
	const node_pod *other = make_pod("", REQUESTS("\"cpu\":\"500m\",\"example.com/cards\":\"1\"")
						     PORT("\"hostPort\":80"));
	static const sp_str self = SP_STR_INIT(
		"{\"metadata\":{\"name\":\"n1\",\"labels\":{\"disk\":\"ssd\"}},\"spec\":{\"taints\":["
		"{\"key\":\"k\",\"effect\":\"NoExecute\"},{\"key\":\"l\",\"effect\":\"NoSchedule\"}]},"
		"\"status\":{\"capacity\":{\"example.com/cards\":\"3\"}}}");
	yyjson_val *tree;
	sp_fit_node node;
	T_OK(sp_view(T_ARENA, self, sp_fit_node_view, &node, T_ERR));
	T_OK(sp_json_parse(T_ARENA, self, &tree, T_ERR));
	const node_room room = {.pods = 2,
				.cpu_milli = 2000,
				.memory_bytes = 1000,
				.ephemeral_bytes = 100,
				.self = node,
				.scalars = {sp_view_at(tree, "status.capacity")},
				.others = &other,
				.n_others = 1};
	T_TRUE(other != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_findings f;
		const node_pod *p = make_pod(rows[i].spec, rows[i].container);
		T_TRUE(p != NULL);
		t_row("%s%s", rows[i].spec, rows[i].container);
		T_EQ_I64(node_admission_check(p, &room, &f), rows[i].reason == NULL);
		if (rows[i].reason == NULL)
			continue;
		T_EQ_C(sp_str_c(f.why.reason), rows[i].reason);
		T_EQ_C(sp_str_c(f.why.message), rows[i].message);
	}
}

SP_TEST(node_admission, number_of_pods)
{
	node_findings f;
	const node_pod *p = make_pod("", "");
	const node_pod *others[] = {p, p};
	const node_room room = {.pods = 2, .others = others, .n_others = 2};
	T_TRUE(p != NULL);
	T_TRUE(!node_admission_check(p, &room, &f));
	T_EQ_C(sp_str_c(f.why.reason), "OutOfpods");
	T_EQ_C(sp_str_c(f.why.message), TOO_MUCH("pods", "1", "2", "2"));
}

/* What is found tells whether room alone is missing, and whether the node's labels alone stand against it. */
SP_TEST(node_admission, findings)
{
	static const struct {
		const char *spec, *container, *other;
		size_t n_lacks;
		bool only_affinity;
	} rows[] = {
		{"", REQUESTS("\"cpu\":\"3\",\"memory\":\"2000\""), "", 2, false},
		{",\"nodeSelector\":{\"a\":\"b\"}", "", "NodeAffinity", 0, true},
		{",\"nodeSelector\":{\"a\":\"b\"}", REQUESTS("\"cpu\":\"3\""), "NodeAffinity", 1, false},
		{",\"nodeName\":\"x\",\"nodeSelector\":{\"a\":\"b\"}", "", "NodeAffinity", 0, false},
		{",\"nodeName\":\"x\"", "", "NodeName", 0, false},
	};
	const node_room room = {
		.pods = 2, .cpu_milli = 2000, .memory_bytes = 1000, .self = {.name = SP_STR("n")}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_findings f;
		const node_pod *p = make_pod(rows[i].spec, rows[i].container);
		T_TRUE(p != NULL);
		t_row("%s%s", rows[i].spec, rows[i].container);
		T_TRUE(!node_admission_check(p, &room, &f));
		T_EQ_C(sp_str_c(f.other.reason), rows[i].other);
		T_EQ_U64(f.n_lacks, rows[i].n_lacks);
		T_EQ_I64(f.only_affinity, rows[i].only_affinity);
	}
}

/* ---- sysctls that are allowed beyond the safe ones ---- */

SP_TEST(node_admission, unsafe_sysctls)
{
	static const struct {
		const char *name, *fault; /* fault NULL: allowed */
		bool host_net, host_ipc;
	} rows[] = {
		{"kernel.msgmax", NULL, true, false},
		{"kernel.msgmax", "\"kernel.msgmax\" not allowed with host IPC enabled", false, true},
		{"kernel/msgmnb", NULL, false, false},
		{"kernel.sem", "\"kernel.sem\" not allowlisted", false, false},
		{"net.core.somaxconn", NULL, false, true},
		{"net/core/somaxconn", "\"net.core.somaxconn\" not allowed with host Net enabled", true,
		 false},
		{"net.core.somaxconn2", "\"net.core.somaxconn2\" not allowlisted", false, false},
		{"fs.mqueue.msg_max", NULL, false, false},
		{"net.ipv4.conf.eth0/1.rp_filter", NULL, false, false},
		{"net/ipv4/conf/eth0.1/rp_filter", NULL, false, false},
		{"net.ipv4.tcp_syncookies", NULL, false, false},
		{"", "\"\" not allowlisted", false, false},
	};
	node_sysctls extra;
	T_OK(node_sysctls_parse(SP_STR("kernel.msg*,net/core/somaxconn,fs.mqueue.*,net.ipv4.conf.*"), T_ARENA,
				&extra, T_ERR));
	T_EQ_U64(extra.n, 4);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_err err = {0};
		t_row("%s", rows[i].name);
		T_EQ_I64(node_sysctl_check(&extra, sp_str_c(rows[i].name), rows[i].host_net, rows[i].host_ipc,
					   &err),
			 rows[i].fault == NULL ? SP_OK : SP_EINVAL);
		if (rows[i].fault != NULL)
			T_EQ_C(sp_str_c(err.msg), rows[i].fault);
	}
	T_OK(node_sysctls_parse(SP_STR(""), T_ARENA, &extra, T_ERR));
	T_EQ_U64(extra.n, 0);
}

SP_TEST(node_admission, unsafe_sysctls_that_are_none)
{
#define NOT_A_SYSCTL(name)                                                      \
	"sysctl \"" name "\" must have at most 253 characters and match regex " \
	"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]"
	static const struct {
		const char *text, *fault;
	} rows[] = {
		{"Kernel.x", NOT_A_SYSCTL("Kernel.x")},
		{"kernel.sem,", NOT_A_SYSCTL("")},
		{"net.*.x", NOT_A_SYSCTL("net.*.x")},
		{"net..x", NOT_A_SYSCTL("net..x")},
		{".net", NOT_A_SYSCTL(".net")},
		{"net.a-", NOT_A_SYSCTL("net.a-")},
		{"net-.a", NOT_A_SYSCTL("net-.a")},
		{"vm.swappiness", "the sysctls \"vm.swappiness\" are not known to be namespaced"},
		{"kernel.*", "the sysctls \"kernel.\" are not known to be namespaced"},
		{"*", "the sysctls \"\" are not known to be namespaced"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_sysctls extra;
		sp_err err = {0};
		t_row("%s", rows[i].text);
		T_EQ_I64(node_sysctls_parse(sp_str_c(rows[i].text), T_ARENA, &extra, &err), SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].fault);
	}
}
