/* SPDX-License-Identifier: Apache-2.0 */
/* The three lists of containers. */
#include "kube/kinds/pod_int.h"
#include "kube/kinds/resources.h"
#include "kube/meta.h"

const char *const sp_pod_lists[SP_POD_CONTAINER_LISTS] = {"initContainers", "containers",
							  "ephemeralContainers"};

static const char *const protocols[] = {"SCTP", "TCP", "UDP"};

static void ports_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *ports)
{
	SP_AUTO_STRSET names = {.map = {0}};
	SP_KV_EACH (port, i, ports) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str name = sp_kv_str(port, "name");
		sp_name_faults faults = sp_fmt_port_name(name);
		int64_t inside = sp_kv_i64(port, "containerPort", 0), host = sp_kv_i64(port, "hostPort", 0);
		if (name.len > 0 && faults.n > 0)
			sp_v_faults(v, SP_AT(at, "name"), name, faults);
		else if (name.len > 0 && !sp_strset_add(&names, name, v))
			sp_v_duplicate(v, SP_AT(at, "name"), name);
		if (inside == 0)
			sp_v_required(v, SP_AT(at, "containerPort"), "%s", "");
		else
			sp_v_port_num(v, SP_AT(at, "containerPort"), inside);
		if (host != 0)
			sp_v_port_num(v, SP_AT(at, "hostPort"), host);
		SP_V_ENUM(v, SP_AT(at, "protocol"), sp_kv_str(port, "protocol"), protocols);
	}
}

static void resize_policy_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *policies)
{
	static const char *const resources[] = {"cpu", "memory"};
	static const char *const restarts[] = {"NotRequired", "RestartContainer"};
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (policy, i, policies) {
		sp_str resource = sp_kv_str(policy, "resourceName"),
		       restart = sp_kv_str(policy, "restartPolicy");
		if (!sp_strset_add(&seen, resource, w->v))
			sp_v_duplicate(w->v, SP_AT_I(path, i), sp_bad_named(resource));
		SP_V_ENUM(w->v, path, resource, resources);
		SP_V_ENUM(w->v, path, restart, restarts);
		if (sp_str_eq(w->restart_policy, SP_STR("Never")) &&
		    !sp_str_eq(restart, SP_STR("NotRequired")))
			sp_v_invalid(w->v, path, sp_bad_named(restart),
				     "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
	}
}

static void restart_rule_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *rule)
{
	static const char *const actions[] = {"Restart", "RestartAllContainers"};
	static const char *const operators[] = {"In", "NotIn"};
	sp_str action = sp_kv_str(rule, "action");
	yyjson_mut_val *codes = sp_kv_get(rule, "exitCodes");
	if (!SP_STR_IN(action, actions))
		sp_v_not_supported(v, SP_AT(path, "action"), sp_bad_named(action), actions, SP_LEN(actions));
	if (codes == NULL) {
		sp_v_required(v, SP_AT(path, "exitCodes"), "must be specified");
		return;
	}
	sp_str op = sp_kv_str(codes, "operator");
	size_t n = sp_kv_len(sp_kv_list(codes, "values"));
	if (!SP_STR_IN(op, operators))
		sp_v_not_supported(v, SP_AT(path, "exitCodes.operator"), sp_bad_named(op), operators,
				   SP_LEN(operators));
	if (n > 255)
		sp_v_too_many(v, SP_AT(path, "exitCodes.values"), (int64_t)n, 255);
}

static void restart_policy_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *container)
{
	static const char *const policies[] = {"Always", "Never", "OnFailure"};
	sp_str policy = sp_kv_str(container, "restartPolicy");
	yyjson_mut_val *rules = sp_kv_list(container, "restartPolicyRules");
	if (!sp_kv_has(container, "restartPolicy")) {
		if (rules == NULL)
			return;
		sp_v_required(v, SP_AT(path, "restartPolicy"),
			      "must specify restartPolicy when restart rules are used");
	} else if (!SP_STR_IN(policy, policies)) {
		sp_v_not_supported(v, SP_AT(path, "restartPolicy"), sp_bad_named(policy), policies,
				   SP_LEN(policies));
	}
	if (sp_kv_len(rules) > 20)
		sp_v_too_many(v, SP_AT(path, "restartPolicyRules"), (int64_t)sp_kv_len(rules), 20);
	SP_KV_EACH (rule, i, rules)
		restart_rule_validate(v, SP_AT_I(SP_AT(path, "restartPolicyRules"), i), rule);
}

