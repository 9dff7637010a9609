/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a whole PodSpec; parts of it have files of their own. */
#include "kube/kinds/go_json.h"
#include "kube/kinds/pod_int.h"
#include "kube/kinds/resources.h"
#include "kube/meta.h"

static void resource_claim_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *claim)
{
	sp_str name = sp_kv_str(claim, "name"), direct = sp_kv_str(claim, "resourceClaimName");
	sp_str by_template = sp_kv_str(claim, "resourceClaimTemplateName");
	bool has_direct = sp_kv_has(claim, "resourceClaimName");
	bool has_template = sp_kv_has(claim, "resourceClaimTemplateName");
	if (name.len == 0)
		sp_v_required(w->v, SP_AT(path, "name"), "%s", "");
	else if (!sp_strset_add(&w->claims, name, w->v))
		sp_v_duplicate(w->v, SP_AT(path, "name"), name);
	else
		sp_v_dns1123_label(w->v, SP_AT(path, "name"), name);
	if (has_direct == has_template)
		sp_v_invalid(
			w->v, path, sp_bad_text(sp_go_struct(w->arena, &sp_go_pod_resource_claim, claim)),
			"%s",
			has_direct
				? "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be "
				  "specified"
				: "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
	if (has_direct)
		sp_v_dns1123_subdomain(w->v, SP_AT(path, "resourceClaimName"), direct);
	if (has_template)
		sp_v_dns1123_subdomain(w->v, SP_AT(path, "resourceClaimTemplateName"), by_template);
}

static void resource_claims_validate(sp_pod_walk *w, const sp_path *path)
{
	bool mirror = sp_kv_has(sp_kv_get(w->meta, "annotations"), "kubernetes.io/config.mirror");
	SP_KV_EACH (claim, i, sp_kv_list(w->spec, "resourceClaims")) {
		if (mirror)
			sp_v_forbidden(w->v, SP_PATH(""), "static pods do not support resource claims");
		else
			resource_claim_validate(w, SP_AT_I(path, i), claim);
	}
}

static void host_network_validate(sp_pod_walk *w, const sp_path *path)
{
	bool pod = (w->options & SP_POD_IS_POD) != 0;
	if (!sp_kv_bool(w->spec, "hostNetwork"))
		return;
	SP_KV_EACH (container, i, sp_kv_list(w->spec, "containers")) {
		SP_KV_EACH (port, k, sp_kv_list(container, "ports")) {
			int64_t host = sp_kv_i64(port, "hostPort", 0);
			if ((pod || host != 0) && host != sp_kv_i64(port, "containerPort", 0))
				sp_v_invalid(w->v,
					     SP_AT(SP_AT_I(SP_AT(SP_AT_I(path, i), "ports"), k), "hostPort"),
					     host, "must match `containerPort` when `hostNetwork` is true");
		}
	}
}

#define NAMESERVERS_MAX 3u
#define SEARCHES_MAX 32u
#define SEARCH_BYTES_MAX 2048u

static void searches_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *searches)
{
	size_t n = sp_kv_len(searches), bytes = n > 0 ? n - 1 : 0;
	SP_KV_EACH (item, i, searches)
		bytes += sp_jmut_str(item).len;
	if (n > SEARCHES_MAX)
		sp_v_invalid(v, path, searches, "must not have more than %u search paths", SEARCHES_MAX);
	if (bytes > SEARCH_BYTES_MAX)
		sp_v_invalid(v, path, searches,
			     "must not have more than %u characters (including spaces) in the search list",
			     SEARCH_BYTES_MAX);
	SP_KV_EACH (item, i, searches) {
		sp_str s = sp_jmut_str(item);
		if (sp_str_eq(s, SP_STR(".")))
			continue;
		if (sp_str_ends(s, SP_STR(".")))
			s = sp_str_sub(s, 0, s.len - 1);
		sp_v_dns1123_subdomain_underscore(v, SP_AT_I(path, i), s);
	}
}

