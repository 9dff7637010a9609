/* SPDX-License-Identifier: Apache-2.0 */
/* Advice about pods that are valid. U: kubernetes pkg/api/pod/warnings.go, pkg/api/node/util.go. */
#include "base/ip.h"
#include "base/quote.h"
#include "kube/kinds/pod_int.h"
#include "kube/kinds/warn.h"
#include "kube/meta.h"

/* Labels of nodes that have newer names. */
static const struct {
	const char *key, *text;
} old_labels[] = {
	{"beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"},
	{"beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"},
	{"failure-domain.beta.kubernetes.io/region",
	 "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"},
	{"failure-domain.beta.kubernetes.io/zone",
	 "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"},
	{"beta.kubernetes.io/instance-type",
	 "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"},
};

const char *sp_node_label_deprecated(sp_str key)
{
	for (size_t i = 0; i < SP_LEN(old_labels); i++) {
		if (sp_str_eq(key, sp_str_c(old_labels[i].key)))
			return old_labels[i].text;
	}
	return NULL;
}

void sp_node_selector_term_warn(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *term)
{
	SP_KV_EACH (expr, i, sp_kv_list(term, "matchExpressions")) {
		const char *text = sp_node_label_deprecated(sp_kv_str(expr, "key"));
		sp_str key = sp_kv_str(expr, "key");
		if (text != NULL)
			sp_warn_at(c, SP_AT(SP_AT_I(SP_AT(path, "matchExpressions"), i), "key"),
				   SP_FMT " is %s", SP_ARG(key), text);
	}
}

void sp_ip_warn(sp_kind_ctx *c, const sp_path *path, sp_str text)
{
	sp_ip ip;
	char canonical[SP_IP_TEXT_BYTES];
	if (!sp_ip_parse(text, &ip))
		return;
	sp_str want = {canonical, sp_ip_print(canonical, &ip)};
	if (ip.leading_zeros || ip.mapped)
		sp_warn_at(c, path, "non-standard IP address \"" SP_FMT "\" is invalid: use \"" SP_FMT "\"",
			   SP_ARG(text), SP_ARG(want));
	else if (!ip.v4 && !sp_str_eq(want, text))
		sp_warn_at(c, path,
			   "IPv6 address \"" SP_FMT "\" should be in RFC 5952 canonical format (\"" SP_FMT
			   "\")",
			   SP_ARG(text), SP_ARG(want));
}

#define NULL_SELECTOR "a null labelSelector results in matching no pod"
#define REQUIRED_TERMS "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED_TERMS "preferredDuringSchedulingIgnoredDuringExecution"

static void node_warnings(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *spec)
{
	yyjson_mut_val *affinity = sp_kv_path(spec, "affinity", "nodeAffinity", NULL);
	const sp_path *at = SP_AT(path, "affinity.nodeAffinity");
	SP_KV_EACH_MEMBER (key, val, i, sp_kv_map(spec, "nodeSelector")) {
		(void)val;
		const char *text = sp_node_label_deprecated(sp_jmut_str(key));
		if (text != NULL)
			sp_warn_at(c, SP_AT_KEY(SP_AT(path, "nodeSelector"), sp_jmut_str(key)), "%s", text);
	}
	SP_KV_EACH (term, i, sp_kv_list(sp_kv_get(affinity, REQUIRED_TERMS), "nodeSelectorTerms"))
		sp_node_selector_term_warn(c, SP_AT_I(SP_AT(at, REQUIRED_TERMS ".nodeSelectorTerms"), i),
					   term);
	SP_KV_EACH (term, i, sp_kv_list(affinity, PREFERRED_TERMS))
		sp_node_selector_term_warn(c, SP_AT(SP_AT_I(SP_AT(at, PREFERRED_TERMS), i), "preference"),
					   sp_kv_get(term, "preference"));
	SP_KV_EACH (constraint, i, sp_kv_list(spec, "topologySpreadConstraints")) {
		const sp_path *here = SP_AT_I(SP_AT(path, "topologySpreadConstraints"), i);
		sp_str key = sp_kv_str(constraint, "topologyKey");
		const char *text = sp_node_label_deprecated(key);
		if (text != NULL)
			sp_warn_at(c, SP_AT(here, "topologyKey"), SP_FMT " is %s", SP_ARG(key), text);
		if (!sp_kv_has(constraint, "labelSelector"))
			sp_warn_at(c, SP_AT(here, "labelSelector"), NULL_SELECTOR);
	}
}

