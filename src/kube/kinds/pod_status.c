/* SPDX-License-Identifier: Apache-2.0 */
/* What a status write of a pod may say. */
#include "base/ip.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/pod_int.h"
#include "kube/kinds/resources.h"
#include "kube/meta.h"

static void conditions_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *conditions)
{
	static const char *const own[] = {"PodScheduled", "Ready", "Initialized"};
	SP_KV_EACH (cond, i, conditions) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str type = sp_kv_str(cond, "type");
		int64_t generation = sp_kv_i64(cond, "observedGeneration", 0);
		if (generation < 0)
			sp_v_invalid(v, SP_AT(at, "observedGeneration"), generation,
				     "must be a non-negative integer");
		if (!SP_STR_IN(type, own))
			sp_v_qualified_name(v, SP_AT(at, "Type"), type);
	}
}

/* True when a container that ended with that code may start again. */
static bool may_restart(yyjson_mut_val *container, sp_str pod_policy, int64_t code)
{
	sp_str policy =
		sp_kv_has(container, "restartPolicy") ? sp_kv_str(container, "restartPolicy") : pod_policy;
	SP_KV_EACH (rule, i, sp_kv_list(container, "restartPolicyRules")) {
		yyjson_mut_val *codes = sp_kv_get(rule, "exitCodes");
		bool in = false;
		SP_KV_EACH (val, k, sp_kv_list(codes, "values"))
			in = in || sp_kv_num(val, -1) == code;
		if (codes != NULL && in == sp_kv_is(codes, "operator", "In"))
			return true; /* both actions there are restart it */
	}
	if (sp_str_eq(policy, SP_STR("Never")))
		return false;
	return !sp_str_eq(policy, SP_STR("OnFailure")) || code != 0;
}

static bool all_may_restart(yyjson_mut_val *spec)
{
	for (size_t list = SP_POD_INIT; list <= SP_POD_REGULAR; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			SP_KV_EACH (rule, k, sp_kv_list(container, "restartPolicyRules")) {
				if (sp_kv_is(rule, "action", "RestartAllContainers"))
					return true;
			}
		}
	}
	return false;
}

static bool by_name(sp_violations *v, sp_map *map, yyjson_mut_val *list)
{
	SP_KV_EACH (item, i, list) {
		sp_str name = sp_kv_str(item, "name");
		if (sp_map_get(map, name) == NULL && sp_map_put(map, name, item, NULL) != SP_OK) {
			v->code = SP_ENOMEM;
			return false;
		}
	}
	return true;
}

/* A container that has ended stays so, unless it may restart. `containers` is NULL for ephemeral ones. */
static void transitions_validate(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *now,
				 yyjson_mut_val *was, yyjson_mut_val *containers, sp_str pod_policy)
{
	sp_map statuses, specs;
	sp_map_init(&statuses);
	sp_map_init(&specs);
	bool ok = by_name(c->errors, &statuses, now) && by_name(c->errors, &specs, containers);
	SP_KV_EACH (old, i, ok ? was : NULL) {
		yyjson_mut_val *ended = sp_kv_path(old, "state", "terminated", NULL);
		yyjson_mut_val *fresh = sp_map_get(&statuses, sp_kv_str(old, "name"));
		yyjson_mut_val *container = sp_map_get(&specs, sp_kv_str(old, "name"));
		if (ended == NULL || fresh == NULL || sp_kv_path(fresh, "state", "terminated", NULL) != NULL)
			continue;
		if (container != NULL && may_restart(container, pod_policy, sp_kv_i64(ended, "exitCode", 0)))
			continue;
		sp_v_forbidden(c->errors, SP_AT(SP_AT_I(path, i), "state"),
			       "may not be transitioned to non-terminated state");
	}
	sp_map_done(&statuses);
	sp_map_done(&specs);
}

static bool knows_ip(yyjson_mut_val *list, sp_str ip)
{
	SP_KV_EACH (item, i, list) {
		if (sp_str_eq(sp_kv_str(item, "ip"), ip))
			return true;
	}
	return false;
}