static void dns_config_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec)
{
	yyjson_mut_val *config = sp_kv_get(spec, "dnsConfig"), *servers = sp_kv_list(config, "nameservers");
	const sp_path *servers_path = SP_AT(path, "nameservers");
	if (sp_kv_is(spec, "dnsPolicy", "None")) {
		if (config == NULL) {
			sp_v_required(v, path, "must provide `dnsConfig` when `dnsPolicy` is None");
			return;
		}
		if (servers == NULL) {
			sp_v_required(v, servers_path,
				      "must provide at least one DNS nameserver when `dnsPolicy` is None");
			return;
		}
	}
	if (sp_kv_len(servers) > NAMESERVERS_MAX)
		sp_v_invalid(v, servers_path, servers, "must not have more than %u nameservers",
			     NAMESERVERS_MAX);
	SP_KV_EACH (server, i, servers)
		sp_v_ip_legacy(v, SP_AT_I(servers_path, i), sp_jmut_str(server), NULL);
	searches_validate(v, SP_AT(path, "searches"), sp_kv_list(config, "searches"));
	SP_KV_EACH (option, i, sp_kv_list(config, "options")) {
		if (sp_kv_str(option, "name").len == 0)
			sp_v_required(v, SP_AT_I(SP_AT(path, "options"), i), "must not be empty");
	}
}

static void gates_validate(sp_pod_walk *w, const sp_path *path)
{
	const sp_path *scheduling = SP_AT(path, "schedulingGates");
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (gate, i, sp_kv_list(w->spec, "readinessGates"))
		sp_v_qualified_name(w->v, SP_AT(SP_AT_I(SP_AT(path, "readinessGates"), i), "conditionType"),
				    sp_kv_str(gate, "conditionType"));
	SP_KV_EACH (gate, i, sp_kv_list(w->spec, "schedulingGates")) {
		sp_str name = sp_kv_str(gate, "name");
		sp_v_qualified_name(w->v, SP_AT_I(scheduling, i), name);
		if (!sp_strset_add(&seen, name, w->v))
			sp_v_duplicate(w->v, SP_AT_I(scheduling, i), name);
	}
}

/* A pod in a user namespace of its own may not share the host's others. */
static void host_users_validate(sp_pod_walk *w, const sp_path *path)
{
	static const char why[] = "when `hostUsers` is false";
	if (w->host_users)
		return;
	if (sp_kv_bool(w->spec, "hostNetwork"))
		sp_v_forbidden(w->v, SP_AT(path, "hostNetwork"), "%s", why);
	if (sp_kv_bool(w->spec, "hostPID"))
		sp_v_forbidden(w->v, SP_AT(path, "HostPID"), "%s", why);
	if (sp_kv_bool(w->spec, "hostIPC"))
		sp_v_forbidden(w->v, SP_AT(path, "HostIPC"), "%s", why);
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS && (w->options & SP_POD_USERNS_DEVICES) == 0;
	     list++) {
		SP_KV_EACH (container, i, sp_kv_list(w->spec, sp_pod_lists[list])) {
			if (sp_kv_list(container, "volumeDevices") != NULL)
				sp_v_forbidden(
					w->v,
					SP_AT(SP_AT_I(SP_AT_STR(path, sp_str_c(sp_pod_lists[list])), i),
					      "volumeDevices"),
					"%s", why);
		}
	}
}

static void hostnames_validate(sp_pod_walk *w, const sp_path *path)
{
	sp_str hostname = sp_kv_str(w->spec, "hostname"), subdomain = sp_kv_str(w->spec, "subdomain");
	sp_str fixed = sp_kv_str(w->spec, "hostnameOverride");
	const sp_path *at = SP_AT(path, "hostnameOverride");
	if (hostname.len > 0)
		sp_v_dns1123_label(w->v, SP_AT(path, "hostname"), hostname);
	if (subdomain.len > 0)
		sp_v_dns1123_label(w->v, SP_AT(path, "subdomain"), subdomain);
	if (!sp_kv_has(w->spec, "hostnameOverride"))
		return;
	if (sp_kv_bool(w->spec, "setHostnameAsFQDN"))
		sp_v_forbidden(w->v, at, "may not be specified when setHostnameAsFQDN is true");
	if (sp_kv_bool(w->spec, "hostNetwork"))
		sp_v_forbidden(w->v, at, "may not be specified when hostNetwork is true");
	if (fixed.len > 64)
		sp_v_too_long(w->v, at, 64);
	sp_v_dns1123_subdomain(w->v, at, fixed);
}

