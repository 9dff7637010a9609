/* SPDX-License-Identifier: Apache-2.0 */
#include "node/security.h"

#include "node/userns.h"

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "no memory for a security context");
}

/* What hides the host from a container by default. */
static const sp_str masked[] = {
	SP_STR_INIT("/proc/asound"),      SP_STR_INIT("/proc/acpi"),
	SP_STR_INIT("/proc/interrupts"),  SP_STR_INIT("/proc/kcore"),
	SP_STR_INIT("/proc/keys"),        SP_STR_INIT("/proc/latency_stats"),
	SP_STR_INIT("/proc/timer_list"),  SP_STR_INIT("/proc/timer_stats"),
	SP_STR_INIT("/proc/sched_debug"), SP_STR_INIT("/proc/scsi"),
	SP_STR_INIT("/sys/firmware"),     SP_STR_INIT("/sys/devices/virtual/powercap"),
};
static const sp_str read_only[] = {
	SP_STR_INIT("/proc/bus"),           SP_STR_INIT("/proc/fs"),
	SP_STR_INIT("/proc/irq"),           SP_STR_INIT("/proc/sys"),
	SP_STR_INIT("/proc/sysrq-trigger"),
};

/* A member of the container's context, else of the pod's. */
static yyjson_val *either(const node_pod *p, const node_container *c, const char *path)
{
	yyjson_val *v = c == NULL ? NULL : sp_view_at(c->v.security, path);
	return v != NULL ? v : sp_view_at(p->v.security, path);
}

static sp_code number(sp_arena *a, yyjson_val *v, sp_cri_int64_value **ret, sp_err *err)
{
	if (!yyjson_is_int(v))
		return SP_OK;
	*ret = sp_try_new(a, sp_cri_int64_value, 1);
	if (*ret == NULL)
		return no_room(err);
	(*ret)->value = yyjson_get_sint(v);
	return SP_OK;
}

/* seccompProfile, appArmorProfile. Without one: unconfined for seccomp, the runtime's for AppArmor (NULL). */
static sp_code profile(sp_arena *a, yyjson_val *v, sp_str root, bool is_privileged, bool always,
		       sp_cri_security_profile **ret, sp_err *err)
{
	sp_str type = sp_view_str_at(v, "type"), ref = sp_view_str_at(v, "localhostProfile");
	if (type.len == 0 && !always)
		return SP_OK;
	sp_cri_security_profile *p = sp_try_new(a, sp_cri_security_profile, 1);
	if (p == NULL)
		return no_room(err);
	p->profile_type = SP_CRI_PROFILE_UNCONFINED;
	if (!is_privileged && sp_str_eq(type, SP_STR("RuntimeDefault")))
		p->profile_type = SP_CRI_PROFILE_RUNTIME_DEFAULT;
	if (!is_privileged && sp_str_eq(type, SP_STR("Localhost"))) {
		p->profile_type = SP_CRI_PROFILE_LOCALHOST;
		p->localhost_ref = root.len == 0 ? ref : SP_CONCAT(a, root, SP_STR("/"), ref);
		if (p->localhost_ref.ptr == NULL)
			return no_room(err);
	}
	*ret = p;
	return SP_OK;
}

static sp_code selinux(sp_arena *a, yyjson_val *v, sp_cri_selinux_option **ret, sp_err *err)
{
	if (v == NULL)
		return SP_OK;
	*ret = sp_try_new(a, sp_cri_selinux_option, 1);
	if (*ret == NULL)
		return no_room(err);
	**ret = (sp_cri_selinux_option){.user = sp_view_str_at(v, "user"),
					.role = sp_view_str_at(v, "role"),
					.type = sp_view_str_at(v, "type"),
					.level = sp_view_str_at(v, "level")};
	return SP_OK;
}

sp_cri_id_mapping *node_pod_ids(const node_pod *p, sp_arena *a)
{
	sp_cri_id_mapping *m = sp_try_new(a, sp_cri_id_mapping, 1);
	if (m != NULL)
		*m = (sp_cri_id_mapping){.host_id = p->ids_from, .length = NODE_USERNS_IDS};
	return m;
}

/* U: GetOrCreateUserNamespaceMappings. */
static sp_code users(const node_pod *p, sp_arena *a, sp_cri_user_namespace **ret, sp_err *err)
{
	sp_cri_user_namespace *n = sp_try_new(a, sp_cri_user_namespace, 1);
	if (n == NULL)
		return no_room(err);
	*ret = n;
	n->mode = SP_CRI_NAMESPACE_NODE;
	if (!node_pod_has_own_users(p))
		return SP_OK;
	if (p->ids_from == 0) /* fails closed */
		return sp_fail(err, SP_EINVAL,
			       "can't set `spec.hostUsers: false`, runtime does not support user namespaces");
	n->mode = SP_CRI_NAMESPACE_POD;
	n->uids.at = n->gids.at = node_pod_ids(p, a);
	n->uids.n = n->gids.n = 1;
	return n->uids.at == NULL ? no_room(err) : SP_OK;
}