/* At most one address per family; old texts may stay as they are. */
static void ips_validate(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *was)
{
	size_t n[2] = {0, 0};
	SP_KV_EACH (item, i, now) {
		sp_str text = sp_kv_str(item, "ip");
		sp_ip ip;
		if (i < 16 &&
		    !knows_ip(was, text)) /* more are refused below, one by one they say nothing new */
			sp_v_ip_legacy(c->errors, SP_AT_I(path, i), text, NULL);
		if (sp_ip_parse(text, &ip))
			n[ip.v4]++;
	}
	if (sp_kv_len(now) > 1 && (n[0] != 1 || n[1] != 1 || sp_kv_len(now) > 2))
		sp_v_invalid(c->errors, path, sp_bad_text(sp_go_list(c->arena, &sp_go_ip, now)),
			     "may specify no more than one IP for each IP family");
}

static void claim_statuses_validate(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *statuses,
				    yyjson_mut_val *spec)
{
	SP_AUTO_STRSET names = {.map = {0}}, seen = {.map = {0}};
	SP_KV_EACH (claim, i, sp_kv_list(spec, "resourceClaims"))
		(void)sp_strset_add(&names, sp_kv_str(claim, "name"), c->errors);
	SP_KV_EACH (status, i, statuses) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str name = sp_kv_str(status, "name");
		if (!sp_strset_has(&names, name))
			sp_v_invalid(c->errors, SP_AT(at, "name"), name,
				     "must match the name of an entry in `spec.resourceClaims`");
		if (!sp_strset_add(&seen, name, c->errors))
			sp_v_duplicate(c->errors, SP_AT(at, "name"), name);
		if (sp_kv_has(status, "resourceClaimName"))
			sp_v_dns1123_subdomain(c->errors, SP_AT(at, "resourceClaimName"),
					       sp_kv_str(status, "resourceClaimName"));
	}
}

static void extended_claim_validate(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *status,
				    yyjson_mut_val *spec)
{
	sp_violations *v = c->errors;
	SP_AUTO_STRSET seen = {.map = {0}};
	sp_map containers;
	if (status == NULL)
		return;
	sp_map_init(&containers);
	(void)(by_name(v, &containers, sp_kv_list(spec, "initContainers")) &&
	       by_name(v, &containers, sp_kv_list(spec, "containers")));
	yyjson_mut_val *mappings = sp_kv_list(status, "requestMappings");
	const sp_path *list = SP_AT(path, "requestMappings");
	if (mappings == NULL)
		sp_v_required(v, list, "at least one request mapping is required");
	SP_KV_EACH (mapping, i, mappings) {
		const sp_path *at = SP_AT_I(list, i);
		sp_str name = sp_kv_str(mapping, "containerName"),
		       resource = sp_kv_str(mapping, "resourceName");
		sp_str request = sp_kv_str(mapping, "requestName");
		yyjson_mut_val *container = sp_map_get(&containers, name);
		if (container == NULL)
			sp_v_invalid(v, SP_AT(at, "containerName"), name,
				     "must match the name of an entry in spec.initContainers.name or "
				     "spec.containers.name");
		else if (sp_jmut_get(sp_kv_path(container, "resources", "requests", NULL), resource) == NULL)
			sp_v_invalid(v, SP_AT(at, "resourceName"), resource,
				     "must match the extended resource name of an entry in "
				     "spec.initContainers.resources.requests or "
				     "spec.containers.resources.requests");
		sp_v_dns1123_label(v, SP_AT(path, "requestName"), request);
		sp_str key = sp_arena_printf(c->arena, SP_FMT "|" SP_FMT "|" SP_FMT, SP_ARG(name),
					     SP_ARG(resource), SP_ARG(request));
		if (sp_strset_add(&seen, key, v))
			continue;
		sp_v_duplicate(v, SP_AT(at, "containerName"), name);
		sp_v_duplicate(v, SP_AT(at, "resourceName"), resource);
		sp_v_duplicate(v, SP_AT(at, "requestName"), request);
	}
	sp_map_done(&containers);
	sp_str name = sp_kv_str(status, "resourceClaimName");
	if (name.len == 0)
		sp_v_required(v, SP_AT(path, "resourceClaimName"), "%s", "");
	else
		sp_v_dns1123_subdomain(v, SP_AT(path, "resourceClaimName"), name);
}