static void host_aliases_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *aliases)
{
	SP_KV_EACH (alias, i, aliases) {
		const sp_path *at = SP_AT_I(path, i);
		sp_v_ip_legacy(v, SP_AT(at, "ip"), sp_kv_str(alias, "ip"), NULL);
		SP_KV_EACH (name, k, sp_kv_list(alias, "hostnames"))
			sp_v_dns1123_subdomain(v, SP_AT_I(SP_AT(at, "hostnames"), k), sp_jmut_str(name));
	}
}

/* Single fields that are names of other objects. */
static void references_validate(sp_pod_walk *w, const sp_path *path)
{
	static const char *const names[] = {"serviceAccountName", "nodeName", "priorityClassName",
					    "runtimeClassName"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		sp_str s = sp_kv_str(w->spec, names[i]);
		bool pointer = i == 3; /* an empty one is set, and wrong */
		if (s.len > 0 || (pointer && sp_kv_has(w->spec, names[i])))
			sp_v_dns1123_subdomain(w->v, SP_AT_STR(path, sp_str_c(names[i])), s);
	}
}

/* overhead is checked as if it were limits of a container. */
static void overhead_validate(sp_pod_walk *w, const sp_path *path)
{
	yyjson_mut_val *overhead = sp_kv_map(w->spec, "overhead");
	if (overhead == NULL)
		return;
	yyjson_mut_doc *doc = sp_json_doc(w->arena);
	yyjson_mut_val *as_limits = doc != NULL ? yyjson_mut_obj(doc) : NULL;
	yyjson_mut_val *copy = as_limits != NULL ? yyjson_mut_val_mut_copy(doc, overhead) : NULL;
	if (copy == NULL || !sp_kv_set(doc, as_limits, "limits", copy)) {
		w->v->code = SP_ETOOLARGE;
		return;
	}
	sp_res_requirements_validate(
		w->v, path, as_limits, NULL,
		(w->options & SP_POD_INDIVISIBLE_HUGEPAGES) != 0 ? SP_RES_INDIVISIBLE_HUGEPAGES : 0);
}

