/* SPDX-License-Identifier: Apache-2.0 */
/* The Pod Security Standards, a pod a row. Texts are those of pod-security-admission's own tests. */
#include "apiserver/admission/pod_policy.h"
#include "lib/t.h"

typedef struct row {
	api_pod_level level;
	uint32_t minor;
	const char *pod, *want;
} row;

static void check(const row *r)
{
	yyjson_mut_val *pod = NULL;
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	T_OK(sp_json_parse_mut(T_ARENA, sp_str_c(r->pod), doc, &pod, T_ERR));
	sp_str got = api_pod_violations(T_ARENA, r->level, r->minor, sp_kv_get(pod, "metadata"),
					sp_kv_get(pod, "spec"), true);
	T_TRUE(got.ptr != NULL);
	T_EQ_C(got, r->want);
}

#define C(more) "{\"spec\":{\"containers\":[{\"name\":\"a\"" more "}]}}"
#define C2(more) "{\"spec\":{\"containers\":[{\"name\":\"a\"" more "},{\"name\":\"b\"" more "}]}}"
#define P(more) "{\"spec\":{" more ",\"containers\":[{\"name\":\"a\"}]}}"
#define SC(more) ",\"securityContext\":{" more "}"
#define GOOD                                                                                               \
	"\"securityContext\":{\"allowPrivilegeEscalation\":false,\"runAsNonRoot\":true,\"capabilities\":{" \
	"\"drop\":[\"ALL\"]},\"seccompProfile\":{\"type\":\"RuntimeDefault\"}}"

static const row baseline[] = {
	{API_POD_PRIVILEGED, API_POD_LATEST, P("\"hostNetwork\":true"), ""},
	{API_POD_BASELINE, API_POD_LATEST, C(""), ""},
	{API_POD_BASELINE, 0, P("\"hostPID\":true,\"hostIPC\":true"),
	 "host namespaces (hostPID=true, hostIPC=true)"},
	{API_POD_BASELINE, 0, C2(SC("\"privileged\":true")),
	 "privileged (containers \"a\", \"b\" must not set securityContext.privileged=true)"},
	{API_POD_BASELINE, 0, C(SC("\"capabilities\":{\"add\":[\"X\",\"B\",\"CHOWN\"]}")),
	 "non-default capabilities (container \"a\" must not include \"B\", \"X\" in "
	 "securityContext.capabilities.add)"},
	{API_POD_BASELINE, 0,
	 P("\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/\"}},{\"name\":\"w\","
	   "\"hostPath\":{\"path\":\"/\"}}]"),
	 "hostPath volumes (volumes \"v\", \"w\")"},
	{API_POD_BASELINE, 0, C2(",\"ports\":[{\"hostPort\":81},{\"hostPort\":9}]"),
	 "hostPort (containers \"a\", \"b\" use hostPorts 81, 9)"},
	{API_POD_BASELINE, 33, C(",\"livenessProbe\":{\"httpGet\":{\"host\":\"h\"}}"), ""},
	{API_POD_BASELINE, 34, C(",\"livenessProbe\":{\"httpGet\":{\"host\":\"h\"}}"),
	 "probe or lifecycle host (container \"a\" uses probe or lifecycle host \"h\")"},
	{API_POD_BASELINE, 0, C(SC("\"procMount\":\"Unmasked\"")),
	 "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")"},
	{API_POD_BASELINE, 35,
	 "{\"spec\":{\"hostUsers\":false,\"containers\":[{\"name\":\"a\"" SC(
		 "\"procMount\":\"Unmasked\"") "}]}}",
	 ""},
	{API_POD_BASELINE, 30, C(SC("\"seLinuxOptions\":{\"type\":\"container_engine_t\"}")),
	 "seLinuxOptions (container \"a\" set forbidden securityContext.seLinuxOptions: type "
	 "\"container_engine_t\")"},
	{API_POD_BASELINE, 31, C(SC("\"seLinuxOptions\":{\"type\":\"container_engine_t\"}")), ""},
	{API_POD_BASELINE, 31, P("\"securityContext\":{\"seLinuxOptions\":{\"user\":\"u\",\"role\":\"r\"}}"),
	 "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: user may not be set; role may "
	 "not "
	 "be set)"},
	{API_POD_BASELINE, 18,
	 "{\"metadata\":{\"annotations\":{\"seccomp.security.alpha.kubernetes.io/pod\":\"unconfined\"}},"
	 "\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
	 "seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")"},
	{API_POD_BASELINE, 19, C(SC("\"seccompProfile\":{\"type\":\"Unconfined\"}")),
	 "seccompProfile (container \"a\" must not set securityContext.seccompProfile.type to "
	 "\"Unconfined\")"},
	{API_POD_BASELINE, 28,
	 P("\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.tcp_rmem\"},{\"name\":"
	   "\"net.ipv4.tcp_syncookies\"}]}"),
	 "forbidden sysctls (net.ipv4.tcp_rmem)"},
	{API_POD_BASELINE, 32, P("\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.tcp_rmem\"}]}"), ""},
	{API_POD_BASELINE, 0, P("\"securityContext\":{\"windowsOptions\":{\"hostProcess\":true}}"),
	 "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)"},
	{API_POD_BASELINE, 0,
	 "{\"metadata\":{\"annotations\":{\"container.apparmor.security.beta.kubernetes.io/"
	 "a\":\"unconfined\"}"
	 "},\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
	 "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
	 "\"container.apparmor.security.beta.kubernetes.io/a=\"unconfined\"\")"},
};