static void users_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *statuses, sp_str os)
{
	bool windows = sp_str_eq(os, SP_STR("windows"));
	SP_KV_EACH (status, i, statuses) {
		yyjson_mut_val *user = sp_kv_path(status, "user", "linux", NULL);
		const sp_path *at = SP_AT(SP_AT_I(path, i), "user.linux");
		if (user == NULL)
			continue;
		if (windows) {
			sp_v_forbidden(v, at, "cannot be set for a windows pod");
			continue;
		}
		sp_v_user_id(v, SP_AT(at, "uid"), sp_kv_i64(user, "uid", 0));
		sp_v_group_id(v, SP_AT(at, "gid"), sp_kv_i64(user, "gid", 0));
		SP_KV_EACH (gid, k, sp_kv_list(user, "supplementalGroups"))
			sp_v_group_id(v, SP_AT_I(SP_AT(at, "supplementalGroups"), k), sp_kv_num(gid, 0));
	}
}

static bool names_allocated(sp_arena *a, yyjson_mut_val *container, sp_str name)
{
	yyjson_mut_val *resources = sp_kv_get(container, "resources");
	if (!sp_str_starts(name, SP_STR("claim:")))
		return sp_jmut_get(sp_kv_map(resources, "requests"), name) != NULL;
	SP_KV_EACH (claim, i, sp_kv_list(resources, "claims")) {
		sp_str claim_name = sp_kv_str(claim, "name"), request = sp_kv_str(claim, "request");
		sp_str text = sp_arena_printf(a, "claim:" SP_FMT "%s" SP_FMT, SP_ARG(claim_name),
					      request.len > 0 ? "/" : "", SP_ARG(request));
		if (sp_str_eq(text, name))
			return true;
	}
	return false;
}

#define HEALTH_MESSAGE_BYTES_MAX 1024

static void health_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *resources)
{
	static const char *const healths[] = {"Healthy", "Unhealthy", "Unknown"};
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (r, i, resources) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str health = sp_kv_str(r, "health"), message = sp_kv_str(r, "message");
		if (!SP_STR_IN(health, healths))
			sp_v_not_supported(v, SP_AT(at, "health"), sp_bad_named(health), healths,
					   SP_LEN(healths));
		if (sp_kv_has(r, "message") && message.len == 0)
			sp_v_required(v, SP_AT(at, "message"), "must be non-empty if specified");
		if (message.len > HEALTH_MESSAGE_BYTES_MAX)
			sp_v_too_long(v, SP_AT(at, "message"), HEALTH_MESSAGE_BYTES_MAX);
		if (!sp_strset_add(&seen, sp_kv_str(r, "resourceID"), v))
			sp_v_duplicate(v, SP_AT(at, "resourceID"), sp_kv_str(r, "resourceID"));
	}
}

static void allocated_validate(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *statuses,
			       yyjson_mut_val *containers)
{
	sp_map specs;
	sp_map_init(&specs);
	(void)by_name(c->errors, &specs, containers);
	SP_KV_EACH (status, i, statuses) {
		yyjson_mut_val *container = sp_map_get(&specs, sp_kv_str(status, "name"));
		SP_KV_EACH (allocated, k, sp_kv_list(status, "allocatedResourcesStatus")) {
			const sp_path *at = SP_AT_I(SP_AT(SP_AT_I(path, i), "allocatedResourcesStatus"), k);
			sp_str name = sp_kv_str(allocated, "name");
			if (container != NULL && !names_allocated(c->arena, container, name))
				sp_v_invalid(c->errors, SP_AT(at, "name"), sp_bad_named(name), "%s",
					     sp_str_starts(name, SP_STR("claim:"))
						     ? "must match one of the container's resource claims in "
						       "a format "
						       "'claim:<claimName>/<request>' or 'claim:<claimName>' "
						       "if request "
						       "is empty"
						     : "must match one of the container's resource requests");
			health_validate(c->errors, SP_AT(at, "resources"),
					sp_kv_list(allocated, "resources"));
		}
	}
	sp_map_done(&specs);
}