/* What all three kinds of containers have in common. */
static void common_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *container)
{
	static const char *const message_policies[] = {"File", "FallbackToLogsOnError"};
	static const char *const pull_policies[] = {"Always", "IfNotPresent", "Never"};
	sp_str name = sp_kv_str(container, "name");
	unsigned options =
		(w->options & SP_POD_INDIVISIBLE_HUGEPAGES) != 0 ? SP_RES_INDIVISIBLE_HUGEPAGES : 0;
	if (name.len == 0)
		sp_v_required(w->v, SP_AT(path, "name"), "%s", "");
	else
		sp_v_dns1123_label(w->v, SP_AT(path, "name"), name);
	if (sp_kv_str(container, "image").len == 0)
		sp_v_required(w->v, SP_AT(path, "image"), "%s", "");
	SP_V_ENUM(w->v, SP_AT(path, "terminationMessagePolicy"),
		  sp_kv_str(container, "terminationMessagePolicy"), message_policies);
	ports_validate(w->v, SP_AT(path, "ports"), sp_kv_list(container, "ports"));
	sp_pod_env_validate(w, SP_AT(path, "env"), sp_kv_list(container, "env"));
	sp_pod_env_from_validate(w, SP_AT(path, "envFrom"), sp_kv_list(container, "envFrom"));
	sp_pod_mounts_validate(w, path, container);
	SP_V_ENUM(w->v, SP_AT(path, "imagePullPolicy"), sp_kv_str(container, "imagePullPolicy"),
		  pull_policies);
	sp_res_requirements_validate(w->v, SP_AT(path, "resources"), sp_kv_get(container, "resources"),
				     &w->claims, options);
	resize_policy_validate(w, SP_AT(path, "resizePolicy"), sp_kv_list(container, "resizePolicy"));
	sp_pod_container_security_validate(w, SP_AT(path, "securityContext"),
					   sp_kv_get(container, "securityContext"));
}

/* Host ports of a container that are taken by protocol, address and number. */
static void host_ports_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *container,
				sp_strset *seen)
{
	SP_KV_EACH (port, i, sp_kv_list(container, "ports")) {
		int64_t host = sp_kv_i64(port, "hostPort", 0);
		if (host == 0)
			continue;
		sp_str protocol = sp_kv_str(port, "protocol"), ip = sp_kv_str(port, "hostIP");
		sp_str key = sp_arena_printf(w->arena, SP_FMT "/" SP_FMT "/%lld", SP_ARG(protocol),
					     SP_ARG(ip), (long long)host);
		if (!sp_strset_add(seen, key, w->v))
			sp_v_duplicate(w->v, SP_AT(SP_AT_I(SP_AT(path, "ports"), i), "hostPort"), key);
	}
}

static void regular_validate(sp_pod_walk *w, const sp_path *path)
{
	yyjson_mut_val *containers = sp_kv_list(w->spec, "containers");
	SP_AUTO_STRSET names = {.map = {0}}, host_ports = {.map = {0}};
	if (containers == NULL)
		sp_v_required(w->v, path, "%s", "");
	SP_KV_EACH (container, i, containers) {
		const sp_path *at = SP_AT_I(path, i);
		common_validate(w, at, container);
		if (!sp_strset_add(&names, sp_kv_str(container, "name"), w->v))
			sp_v_duplicate(w->v, SP_AT(at, "name"), sp_kv_str(container, "name"));
		sp_pod_lifecycle_validate(w, at, container);
		sp_pod_probes_validate(w, at, container);
		restart_policy_validate(w->v, at, container);
	}
	SP_KV_EACH (container, i, containers)
		host_ports_validate(w, SP_AT_I(path, i), container, &host_ports);
}

bool sp_pod_is_sidecar(yyjson_mut_val *init_container)
{
	return sp_kv_is(init_container, "restartPolicy", "Always");
}

static void no_probes(sp_violations *v, const sp_path *path, yyjson_mut_val *container)
{
	static const char *const names[] = {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (sp_kv_has(container, names[i]))
			sp_v_forbidden(v, SP_AT_STR(path, sp_str_c(names[i])),
				       "may not be set for init containers without restartPolicy=Always");
	}
}