SP_TEST(api_pod_policy, baseline)
{
	for (size_t i = 0; i < SP_LEN(baseline); i++) {
		t_row("%zu", i);
		check(&baseline[i]);
	}
}

static const row restricted[] = {
	{API_POD_RESTRICTED, API_POD_LATEST, C("," GOOD), ""},
	{API_POD_RESTRICTED, 7, C(""),
	 "runAsNonRoot != true (pod or container \"a\" must set securityContext.runAsNonRoot=true)"},
	{API_POD_RESTRICTED, API_POD_LATEST, C(""),
	 "allowPrivilegeEscalation != false (container \"a\" must set "
	 "securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"a\" must "
	 "set "
	 "securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"a\" must "
	 "set "
	 "securityContext.runAsNonRoot=true), seccompProfile (pod or container \"a\" must set "
	 "securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"},
	{API_POD_RESTRICTED, 25,
	 "{\"spec\":{\"os\":{\"name\":\"windows\"},\"securityContext\":{\"runAsNonRoot\":true},"
	 "\"containers\":[{"
	 "\"name\":\"a\"}]}}",
	 ""},
	{API_POD_RESTRICTED, 35,
	 "{\"spec\":{\"hostUsers\":false,\"os\":{\"name\":\"windows\"},\"securityContext\":{\"runAsUser\":0},"
	 "\"containers\":[{\"name\":\"a\"}]}}",
	 ""},
	{API_POD_RESTRICTED, 23,
	 "{\"spec\":{\"securityContext\":{\"runAsUser\":0},\"containers\":[{\"name\":\"a\"," GOOD "}]}}",
	 "runAsUser=0 (pod must not set runAsUser=0)"},
	{API_POD_RESTRICTED, 22,
	 "{\"spec\":{\"securityContext\":{\"runAsUser\":0},\"containers\":[{\"name\":\"a\"," GOOD "}]}}", ""},
	{API_POD_RESTRICTED, 30,
	 "{\"spec\":{\"volumes\":[{\"name\":\"h\",\"hostPath\":{}},{\"name\":\"n\",\"nfs\":{}},{\"name\":"
	 "\"c\","
	 "\"configMap\":{}}],\"containers\":[{\"name\":\"a\"," GOOD "}]}}",
	 "restricted volume types (volumes \"h\", \"n\" use restricted volume types \"hostPath\", \"nfs\")"},
	{API_POD_RESTRICTED, 30,
	 "{\"spec\":{\"containers\":[{\"name\":\"a\",\"securityContext\":{\"allowPrivilegeEscalation\":false,"
	 "\"runAsNonRoot\":false,\"capabilities\":{\"add\":[\"CHOWN\",\"NET_BIND_SERVICE\"]},"
	 "\"seccompProfile\":"
	 "{\"type\":\"Localhost\"}}}]}}",
	 "unrestricted capabilities (container \"a\" must set securityContext.capabilities.drop=[\"ALL\"]; "
	 "container \"a\" must not include \"CHOWN\" in securityContext.capabilities.add), runAsNonRoot != "
	 "true "
	 "(container \"a\" must not set securityContext.runAsNonRoot=false)"},
};

SP_TEST(api_pod_policy, restricted)
{
	for (size_t i = 0; i < SP_LEN(restricted); i++) {
		t_row("%zu", i);
		check(&restricted[i]);
	}
}