static const char *const status_lists[SP_POD_CONTAINER_LISTS] = {"initContainerStatuses", "containerStatuses",
								 "ephemeralContainerStatuses"};

static void container_statuses_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *status = sp_kv_get(obj, "status"), *was = sp_kv_get(old, "status");
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *old_spec = sp_kv_get(old, "spec");
	sp_str os = sp_kv_str(sp_kv_get(spec, "os"), "name"), policy = sp_kv_str(old_spec, "restartPolicy");
	bool any = all_may_restart(old_spec);
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		const sp_path *path = SP_AT_STR(SP_PATH("status"), sp_str_c(status_lists[list]));
		yyjson_mut_val *now = sp_kv_list(status, status_lists[list]);
		bool ephemeral = list == SP_POD_EPHEMERAL;
		if (ephemeral || !any)
			transitions_validate(c, path, now, sp_kv_list(was, status_lists[list]),
					     ephemeral ? NULL : sp_kv_list(old_spec, sp_pod_lists[list]),
					     policy);
		users_validate(c->errors, path, now, os);
		if (!ephemeral) {
			allocated_validate(c, path, now, sp_kv_list(spec, sp_pod_lists[list]));
			continue;
		}
		SP_KV_EACH (st, i, now) {
			if (sp_kv_list(st, "allocatedResourcesStatus") != NULL)
				sp_v_forbidden(c->errors, SP_AT(SP_AT_I(path, i), "allocatedResourcesStatus"),
					       "must not be specified in container status");
		}
	}
}

static void nominated_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *status,
			       yyjson_mut_val *was, yyjson_mut_val *old)
{
	sp_str node = sp_kv_str(status, "nominatedNodeName");
	if (node.len == 0 || sp_str_eq(node, sp_kv_str(was, "nominatedNodeName")))
		return;
	sp_v_dns1123_subdomain(v, path, node);
	if (sp_kv_str(sp_kv_get(old, "spec"), "nodeName").len > 0)
		sp_v_forbidden(v, path, "may not be set on pods that are already bound to a node");
}

void sp_pod_validate_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	const sp_path *path = SP_PATH("status");
	yyjson_mut_val *status = sp_kv_get(obj, "status"), *was = sp_kv_get(old, "status");
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *host_ips = sp_kv_list(status, "hostIPs");
	int64_t generation = sp_kv_i64(status, "observedGeneration", 0);
	sp_meta_validate_update(c, obj, old);
	sp_pod_annotation_updates_validate(c, obj, old);
	conditions_validate(c->errors, SP_AT(path, "conditions"), sp_kv_list(status, "conditions"));
	nominated_validate(c->errors, SP_AT(path, "nominatedNodeName"), status, was, old);
	if (generation < 0)
		sp_v_invalid(c->errors, SP_AT(path, "observedGeneration"), generation,
			     "must be a non-negative integer");
	sp_v_immutable(c->errors, SP_AT(path, "qosClass"), sp_kv_get(status, "qosClass"),
		       sp_kv_get(was, "qosClass"));
	container_statuses_validate(c, obj, old);
	claim_statuses_validate(c, SP_AT(path, "resourceClaimStatuses"),
				sp_kv_list(status, "resourceClaimStatuses"), spec);
	extended_claim_validate(c, SP_AT(path, "extendedResourceClaimStatus"),
				sp_kv_get(status, "extendedResourceClaimStatus"), spec);
	ips_validate(c, SP_AT(path, "podIPs"), sp_kv_list(status, "podIPs"), sp_kv_list(was, "podIPs"));
	sp_str first = sp_kv_str(yyjson_mut_arr_get_first(host_ips), "ip");
	if (host_ips != NULL && !sp_str_eq(first, sp_kv_str(status, "hostIP")))
		sp_v_invalid(c->errors, SP_AT(SP_AT_I(SP_AT(path, "hostIPs"), 0), "ip"), first,
			     "must be equal to `hostIP`");
	ips_validate(c, SP_AT(path, "hostIPs"), host_ips, sp_kv_list(was, "hostIPs"));
}