static void policies_validate(sp_pod_walk *w, const sp_path *path)
{
	static const char *const restarts[] = {"Always", "OnFailure", "Never"};
	static const char *const dns[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"};
	static const char *const preemption[] = {"PreemptLowerPriority", "Never"};
	SP_V_ENUM(w->v, SP_AT(path, "restartPolicy"), w->restart_policy, restarts);
	SP_V_ENUM(w->v, SP_AT(path, "dnsPolicy"), sp_kv_str(w->spec, "dnsPolicy"), dns);
	if (sp_kv_has(w->spec, "preemptionPolicy"))
		SP_V_ENUM(w->v, SP_AT(path, "preemptionPolicy"), sp_kv_str(w->spec, "preemptionPolicy"),
			  preemption);
	if (sp_kv_has(w->spec, "activeDeadlineSeconds"))
		sp_v_range(w->v, SP_AT(path, "activeDeadlineSeconds"),
			   sp_kv_i64(w->spec, "activeDeadlineSeconds", 0), 1, INT32_MAX);
}

static void spec_walk(sp_pod_walk *w, const sp_path *path)
{
	if (!sp_kv_has(w->spec, "terminationGracePeriodSeconds"))
		sp_v_required(w->v, SP_AT(path, "terminationGracePeriodSeconds"), "%s", "");
	sp_pod_volumes_validate(w, SP_AT(path, "volumes"));
	resource_claims_validate(w, SP_AT(path, "resourceClaims"));
	sp_pod_containers_validate(w, path);
	sp_pod_level_resources_validate(w, path);
	host_network_validate(w, SP_AT(path, "containers"));
	policies_validate(w, path);
	sp_labels_validate(w->v, SP_AT(path, "nodeSelector"), sp_kv_map(w->spec, "nodeSelector"));
	sp_pod_security_validate(w, path);
	sp_pod_affinity_validate(w, SP_AT(path, "affinity"), sp_kv_get(w->spec, "affinity"));
	dns_config_validate(w->v, SP_AT(path, "dnsConfig"), w->spec);
	gates_validate(w, path);
	sp_pod_spread_validate(w, SP_AT(path, "topologySpreadConstraints"),
			       sp_kv_list(w->spec, "topologySpreadConstraints"));
	sp_pod_host_process_validate(w, path);
	host_users_validate(w, path);
	hostnames_validate(w, path);
	references_validate(w, path);
	sp_pod_tolerations_validate(w->v, SP_AT(path, "tolerations"), sp_kv_list(w->spec, "tolerations"));
	host_aliases_validate(w->v, SP_AT(path, "hostAliases"), sp_kv_list(w->spec, "hostAliases"));
	overhead_validate(w, SP_AT(path, "overhead"));
	sp_pod_os_validate(w, path);
	sp_pod_file_keys_validate(w, path);
}

static sp_pod_walk walk_of(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *meta, unsigned options)
{
	return (sp_pod_walk){.arena = c->arena,
			     .v = c->errors,
			     .options = options,
			     .spec = spec,
			     .meta = meta,
			     .host_users = !yyjson_mut_is_false(sp_kv_get(spec, "hostUsers")),
			     .no_privileged = c->no_privileged,
			     .restart_policy = sp_kv_str(spec, "restartPolicy"),
			     .os = sp_kv_str(sp_kv_get(spec, "os"), "name")};
}

static void walk_done(sp_pod_walk *w)
{
	sp_map_done(&w->volumes);
	sp_strset_done(&w->claims);
}

void sp_pod_spec_validate(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *meta, const sp_path *path,
			  unsigned options)
{
	sp_pod_walk w = walk_of(c, spec, meta, options);
	spec_walk(&w, path);
	walk_done(&w);
}

void sp_pod_template_validate(sp_kind_ctx *c, yyjson_mut_val *pod_template, const sp_path *path,
			      unsigned options)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *meta = sp_meta(pod_template), *spec = sp_kv_get(pod_template, "spec");
	const sp_path *annotations = SP_AT(path, "annotations"); /* upstream leaves out "metadata" */
	sp_labels_validate(v, SP_AT(path, "labels"), sp_kv_map(meta, "labels"));
	sp_annotations_validate(v, annotations, sp_kv_map(meta, "annotations"));
	sp_pod_walk w = walk_of(c, spec, NULL, options);
	sp_pod_annotations_validate(&w, annotations, sp_kv_map(meta, "annotations"));
	spec_walk(&w, SP_AT(path, "spec"));
	sp_pod_annotations_match(&w, SP_AT(path, "spec"), sp_kv_map(meta, "annotations"));
	walk_done(&w);
	if (sp_kv_list(spec, "ephemeralContainers") != NULL)
		sp_v_forbidden(v, SP_AT(path, "spec.ephemeralContainers"),
			       "ephemeral containers not allowed in pod "
			       "template");
}

/* A token for a service account that the pod does not name. */
static void tokens_validate(sp_pod_walk *w, const sp_path *path)
{
	if (sp_kv_str(w->spec, "serviceAccountName").len > 0)
		return;
	SP_KV_EACH (volume, i, sp_kv_list(w->spec, "volumes")) {
		SP_KV_EACH (source, k, sp_kv_list(sp_kv_get(volume, "projected"), "sources")) {
			if (sp_kv_has(source, "serviceAccountToken"))
				sp_v_forbidden(w->v,
					       SP_AT(SP_AT_I(SP_AT(SP_AT_I(SP_AT(path, "volumes"), i),
								   "projected.sources"),
							     k),
						     "serviceAccountToken"),
					       "must not be specified when serviceAccountName is not set");
		}
	}
}

void sp_pod_whole_validate(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options, bool create)
{
	const sp_path *path = SP_PATH("spec");
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *annotations = sp_kv_map(sp_meta(obj), "annotations");
	sp_pod_walk w = walk_of(c, spec, sp_meta(obj), options);
	sp_meta_validate(c, obj);
	sp_pod_annotations_validate(&w, SP_PATH("metadata.annotations"), annotations);
	spec_walk(&w, path);
	tokens_validate(&w, path);
	for (size_t list = SP_POD_INIT; list <= SP_POD_REGULAR; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list]))
			sp_pod_image_blanks_validate(
				w.v, SP_AT_I(SP_AT_STR(path, sp_str_c(sp_pod_lists[list])), i), container);
	}
	if (create)
		sp_pod_annotations_match(&w, path, annotations);
	walk_done(&w);
}