static sp_code namespaces(const node_pod *p, sp_str target_id, bool of_sandbox, sp_arena *a,
			  sp_cri_namespace_option **ret, sp_err *err)
{
	sp_cri_namespace_option *n = sp_try_new(a, sp_cri_namespace_option, 1);
	if (n == NULL)
		return no_room(err);
	n->network = p->v.host_network ? SP_CRI_NAMESPACE_NODE : SP_CRI_NAMESPACE_POD;
	n->ipc = p->v.host_ipc ? SP_CRI_NAMESPACE_NODE : SP_CRI_NAMESPACE_POD;
	n->pid = p->v.host_pid    ? SP_CRI_NAMESPACE_NODE
		 : p->v.share_pid ? SP_CRI_NAMESPACE_POD
				  : SP_CRI_NAMESPACE_CONTAINER;
	if (!of_sandbox && target_id.len != 0 && n->pid == SP_CRI_NAMESPACE_CONTAINER) {
		n->pid = SP_CRI_NAMESPACE_TARGET;
		n->target_id = target_id;
	}
	*ret = n;
	return users(p, a, &n->userns_options, err);
}

/* Supplemental groups, and the group of volumes. */
static sp_code groups(const node_pod *p, sp_arena *a, int64_t **ret, size_t *ret_n, sp_err *err)
{
	yyjson_val *list = sp_view_at(p->v.security, "supplementalGroups"), *item;
	yyjson_val *fs_group = sp_view_at(p->v.security, "fsGroup");
	size_t i, n, count = 0;
	int64_t *at = sp_try_new(a, int64_t, yyjson_arr_size(list) + 1);
	if (at == NULL)
		return no_room(err);
	yyjson_arr_foreach(list, i, n, item)
	{
		at[count++] = yyjson_get_sint(item);
	}
	if (yyjson_is_int(fs_group))
		at[count++] = yyjson_get_sint(fs_group);
	*ret = at;
	*ret_n = count;
	return SP_OK;
}

static int32_t groups_policy(const node_pod *p)
{
	return sp_str_eq(sp_view_str_at(p->v.security, "supplementalGroupsPolicy"), SP_STR("Strict"))
		       ? SP_CRI_GROUPS_STRICT
		       : SP_CRI_GROUPS_MERGE;
}

/* ---- of a container ---- */

static sp_code list_of(sp_arena *a, yyjson_val *list, sp_str **ret, size_t *ret_n, sp_err *err)
{
	yyjson_val *item;
	size_t i, n;
	*ret = sp_try_new(a, sp_str, yyjson_arr_size(list) + 1);
	if (*ret == NULL)
		return no_room(err);
	yyjson_arr_foreach(list, i, n, item)
	{
		(*ret)[(*ret_n)++] = sp_json_str(item);
	}
	return SP_OK;
}

static sp_code capabilities(const node_container *c, sp_arena *a, sp_cri_capability **ret, sp_err *err)
{
	yyjson_val *v = sp_view_at(c->v.security, "capabilities");
	if (v == NULL)
		return SP_OK;
	sp_cri_capability *caps = sp_try_new(a, sp_cri_capability, 1);
	if (caps == NULL)
		return no_room(err);
	SP_TRY(list_of(a, sp_view_at(v, "add"), &caps->add_capabilities.at, &caps->add_capabilities.n, err));
	SP_TRY(list_of(a, sp_view_at(v, "drop"), &caps->drop_capabilities.at, &caps->drop_capabilities.n,
		       err));
	*ret = caps;
	return SP_OK;
}

/* U: verifyRunAsNonRoot. */
static sp_code check_non_root(const node_security_input *in, sp_err *err)
{
	yyjson_val *user = either(in->pod, in->c, "runAsUser");
	char where[200];
	if (!yyjson_get_bool(either(in->pod, in->c, "runAsNonRoot")))
		return SP_OK;
	(void)snprintf(where, sizeof where, "(pod: \"" SP_FMT "\", container: " SP_FMT ")",
		       SP_ARG(in->pod->full_name), SP_ARG(in->c->name));
	if (yyjson_is_int(user))
		return yyjson_get_sint(user) != 0
			       ? SP_OK
			       : sp_fail(err, SP_EINVAL, "container's runAsUser breaks non-root policy %s",
					 where);
	if (in->has_image_uid && in->image_uid == 0)
		return sp_fail(err, SP_EINVAL, "container has runAsNonRoot and image will run as root %s",
			       where);
	if (!in->has_image_uid && in->image_user.len != 0)
		return sp_fail(err, SP_EINVAL,
			       "container has runAsNonRoot and image has non-numeric user (" SP_FMT
			       "), cannot verify user is non-root %s",
			       SP_ARG(in->image_user), where);
	return SP_OK;
}