static void annotation_warnings(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *meta)
{
	static const char *const rows[][2] = {
		{"scheduler.alpha.kubernetes.io/critical-pod",
		 "non-functional in v1.16+; use the \"priorityClassName\" field instead"},
		{"security.alpha.kubernetes.io/sysctls",
		 "non-functional in v1.11+; use the \"sysctls\" field instead"},
		{"security.alpha.kubernetes.io/unsafe-sysctls",
		 "non-functional in v1.11+; use the \"sysctls\" field instead"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (sp_kv_has(sp_kv_get(meta, "annotations"), rows[i][0]))
			sp_warn_at(c, SP_AT_KEY(SP_AT(path, "metadata.annotations"), sp_str_c(rows[i][0])),
				   "%s", rows[i][1]);
	}
}

static void volume_warnings(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *volumes)
{
	static const char *const rows[][3] = {
		{"photonPersistentDisk", "photonPersistentDisk",
		 "deprecated in v1.11, non-functional in v1.16+"},
		{"gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"},
		{"scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
		{"flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"},
		{"storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"},
		{"quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"},
		{"glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
		{"cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"},
		{"rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"},
	};
	SP_KV_EACH (volume, i, volumes) {
		for (size_t k = 0; k < SP_LEN(rows); k++) {
			if (sp_kv_has(volume, rows[k][0]))
				sp_warn_at(c, SP_AT_STR(SP_AT_I(path, i), sp_str_c(rows[k][1])), "%s",
					   rows[k][2]);
		}
		yyjson_mut_val *claim = sp_kv_path(volume, "ephemeral", "volumeClaimTemplate", "spec", NULL);
		if (claim != NULL)
			sp_pvc_spec_warn(c, SP_AT(SP_AT_I(path, i), "ephemeral.volumeClaimTemplate.spec"),
					 claim);
	}
}

/* Entries that come twice by a member. */
static void repeat_warnings(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *list, const char *member)
{
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (item, i, list) {
		sp_str s = sp_kv_str(item, member);
		if (!sp_strset_add(&seen, s, c->errors))
			sp_warn_at(c, SP_AT_STR(SP_AT_I(path, i), sp_str_c(member)),
				   "duplicate %s \"" SP_FMT "\"", member, SP_ARG(s));
	}
}

static void fraction_warnings(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *list)
{
	static const char *const names[] = {"memory", "ephemeral-storage"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		sp_qty q = sp_kv_qty(sp_kv_get(list, names[i]));
		if (sp_qty_milli(&q) % 1000 == 0)
			continue;
		sp_str text = sp_qty_print(c->arena, q);
		sp_warn_at(c, SP_AT_KEY(path, sp_str_c(names[i])),
			   "fractional byte value \"" SP_FMT "\" is invalid, must be an integer",
			   SP_ARG(text));
	}
}

/* A variable that comes again and does not build on its earlier value. */
static void env_warnings(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *env)
{
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (var, i, env) {
		sp_str name = sp_kv_str(var, "name"), value = sp_kv_str(var, "value");
		if (sp_strset_add(&seen, name, c->errors))
			continue;
		sp_str ref = sp_arena_printf(c->arena, "$(" SP_FMT ")", SP_ARG(name));
		if (sp_kv_has(var, "valueFrom") || sp_str_eq(value, ref) || sp_str_find(value, ref) < 0)
			sp_warn_at(c, SP_AT_I(path, i),
				   "hides previous definition of \"" SP_FMT
				   "\", which may be dropped when using apply",
				   SP_ARG(name));
	}
}

/* A port seen before, with its path as text. */
typedef struct port_seen {
	struct port_seen *next; /* of the same number and protocol */
	sp_str where, host_ip;
	int64_t host_port;
} port_seen;

/* Ports of one number and protocol that are compared with each other; a pod with more is odd enough. */
#define PORTS_COMPARED_MAX 64u

typedef struct port_walk {
	sp_kind_ctx *c;
	sp_map by_port, by_name;
} port_walk;

static sp_str path_text(sp_kind_ctx *c, const sp_path *path)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, c->arena->limit_bytes);
	(void)sp_path_write(&out, path);
	return sp_arena_try_dup(c->arena, sp_buf_view(&out));
}

static void port_warning(port_walk *w, const sp_path *path, yyjson_mut_val *port)
{
	sp_kind_ctx *c = w->c;
	sp_str protocol = sp_kv_str(port, "protocol"), name = sp_kv_str(port, "name");
	port_seen *mine = sp_try_new(c->arena, port_seen, 1);
	sp_str key = sp_arena_printf(c->arena, "%lld/" SP_FMT, (long long)sp_kv_i64(port, "containerPort", 0),
				     SP_ARG(protocol));
	SP_KIND_NEED(c, mine != NULL);
	if (mine == NULL)
		return;
	*mine = (port_seen){.where = path_text(c, path),
			    .host_ip = sp_kv_str(port, "hostIP"),
			    .host_port = sp_kv_i64(port, "hostPort", 0)};
	if (mine->host_ip.len > 0 && mine->host_port == 0)
		sp_warn_at(c, path,
			   "hostIP set without hostPort: {Name:" SP_FMT
			   " HostPort:0 ContainerPort:%lld Protocol:" SP_FMT " HostIP:" SP_FMT "}",
			   SP_ARG(name), (long long)sp_kv_i64(port, "containerPort", 0), SP_ARG(protocol),
			   SP_ARG(mine->host_ip));
	size_t n = 0;
	for (port_seen *o = sp_map_get(&w->by_port, key); o != NULL && n < PORTS_COMPARED_MAX;
	     o = o->next, n++) {
		bool same_ip = sp_str_eq(o->host_ip, mine->host_ip);
		const char *how = NULL;
		if (same_ip && o->host_port == mine->host_port)
			how = "duplicate";
		else if (o->host_port == 0 || mine->host_port == 0)
			how = "overlapping";
		else if (o->host_port == mine->host_port && (o->host_ip.len == 0) != (mine->host_ip.len == 0))
			how = "dangerously ambiguous";
		if (how != NULL)
			sp_warn_at(c, path, "%s port definition with " SP_FMT, how, SP_ARG(o->where));
	}
	mine->next = sp_map_get(&w->by_port, key);
	SP_KIND_NEED(c, sp_map_put(&w->by_port, key, mine, NULL) == SP_OK);
	const port_seen *named = name.len > 0 ? sp_map_get(&w->by_name, name) : NULL;
	if (named != NULL)
		sp_warn_at(c, path,
			   "duplicate port name \"" SP_FMT "\" with " SP_FMT
			   ", services and probes that select ports by name will use " SP_FMT,
			   SP_ARG(name), SP_ARG(named->where), SP_ARG(named->where));
	else if (name.len > 0)
		SP_KIND_NEED(c, sp_map_put(&w->by_name, name, mine, NULL) == SP_OK);
}

static void container_warnings(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *spec)
{
	port_walk ports = {.c = c};
	sp_map_init(&ports.by_port);
	sp_map_init(&ports.by_name);
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			const sp_path *at = SP_AT_I(SP_AT_STR(path, sp_str_c(sp_pod_lists[list])), i);
			yyjson_mut_val *resources = sp_kv_get(container, "resources");
			fraction_warnings(c, SP_AT(at, "resources.limits"), sp_kv_get(resources, "limits"));
			fraction_warnings(c, SP_AT(at, "resources.requests"),
					  sp_kv_get(resources, "requests"));
			env_warnings(c, SP_AT(at, "env"), sp_kv_list(container, "env"));
			SP_KV_EACH (port, k, sp_kv_list(container, "ports"))
				port_warning(&ports, SP_AT_I(SP_AT(at, "ports"), k), port);
		}
	}
	sp_map_done(&ports.by_port);
	sp_map_done(&ports.by_name);
}