static void init_validate(sp_pod_walk *w, const sp_path *path)
{
	SP_AUTO_STRSET names = {.map = {0}};
	SP_KV_EACH (container, i, sp_kv_list(w->spec, "containers"))
		(void)sp_strset_add(&names, sp_kv_str(container, "name"), w->v);
	SP_KV_EACH (container, i, sp_kv_list(w->spec, "initContainers")) {
		const sp_path *at = SP_AT_I(path, i);
		SP_AUTO_STRSET host_ports = {.map = {0}};
		sp_str name = sp_kv_str(container, "name");
		common_validate(w, at, container);
		restart_policy_validate(w->v, at, container);
		if (sp_strset_has(&names, name))
			sp_v_duplicate(w->v, SP_AT(at, "name"), name);
		else if (name.len > 0)
			(void)sp_strset_add(&names, name, w->v);
		/* upstream looks at one container at a time, so the index is always 0 */
		host_ports_validate(w, SP_AT_I(path, 0), container, &host_ports);
		if (sp_pod_is_sidecar(container)) {
			sp_pod_lifecycle_validate(w, at, container);
			sp_pod_probes_validate(w, at, container);
			continue;
		}
		no_probes(w->v, at, container);
		SP_KV_EACH (policy, k, sp_kv_list(container, "resizePolicy")) {
			if ((w->options & SP_POD_INIT_RESTART_RESIZE) == 0 &&
			    sp_kv_is(policy, "restartPolicy", "RestartContainer"))
				sp_v_invalid(w->v,
					     SP_AT(SP_AT_I(SP_AT(at, "resizePolicy"), k), "restartPolicy"),
					     sp_bad_named(SP_STR("RestartContainer")),
					     "must not be set to 'RestartContainer' for non-sidecar "
					     "initContainers");
		}
	}
}

/* In the order of the Go struct; the rest of a container may be set for an ephemeral one. */
static const char *const not_ephemeral[] = {"ports",          "resources",          "resizePolicy",
					    "restartPolicy",  "restartPolicyRules", "livenessProbe",
					    "readinessProbe", "startupProbe",       "lifecycle"};

static bool is_set(yyjson_mut_val *v)
{
	return v != NULL && !(yyjson_mut_is_ctn(v) && sp_kv_len(v) == 0);
}

static void ephemeral_validate(sp_pod_walk *w, const sp_path *path)
{
	SP_AUTO_STRSET names = {.map = {0}}, targets = {.map = {0}};
	for (size_t list = SP_POD_INIT; list <= SP_POD_REGULAR; list++) {
		SP_KV_EACH (container, i, sp_kv_list(w->spec, sp_pod_lists[list])) {
			(void)sp_strset_add(&names, sp_kv_str(container, "name"), w->v);
			(void)sp_strset_add(&targets, sp_kv_str(container, "name"), w->v);
		}
	}
	SP_KV_EACH (container, i, sp_kv_list(w->spec, "ephemeralContainers")) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str target = sp_kv_str(container, "targetContainerName");
		common_validate(w, at, container);
		sp_pod_image_blanks_validate(w->v, at, container);
		if (!sp_strset_add(&names, sp_kv_str(container, "name"), w->v))
			sp_v_duplicate(w->v, SP_AT(at, "name"), sp_kv_str(container, "name"));
		if (target.len > 0 && !sp_strset_has(&targets, target))
			sp_v_not_found(w->v, SP_AT(at, "targetContainerName"), target);
		for (size_t k = 0; k < SP_LEN(not_ephemeral); k++) {
			if (is_set(sp_kv_get(container, not_ephemeral[k])))
				sp_v_forbidden(w->v, SP_AT_STR(at, sp_str_c(not_ephemeral[k])),
					       "cannot be set for an Ephemeral Container");
		}
		SP_KV_EACH (mount, k, sp_kv_list(container, "volumeMounts")) {
			const sp_path *mount_path = SP_AT_I(SP_AT(at, "volumeMounts"), k);
			if (sp_kv_str(mount, "subPath").len > 0)
				sp_v_forbidden(w->v, SP_AT(mount_path, "subPath"),
					       "cannot be set for an Ephemeral Container");
			if (sp_kv_str(mount, "subPathExpr").len > 0)
				sp_v_forbidden(w->v, SP_AT(mount_path, "subPathExpr"),
					       "cannot be set for an Ephemeral Container");
		}
	}
}

void sp_pod_image_blanks_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *container)
{
	sp_str image = sp_kv_str(container, "image");
	if (sp_str_trim(image).len != image.len)
		sp_v_invalid(v, SP_AT(path, "image"), image, "must not have leading or trailing whitespace");
}

void sp_pod_containers_validate(sp_pod_walk *w, const sp_path *spec_path)
{
	regular_validate(w, SP_AT(spec_path, "containers"));
	init_validate(w, SP_AT(spec_path, "initContainers"));
	ephemeral_validate(w, SP_AT(spec_path, "ephemeralContainers"));
}
