/* SPDX-License-Identifier: Apache-2.0 */
/* Priority levels and flow schemas, mandatory and suggested. U: apiserver
 * pkg/apis/flowcontrol/bootstrap/default.go. */
#include "apiserver/bootstrap/run.h"
#include "kube/meta.h"

#define GROUP "flowcontrol.apiserver.k8s.io"
#define META "\"metadata\":{\"annotations\":{\"apf.kubernetes.io/autoupdate-spec\":\"true\"}}"
#define TEXT_BYTES_MAX ((size_t)16 << 10)

static const struct {
	const char *name;
	bool exempt;
	uint16_t shares, lendable_percent;
	uint16_t queues, hand_size; /* 0: what can't run is refused */
} levels[] = {
	{"catch-all", false, 5, 0, 0, 0},         {"exempt", true, 0, 0, 0, 0},
	{"system", false, 30, 33, 64, 6},         {"node-high", false, 40, 25, 64, 6},
	{"leader-election", false, 10, 0, 16, 4}, {"workload-high", false, 40, 50, 128, 6},
	{"workload-low", false, 100, 90, 128, 6}, {"global-default", false, 20, 50, 128, 6},
};

typedef struct subject {
	const char *kind, *ns, *name;
} subject;

static const subject everybody[] = {{"Group", NULL, "system:unauthenticated"},
				    {"Group", NULL, "system:authenticated"}};
static const subject masters[] = {{"Group", NULL, "system:masters"}};
static const subject nodes[] = {{"Group", NULL, "system:nodes"}};
static const subject accounts[] = {{"Group", NULL, "system:serviceaccounts"}};
static const subject system_accounts[] = {{"ServiceAccount", "kube-system", "*"}};
static const subject manager[] = {{"User", NULL, "system:kube-controller-manager"}};
static const subject scheduler[] = {{"User", NULL, "system:kube-scheduler"}};
static const subject leaders[] = {{"User", NULL, "system:kube-controller-manager"},
				  {"User", NULL, "system:kube-scheduler"},
				  {"ServiceAccount", "kube-system", "*"}};

typedef struct rule {
	const char *verbs, *group, *resources; /* JSON lists; group alone is a text */
	bool cluster_scope;
} rule;

static const rule everything[] = {{"[\"*\"]", "*", "[\"*\"]", true}};
static const rule leases[] = {
	{"[\"get\",\"create\",\"update\"]", "coordination.k8s.io", "[\"leases\"]", false}};
static const rule node_health[] = {{"[\"*\"]", "", "[\"nodes\",\"nodes/status\"]", true},
				   {"[\"*\"]", "coordination.k8s.io", "[\"leases\"]", false}};

#define ALL_PATHS "[{\"verbs\":[\"*\"],\"nonResourceURLs\":[\"*\"]}]"
#define PROBE_PATHS "[{\"verbs\":[\"get\"],\"nonResourceURLs\":[\"/healthz\",\"/readyz\",\"/livez\"]}]"
#define LIST(table) table, SP_LEN(table)

static const struct {
	const char *name, *level;
	uint16_t precedence;
	const char *by; /* what tells flows apart, or NULL */
	const subject *subjects;
	size_t n_subjects;
	const rule *rules;
	size_t n_rules;
	const char *paths; /* or NULL */
} schemas[] = {
	{"exempt", "exempt", 1, NULL, LIST(masters), LIST(everything), ALL_PATHS},
	{"catch-all", "catch-all", 10000, "ByUser", LIST(everybody), LIST(everything), ALL_PATHS},
	{"system-nodes", "system", 500, "ByUser", LIST(nodes), LIST(everything), ALL_PATHS},
	{"system-node-high", "node-high", 400, "ByUser", LIST(nodes), LIST(node_health), NULL},
	{"probes", "exempt", 2, NULL, LIST(everybody), NULL, 0, PROBE_PATHS},
	{"system-leader-election", "leader-election", 100, "ByUser", LIST(leaders), LIST(leases), NULL},
	{"kube-controller-manager", "workload-high", 800, "ByNamespace", LIST(manager), LIST(everything),
	 ALL_PATHS},
	{"kube-scheduler", "workload-high", 800, "ByNamespace", LIST(scheduler), LIST(everything), ALL_PATHS},
	{"kube-system-service-accounts", "workload-high", 900, "ByNamespace", LIST(system_accounts),
	 LIST(everything), ALL_PATHS},
	{"service-accounts", "workload-low", 9000, "ByUser", LIST(accounts), LIST(everything), ALL_PATHS},
	{"global-default", "global-default", 9900, "ByUser", LIST(everybody), LIST(everything), ALL_PATHS},
};