static void affinity_warnings(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *affinity)
{
	static const char *const kinds[] = {"podAffinity", "podAntiAffinity"};
	for (size_t k = 0; k < SP_LEN(kinds); k++) {
		yyjson_mut_val *side = sp_kv_get(affinity, kinds[k]);
		const sp_path *at = SP_AT_STR(path, sp_str_c(kinds[k]));
		SP_KV_EACH (term, i, sp_kv_list(side, REQUIRED_TERMS)) {
			if (!sp_kv_has(term, "labelSelector"))
				sp_warn_at(c, SP_AT(SP_AT_I(SP_AT(at, REQUIRED_TERMS), i), "labelSelector"),
					   NULL_SELECTOR);
		}
		SP_KV_EACH (term, i, sp_kv_list(side, PREFERRED_TERMS)) {
			if (sp_kv_path(term, "podAffinityTerm", "labelSelector", NULL) == NULL)
				sp_warn_at(c,
					   SP_AT(SP_AT_I(SP_AT(at, PREFERRED_TERMS), i),
						 "podAffinityTerm.labelSelector"),
					   NULL_SELECTOR);
		}
	}
}

/* Old seccomp annotations without the field. */
static void seccomp_warnings(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *spec, yyjson_mut_val *meta)
{
	static const char text[] = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
	static const char pod_key[] = "seccomp.security.alpha.kubernetes.io/pod";
	yyjson_mut_val *annotations = sp_kv_map(meta, "annotations");
	const sp_path *at = SP_AT(path, "metadata.annotations");
	if (annotations == NULL)
		return;
	if (sp_kv_path(spec, "securityContext", "seccompProfile", NULL) == NULL &&
	    sp_kv_has(annotations, pod_key))
		sp_warn_at(c, SP_AT_KEY(at, sp_str_c(pod_key)), "%s", text);
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			sp_str name = sp_kv_str(container, "name");
			sp_str key = sp_arena_printf(c->arena,
						     "container.seccomp.security.alpha.kubernetes.io/" SP_FMT,
						     SP_ARG(name));
			if (sp_kv_path(container, "securityContext", "seccompProfile", NULL) == NULL &&
			    sp_jmut_get(annotations, key) != NULL)
				sp_warn_at(c, SP_AT_KEY(at, key), "%s", text);
		}
	}
}

