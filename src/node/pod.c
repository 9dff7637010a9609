/* SPDX-License-Identifier: Apache-2.0 */
#include "node/pod.h"

#include "base/alloc.h"
#include "base/hash.h"

SP_VIEW(node_container_view_desc, node_container_view, "io.k8s.api.core.v1.Container",
	SP_V(node_container_view, name, "name"), SP_V(node_container_view, image, "image"),
	SP_V(node_container_view, pull_policy, "imagePullPolicy"),
	SP_V(node_container_view, working_dir, "workingDir"),
	SP_V(node_container_view, restart_policy, "restartPolicy"),
	SP_V(node_container_view, restart_rules, "restartPolicyRules"),
	SP_V(node_container_view, termination_path, "terminationMessagePath"),
	SP_V(node_container_view, termination_policy, "terminationMessagePolicy"),
	SP_V(node_container_view, stdin, "stdin"), SP_V(node_container_view, stdin_once, "stdinOnce"),
	SP_V(node_container_view, tty, "tty"), SP_V(node_container_view, command, "command"),
	SP_V(node_container_view, args, "args"), SP_V(node_container_view, env, "env"),
	SP_V(node_container_view, env_from, "envFrom"), SP_V(node_container_view, ports, "ports"),
	SP_V(node_container_view, mounts, "volumeMounts"),
	SP_V(node_container_view, devices, "volumeDevices"),
	SP_V(node_container_view, resize_policy, "resizePolicy"),
	SP_V(node_container_view, requests, "resources.requests"),
	SP_V(node_container_view, limits, "resources.limits"),
	SP_V(node_container_view, liveness, "livenessProbe"),
	SP_V(node_container_view, readiness, "readinessProbe"),
	SP_V(node_container_view, startup, "startupProbe"),
	SP_V(node_container_view, post_start, "lifecycle.postStart"),
	SP_V(node_container_view, pre_stop, "lifecycle.preStop"),
	SP_V(node_container_view, security, "securityContext"));

SP_VIEW(node_pod_view_desc, node_pod_view, "v1/Pod", SP_V(node_pod_view, ns, "metadata.namespace"),
	SP_V(node_pod_view, name, "metadata.name"), SP_V(node_pod_view, uid, "metadata.uid"),
	SP_V(node_pod_view, created, "metadata.creationTimestamp"),
	SP_VH(node_pod_view, deletion, "metadata.deletionTimestamp"),
	SP_VH(node_pod_view, deletion_grace_s, "metadata.deletionGracePeriodSeconds"),
	SP_V(node_pod_view, generation, "metadata.generation"),
	SP_V(node_pod_view, labels, "metadata.labels"),
	SP_V(node_pod_view, annotations, "metadata.annotations"), SP_V(node_pod_view, node, "spec.nodeName"),
	SP_V(node_pod_view, host_name, "spec.hostname"), SP_V(node_pod_view, subdomain, "spec.subdomain"),
	SP_V(node_pod_view, host_name_override, "spec.hostnameOverride"),
	SP_V(node_pod_view, service_account, "spec.serviceAccountName"),
	SP_V(node_pod_view, runtime_class, "spec.runtimeClassName"),
	SP_V(node_pod_view, dns_policy, "spec.dnsPolicy"), SP_V(node_pod_view, dns_config, "spec.dnsConfig"),
	SP_V(node_pod_view, restart_policy, "spec.restartPolicy"),
	SP_V(node_pod_view, priority_class, "spec.priorityClassName"),
	SP_VH(node_pod_view, grace_s, "spec.terminationGracePeriodSeconds"),
	SP_VH(node_pod_view, deadline_s, "spec.activeDeadlineSeconds"),
	SP_V(node_pod_view, host_network, "spec.hostNetwork"), SP_V(node_pod_view, host_pid, "spec.hostPID"),
	SP_V(node_pod_view, host_ipc, "spec.hostIPC"),
	SP_VH(node_pod_view, share_pid, "spec.shareProcessNamespace"),
	SP_VH(node_pod_view, host_users, "spec.hostUsers"),
	SP_V(node_pod_view, fqdn_host_name, "spec.setHostnameAsFQDN"),
	SP_VH(node_pod_view, service_links, "spec.enableServiceLinks"),
	SP_V(node_pod_view, containers, "spec.containers"),
	SP_V(node_pod_view, init_containers, "spec.initContainers"),
	SP_V(node_pod_view, ephemeral_containers, "spec.ephemeralContainers"),
	SP_V(node_pod_view, volumes, "spec.volumes"), SP_V(node_pod_view, host_aliases, "spec.hostAliases"),
	SP_V(node_pod_view, pull_secrets, "spec.imagePullSecrets"),
	SP_V(node_pod_view, gates, "spec.readinessGates"), SP_V(node_pod_view, overhead, "spec.overhead"),
	SP_V(node_pod_view, security, "spec.securityContext"),
	SP_V(node_pod_view, resources, "spec.resources"), SP_V(node_pod_view, status, "status"),
	SP_V(node_pod_view, phase, "status.phase"), SP_V(node_pod_view, reason, "status.reason"),
	SP_V(node_pod_view, message, "status.message"), SP_VH(node_pod_view, start, "status.startTime"),
	SP_V(node_pod_view, conditions, "status.conditions"));