/* The spec is ours as long as the annotation says so. */
static bool merge(boot *b, yyjson_mut_val *obj, yyjson_mut_val *want)
{
	return !sp_str_eq(sp_meta_annotation(obj, "apf.kubernetes.io/autoupdate-spec"), SP_STR("true")) ||
	       sp_kv_copy(boot_doc(b), obj, want, "spec");
}

static void put_level(boot *b, size_t i)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	const boot_where where = {
		GROUP, "v1", "prioritylevelconfigurations", {NULL, 0}, sp_str_c(levels[i].name)};
	(void)sp_buf_printf(&text,
			    "{" META ",\"spec\":{\"type\":\"%s\",\"%s\":{\"nominalConcurrencyShares\":%u,"
			    "\"lendablePercent\":%u",
			    levels[i].exempt ? "Exempt" : "Limited", levels[i].exempt ? "exempt" : "limited",
			    levels[i].shares, levels[i].lendable_percent);
	if (levels[i].queues > 0)
		(void)sp_buf_printf(&text,
				    ",\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{\"queues\":%u,"
				    "\"handSize\":%u,\"queueLengthLimit\":50}}",
				    levels[i].queues, levels[i].hand_size);
	else if (!levels[i].exempt)
		(void)sp_buf_str(&text, SP_STR(",\"limitResponse\":{\"type\":\"Reject\"}"));
	(void)sp_buf_str(&text, SP_STR("}}}"));
	boot_put(b, &where, merge, sp_buf_view(&text));
}

static void write_subject(sp_buf *out, const subject *s)
{
	static const struct {
		const char *kind, *member;
	} members[] = {{"Group", "group"}, {"User", "user"}, {"ServiceAccount", "serviceAccount"}};
	for (size_t i = 0; i < SP_LEN(members); i++) {
		if (strcmp(members[i].kind, s->kind) == 0)
			(void)sp_buf_printf(out, "{\"kind\":\"%s\",\"%s\":{", s->kind, members[i].member);
	}
	if (s->ns != NULL)
		(void)sp_buf_printf(out, "\"namespace\":\"%s\",", s->ns);
	(void)sp_buf_printf(out, "\"name\":\"%s\"}}", s->name);
}

static void put_schema(boot *b, size_t i)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	const boot_where where = {GROUP, "v1", "flowschemas", {NULL, 0}, sp_str_c(schemas[i].name)};
	(void)sp_buf_printf(&text,
			    "{" META ",\"spec\":{\"priorityLevelConfiguration\":{\"name\":\"%s\"},"
			    "\"matchingPrecedence\":%u,",
			    schemas[i].level, schemas[i].precedence);
	if (schemas[i].by != NULL)
		(void)sp_buf_printf(&text, "\"distinguisherMethod\":{\"type\":\"%s\"},", schemas[i].by);
	(void)sp_buf_str(&text, SP_STR("\"rules\":[{\"subjects\":["));
	for (size_t k = 0; k < schemas[i].n_subjects; k++) {
		(void)sp_buf_str(&text, k > 0 ? SP_STR(",") : SP_STR(""));
		write_subject(&text, &schemas[i].subjects[k]);
	}
	(void)sp_buf_str(&text, schemas[i].n_rules > 0 ? SP_STR("],\"resourceRules\":[") : SP_STR("]"));
	for (size_t k = 0; k < schemas[i].n_rules; k++) {
		const rule *r = &schemas[i].rules[k];
		(void)sp_buf_printf(&text,
				    "%s{\"verbs\":%s,\"apiGroups\":[\"%s\"],\"resources\":%s,%s"
				    "\"namespaces\":[\"*\"]}",
				    k > 0 ? "," : "", r->verbs, r->group, r->resources,
				    r->cluster_scope ? "\"clusterScope\":true," : "");
	}
	(void)sp_buf_printf(&text, "%s%s%s}]}", schemas[i].n_rules > 0 ? "]" : "",
			    schemas[i].paths != NULL ? ",\"nonResourceRules\":" : "",
			    schemas[i].paths != NULL ? schemas[i].paths : "");
	sp_str now = boot_now(b);
	(void)sp_buf_printf(
		&text,
		",\"status\":{\"conditions\":[{\"type\":\"Dangling\",\"status\":\"False\","
		"\"lastTransitionTime\":\"" SP_FMT "\",\"reason\":\"Found\",\"message\":\"This FlowSchema "
		"references the PriorityLevelConfiguration object named \\\"%s\\\" and it exists\"}]}}",
		SP_ARG(now), schemas[i].level);
	boot_put(b, &where, merge, sp_buf_view(&text));
}

void boot_put_flow(boot *b)
{
	for (size_t i = 0; i < SP_LEN(levels); i++)
		put_level(b, i);
	for (size_t i = 0; i < SP_LEN(schemas); i++)
		put_schema(b, i);
}