/* AppArmor annotations of templates; those of pods have become fields. */
static void armor_warnings(sp_kind_ctx *c, const sp_path *root, yyjson_mut_val *spec, yyjson_mut_val *meta)
{
	yyjson_mut_val *annotations = sp_kv_map(meta, "annotations");
	yyjson_mut_val *pod_profile = sp_kv_path(spec, "securityContext", "appArmorProfile", NULL);
	if (root == NULL || annotations == NULL)
		return;
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			sp_str name = sp_kv_str(container, "name");
			sp_str key = sp_arena_printf(c->arena,
						     "container.apparmor.security.beta.kubernetes.io/" SP_FMT,
						     SP_ARG(name));
			yyjson_mut_val *annotation = sp_jmut_get(annotations, key);
			if (annotation == NULL ||
			    sp_kv_path(container, "securityContext", "appArmorProfile", NULL) != NULL ||
			    sp_pod_armor_is(pod_profile, sp_jmut_str(annotation)))
				continue;
			sp_warn_at(c, SP_AT_KEY(SP_AT(root, "metadata.annotations"), key),
				   "deprecated since v1.30; use the \"appArmorProfile\" field instead");
		}
	}
}

static void spec_warnings(sp_kind_ctx *c, const sp_path *root, yyjson_mut_val *spec, yyjson_mut_val *meta)
{
	const sp_path *path = root != NULL ? SP_AT(root, "spec") : SP_PATH("spec");
	node_warnings(c, path, spec);
	annotation_warnings(c, root, meta);
	volume_warnings(c, SP_AT(path, "volumes"), sp_kv_list(spec, "volumes"));
	sp_volume_paths_warn(c, sp_kv_list(spec, "volumes"));
	repeat_warnings(c, SP_AT(path, "hostAliases"), sp_kv_list(spec, "hostAliases"), "ip");
	repeat_warnings(c, SP_AT(path, "imagePullSecrets"), sp_kv_list(spec, "imagePullSecrets"), "name");
	SP_KV_EACH (secret, i, sp_kv_list(spec, "imagePullSecrets")) {
		if (sp_kv_str(secret, "name").len == 0)
			sp_warn_at(c, SP_AT(SP_AT_I(SP_AT(path, "imagePullSecrets"), i), "name"),
				   "invalid empty name \"\"");
	}
	fraction_warnings(c, SP_AT(path, "overhead"), sp_kv_get(spec, "overhead"));
	seccomp_warnings(c, root, spec, meta);
	armor_warnings(c, root, spec, meta);
	container_warnings(c, path, spec);
	if (sp_kv_i64(spec, "terminationGracePeriodSeconds", 0) < 0)
		sp_warn_at(c, SP_AT(path, "terminationGracePeriodSeconds"),
			   "must be >= 0; negative values are invalid and will be treated as 1");
	affinity_warnings(c, SP_AT(path, "affinity"), sp_kv_get(spec, "affinity"));
	SP_KV_EACH (server, i, sp_kv_list(sp_kv_get(spec, "dnsConfig"), "nameservers"))
		sp_ip_warn(c, SP_AT_I(SP_AT(path, "dnsConfig.nameservers"), i), sp_jmut_str(server));
	SP_KV_EACH (alias, i, sp_kv_list(spec, "hostAliases"))
		sp_ip_warn(c, SP_AT(SP_AT_I(SP_AT(path, "hostAliases"), i), "ip"), sp_kv_str(alias, "ip"));
}

void sp_pod_template_warn(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *pod_template)
{
	spec_warnings(c, path, sp_kv_get(pod_template, "spec"), sp_meta(pod_template));
}

void sp_pod_warn(sp_kind_ctx *c, yyjson_mut_val *pod)
{
	sp_str name = sp_meta_name(pod);
	sp_name_faults faults = sp_name_dns1123_label(name);
	if (faults.n > 0) {
		SP_AUTO_BUF text;
		sp_buf_init(&text, 4096);
		for (size_t i = 0; i < faults.n; i++) {
			(void)sp_buf_str(&text, i > 0 ? SP_STR(" ") : SP_STR(""));
			(void)sp_buf_str(&text, faults.items[i].text);
		}
		sp_str all = sp_buf_view(&text);
		sp_warn(c,
			"metadata.name: this is used in the Pod's hostname, which can result in surprising "
			"behavior; a DNS "
			"label is recommended: [" SP_FMT "]",
			SP_ARG(all));
	}
	spec_warnings(c, NULL, sp_kv_get(pod, "spec"), sp_meta(pod));
}