static uint64_t hash_of(sp_str name, sp_str image)
{
	/* The two parts may not run into each other. */
	return sp_fnv1a64(name) * 31 + sp_fnv1a64(image);
}

static const char *const field_of_role[] = {
	[NODE_INIT] = "spec.initContainers",
	[NODE_REGULAR] = "spec.containers",
	[NODE_EPHEMERAL] = "spec.ephemeralContainers",
};

static sp_code read_containers(node_pod *p, sp_vlist list, node_role role, sp_err *err)
{
	SP_VLIST_FOREACH(item, list)
	{
		node_container *c = &p->containers[p->n_containers];
		sp_view_fill(item, &node_container_view_desc, &c->v);
		if (c->v.name.len == 0)
			return sp_fail(err, SP_EINVAL, "pod '" SP_FMT "' has a container without a name",
				       SP_ARG(p->v.name));
		c->name = c->v.name;
		c->wanted_requests = c->v.requests;
		c->wanted_limits = c->v.limits;
		c->role = role;
		c->is_sidecar = role == NODE_INIT && sp_str_eq(c->v.restart_policy, SP_STR("Always"));
		c->hash = hash_of(c->name, c->v.image);
		c->target = sp_view_str_at(item, "targetContainerName");
		c->field_path =
			sp_arena_printf(&p->arena, "%s{" SP_FMT "}", field_of_role[role], SP_ARG(c->name));
		if (c->field_path.ptr == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a pod");
		p->n_containers++;
	}
	return SP_OK;
}

static node_restart restart_of(sp_str policy)
{
	return sp_str_eq(policy, SP_STR("Never"))       ? NODE_RESTART_NEVER
	       : sp_str_eq(policy, SP_STR("OnFailure")) ? NODE_RESTART_ON_FAILURE
							: NODE_RESTART_ALWAYS;
}

static sp_code parse(node_pod *p, sp_str json, sp_err *err)
{
	SP_TRY(sp_json_parse(&p->arena, json, &p->tree, err));
	sp_view_fill(p->tree, &node_pod_view_desc, &p->v);
	if (p->v.name.len == 0 || p->v.uid.len == 0 || p->v.containers.n == 0)
		return sp_fail(err, SP_EINVAL, "not a pod: no name, no uid or no containers");
	p->restart = restart_of(p->v.restart_policy);
	p->n_init = p->v.init_containers.n;
	p->n_regular = p->v.containers.n;
	p->n_ephemeral = p->v.ephemeral_containers.n;
	p->containers = sp_try_new(&p->arena, node_container, p->n_init + p->n_regular + p->n_ephemeral);
	p->full_name = sp_arena_printf(&p->arena, SP_FMT "_" SP_FMT "(" SP_FMT ")", SP_ARG(p->v.name),
				       SP_ARG(p->v.ns), SP_ARG(p->v.uid));
	if (p->containers == NULL || p->full_name.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod");
	SP_TRY(read_containers(p, p->v.init_containers, NODE_INIT, err));
	SP_TRY(read_containers(p, p->v.containers, NODE_REGULAR, err));
	return read_containers(p, p->v.ephemeral_containers, NODE_EPHEMERAL, err);
}

sp_code node_pod_parse(sp_str json, node_pod **ret, sp_err *err)
{
	node_pod *p = sp_try_alloc(sizeof *p);
	if (p == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod");
	sp_arena_init(&p->arena, NODE_POD_BYTES_MAX);
	sp_code code = parse(p, json, err);
	if (code != SP_OK) {
		node_pod_free(p);
		return code;
	}
	*ret = p;
	return SP_OK;
}

void node_pod_free(node_pod *p)
{
	if (p == NULL)
		return;
	sp_arena_done(&p->arena);
	sp_free(p);
}

const node_container *node_pod_container(const node_pod *p, sp_str name)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		if (sp_str_eq(p->containers[i].name, name))
			return &p->containers[i];
	}
	return NULL;
}

/* The action of the first of the container's rules that holds for that code; empty: none does. */
static sp_str rule_of(const node_container *c, int32_t exit_code)
{
	SP_VLIST_FOREACH(rule, c->v.restart_rules)
	{
		bool in = sp_str_eq(sp_view_str_at(rule, "exitCodes.operator"), SP_STR("In")), listed = false;
		yyjson_val *v, *values = sp_view_at(rule, "exitCodes.values");
		size_t i, n;
		yyjson_arr_foreach(values, i, n, v)
		{
			listed |= yyjson_get_sint(v) == exit_code;
		}
		if (values != NULL && listed == in)
			return sp_view_str_at(rule, "action");
	}
	return (sp_str){NULL, 0};
}

#define RESET SP_STR("RestartAllContainers")

bool node_container_resets(const node_container *c, int32_t exit_code)
{
	return c != NULL && c->role != NODE_EPHEMERAL && sp_str_eq(rule_of(c, exit_code), RESET);
}

bool node_pod_may_reset(const node_pod *p)
{
	for (size_t i = 0; i < p->n_init + p->n_regular; i++) {
		SP_VLIST_FOREACH(rule, p->containers[i].v.restart_rules)
		{
			if (sp_str_eq(sp_view_str_at(rule, "action"), RESET))
				return true;
		}
	}
	return false;
}

bool node_pod_is_resetting(const node_pod *p)
{
	SP_VLIST_FOREACH(item, p->v.conditions)
	{
		if (sp_str_eq(sp_view_str_at(item, "type"), SP_STR("AllContainersRestarting")))
			return sp_str_eq(sp_view_str_at(item, "status"), SP_STR("True"));
	}
	return false;
}

bool node_container_restarts(const node_pod *p, const node_container *c, int32_t exit_code)
{
	node_restart policy = p->restart;
	if (c->role == NODE_EPHEMERAL)
		return false;
	if (c->role == NODE_INIT && !c->is_sidecar && exit_code == 0)
		return false; /* it is done */
	if (c->v.restart_policy.len != 0) {
		sp_str action = rule_of(c, exit_code);
		if (sp_str_eq(action, SP_STR("Restart")) || sp_str_eq(action, RESET))
			return true;
		policy = restart_of(c->v.restart_policy);
	}
	switch (policy) {
	case NODE_RESTART_ALWAYS:
		return true;
	case NODE_RESTART_ON_FAILURE:
		return exit_code != 0;
	case NODE_RESTART_NEVER:
		return false;
	}
	SP_UNREACHABLE();
}

bool node_phase_is_terminal(sp_str phase)
{
	return sp_str_eq(phase, SP_STR("Succeeded")) || sp_str_eq(phase, SP_STR("Failed"));
}