static sp_code run_as(const node_security_input *in, sp_arena *a, sp_cri_linux_container_security_context *s,
		      sp_err *err)
{
	SP_TRY(check_non_root(in, err));
	SP_TRY(number(a, either(in->pod, in->c, "runAsUser"), &s->run_as_user, err));
	SP_TRY(number(a, either(in->pod, in->c, "runAsGroup"), &s->run_as_group, err));
	if (s->run_as_user != NULL)
		return SP_OK;
	if (!in->has_image_uid) {
		s->run_as_username = in->image_user;
		return SP_OK;
	}
	s->run_as_user = sp_try_new(a, sp_cri_int64_value, 1);
	if (s->run_as_user == NULL)
		return no_room(err);
	s->run_as_user->value = in->image_uid;
	return SP_OK;
}

static sp_code hide_paths(const node_security_input *in, sp_arena *a,
			  sp_cri_linux_container_security_context *s, sp_err *err)
{
	if (s->privileged || sp_str_eq(sp_view_str_at(in->c->v.security, "procMount"), SP_STR("Unmasked")))
		return SP_OK;
	s->masked_paths.at = sp_try_new(a, sp_str, SP_LEN(masked));
	s->readonly_paths.at = sp_try_new(a, sp_str, SP_LEN(read_only));
	if (s->masked_paths.at == NULL || s->readonly_paths.at == NULL)
		return no_room(err);
	memcpy(s->masked_paths.at, masked, sizeof masked);
	memcpy(s->readonly_paths.at, read_only, sizeof read_only);
	s->masked_paths.n = SP_LEN(masked);
	s->readonly_paths.n = SP_LEN(read_only);
	return SP_OK;
}

sp_code node_container_security(const node_security_input *in, sp_arena *a,
				sp_cri_linux_container_security_context **ret, sp_err *err)
{
	yyjson_val *own = in->c->v.security, *escalation = sp_view_at(own, "allowPrivilegeEscalation");
	sp_cri_linux_container_security_context *s =
		sp_try_new(a, sp_cri_linux_container_security_context, 1);
	if (s == NULL)
		return no_room(err);
	s->privileged = yyjson_get_bool(sp_view_at(own, "privileged"));
	s->readonly_rootfs = yyjson_get_bool(sp_view_at(own, "readOnlyRootFilesystem"));
	s->no_new_privs = yyjson_is_bool(escalation) && !yyjson_get_bool(escalation);
	s->supplemental_groups_policy = groups_policy(in->pod);
	SP_TRY(capabilities(in->c, a, &s->capabilities, err));
	SP_TRY(namespaces(in->pod, in->target_id, false, a, &s->namespace_options, err));
	SP_TRY(selinux(a, either(in->pod, in->c, "seLinuxOptions"), &s->selinux_options, err));
	SP_TRY(run_as(in, a, s, err));
	SP_TRY(groups(in->pod, a, &s->supplemental_groups.at, &s->supplemental_groups.n, err));
	SP_TRY(hide_paths(in, a, s, err));
	SP_TRY(profile(a, either(in->pod, in->c, "seccompProfile"), in->seccomp_root, s->privileged, true,
		       &s->seccomp, err));
	*ret = s;
	return profile(a, either(in->pod, in->c, "appArmorProfile"), SP_STR(""), s->privileged, false,
		       &s->apparmor, err);
}

/* ---- of a sandbox ---- */

static bool any_privileged(const node_pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		if (yyjson_get_bool(sp_view_at(p->containers[i].v.security, "privileged")))
			return true;
	}
	return false;
}

sp_code node_sandbox_security(const node_pod *p, sp_arena *a, sp_cri_linux_sandbox_security_context **ret,
			      sp_err *err)
{
	sp_cri_linux_sandbox_security_context *s = sp_try_new(a, sp_cri_linux_sandbox_security_context, 1);
	if (s == NULL)
		return no_room(err);
	s->privileged = any_privileged(p);
	s->supplemental_groups_policy = groups_policy(p);
	SP_TRY(namespaces(p, (sp_str){NULL, 0}, true, a, &s->namespace_options, err));
	SP_TRY(selinux(a, sp_view_at(p->v.security, "seLinuxOptions"), &s->selinux_options, err));
	SP_TRY(number(a, sp_view_at(p->v.security, "runAsUser"), &s->run_as_user, err));
	if (s->run_as_user != NULL) /* a group without a user is refused by runtimes */
		SP_TRY(number(a, sp_view_at(p->v.security, "runAsGroup"), &s->run_as_group, err));
	SP_TRY(groups(p, a, &s->supplemental_groups.at, &s->supplemental_groups.n, err));
	/* The process that holds the namespaces needs no more than the runtime's own profile. */
	s->seccomp = sp_try_new(a, sp_cri_security_profile, 1);
	*ret = s;
	return s->seccomp == NULL ? no_room(err) : SP_OK;
}
