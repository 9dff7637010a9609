/* SPDX-License-Identifier: Apache-2.0 */
/* Security contexts of pods and containers, and the annotations that came before them. */
#include "kube/kinds/go_json.h"
#include "kube/kinds/pod_int.h"
#include "kube/meta.h"

static const char *const profile_types[] = {"Localhost", "RuntimeDefault", "Unconfined"};

static void seccomp_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *profile)
{
	sp_str type = sp_kv_str(profile, "type");
	bool has_file = sp_kv_has(profile, "localhostProfile");
	if (profile == NULL)
		return;
	if (type.len == 0)
		sp_v_required(w->v, SP_AT(path, "type"), "type is required when seccompProfile is set");
	SP_V_ENUM_OPT(w->v, SP_AT(path, "type"), type, profile_types);
	if (!sp_str_eq(type, SP_STR("Localhost"))) {
		if (has_file)
			sp_v_invalid(w->v, SP_AT(path, "localhostProfile"),
				     sp_bad_text(sp_go_struct(w->arena, &sp_go_seccomp_profile, profile)),
				     "can only be set when seccomp type is Localhost");
	} else if (!has_file) {
		sp_v_required(w->v, SP_AT(path, "localhostProfile"),
			      "must be set when seccomp type is Localhost");
	} else {
		sp_v_local_descending_path(w->v, SP_AT(path, "localhostProfile"),
					   sp_kv_str(profile, "localhostProfile"));
	}
}

#define APPARMOR_FILE_BYTES_MAX 4095 /* PATH_MAX - 1 */

static void apparmor_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *profile)
{
	static const char must[] = "must be set when AppArmor type is Localhost";
	sp_str type = sp_kv_str(profile, "type"), file = sp_kv_str(profile, "localhostProfile");
	const sp_path *at = SP_AT(path, "localhostProfile");
	bool has_file = sp_kv_has(profile, "localhostProfile");
	if (profile == NULL)
		return;
	if (type.len == 0) {
		sp_v_required(v, SP_AT(path, "type"), "type is required when appArmorProfile is set");
	} else if (!SP_STR_IN(type, profile_types)) {
		SP_V_ENUM_OPT(v, SP_AT(path, "type"), type, profile_types);
	} else if (!sp_str_eq(type, SP_STR("Localhost"))) {
		if (has_file)
			sp_v_invalid(v, at, sp_bad_named(file),
				     "can only be set when AppArmor type is Localhost");
	} else if (!has_file) {
		sp_v_required(v, at, "%s", must);
	} else {
		sp_str trimmed = sp_str_trim(file);
		if (trimmed.len != file.len)
			sp_v_invalid(v, at, file, "must not be padded with whitespace");
		else if (trimmed.len == 0)
			sp_v_required(v, at, "%s", must);
		if (file.len > APPARMOR_FILE_BYTES_MAX)
			sp_v_too_long(v, at, APPARMOR_FILE_BYTES_MAX);
	}
}

static void ids_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *sc)
{
	static const char *const names[] = {"fsGroup", "runAsUser", "runAsGroup"};
	for (size_t i = 0; i < SP_LEN(names); i++)
		sp_v_user_id(v, SP_AT_STR(path, sp_str_c(names[i])), sp_kv_i64(sc, names[i], 0));
}

void sp_pod_container_security_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *sc)
{
	static const char *const proc_mounts[] = {"Default", "Unmasked"};
	sp_str proc = sp_kv_str(sc, "procMount");
	if (sc == NULL)
		return;
	if (w->no_privileged && sp_kv_bool(sc, "privileged"))
		sp_v_forbidden(w->v, SP_AT(path, "privileged"), "disallowed by cluster policy");
	ids_validate(w->v, path, sc);
	if (sp_kv_has(sc, "procMount") && !SP_STR_IN(proc, proc_mounts))
		sp_v_not_supported(w->v, SP_AT(path, "procMount"), sp_bad_named(proc), proc_mounts,
				   SP_LEN(proc_mounts));
	if (w->host_users && sp_str_eq(proc, SP_STR("Unmasked")))
		sp_v_invalid(w->v, SP_AT(path, "procMount"), sp_bad_named(proc),
			     "`hostUsers` must be false to use `Unmasked`");
	seccomp_validate(w, SP_AT(path, "seccompProfile"), sp_kv_get(sc, "seccompProfile"));
	if (yyjson_mut_is_false(sp_kv_get(sc, "allowPrivilegeEscalation"))) {
		if (sp_kv_bool(sc, "privileged"))
			sp_v_invalid(
				w->v, path, sp_bad_text(sp_go_struct(w->arena, &sp_go_security_context, sc)),
				"cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
		SP_KV_EACH (cap, i, sp_kv_list(sp_kv_get(sc, "capabilities"), "add")) {
			if (sp_str_eq(sp_jmut_str(cap), SP_STR("CAP_SYS_ADMIN")))
				sp_v_invalid(w->v, path,
					     sp_bad_text(sp_go_struct(w->arena, &sp_go_security_context, sc)),
					     "cannot set `allowPrivilegeEscalation` to false and "
					     "`capabilities.Add` "
					     "CAP_SYS_ADMIN");
		}
	}
	sp_pod_windows_options_validate(w->v, SP_AT(path, "windowsOptions"), sp_kv_get(sc, "windowsOptions"));
	apparmor_validate(w->v, SP_AT(path, "appArmorProfile"), sp_kv_get(sc, "appArmorProfile"));
}

/* Segments of lower-case letters, digits, '-' and '_', ends without marks, joined by '.' or '/'. */
static bool is_sysctl(sp_str s)
{
	bool start = true;
	if (s.len == 0 || s.len > 253)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		bool joint = c == '.' || c == '/';
		bool end = i + 1 == s.len || s.ptr[i + 1] == '.' || s.ptr[i + 1] == '/';
		if (!letter && !joint && c != '-' && c != '_')
			return false;
		if ((start || (end && !joint)) && !letter)
			return false;
		start = joint;
	}
	return !start;
}

/* Kernel settings that belong to a namespace which the pod shares with the host. */
bool sp_pod_host_sysctl_conflict(sp_str name, yyjson_mut_val *spec)
{
	static const char *const ipc[] = {"kernel.sem",    "kernel.shm_rmid_forced", "kernel.shmall",
					  "kernel.shmmax", "kernel.shmmni",          "kernel.shm",
					  "kernel.msg",    "kernel.msgmax",          "kernel.msgmnb",
					  "kernel.msgmni"};
	bool net = sp_str_starts(name, SP_STR("net.")) || sp_str_starts(name, SP_STR("net/"));
	bool shared = SP_STR_IN(name, ipc) || sp_str_starts(name, SP_STR("fs.mqueue."));
	return (net && sp_kv_bool(spec, "hostNetwork")) || (shared && sp_kv_bool(spec, "hostIPC"));
}

static void sysctls_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *sysctls)
{
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (item, i, sysctls) {
		const sp_path *at = SP_AT(SP_AT_I(path, i), "name");
		sp_str name = sp_kv_str(item, "name");
		bool fresh = sp_strset_add(&seen, name, w->v);
		if (name.len == 0)
			sp_v_required(w->v, at, "%s", "");
		else if (!is_sysctl(name))
			sp_v_invalid(
				w->v, at, name,
				"must have at most 253 characters and match regex "
				"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
		else if (!fresh)
			sp_v_duplicate(w->v, at, name);
		if ((w->options & SP_POD_HOST_SYSCTLS) == 0 && sp_pod_host_sysctl_conflict(name, w->spec))
			sp_v_invalid(w->v, at, name, "may not be specified when '%s' is true",
				     sp_str_starts(name, SP_STR("net")) ? "hostNetwork" : "hostIPC");
	}
}

void sp_pod_security_validate(sp_pod_walk *w, const sp_path *spec_path)
{
	static const char *const fs_policies[] = {"Always", "OnRootMismatch"};
	static const char *const group_policies[] = {"Merge", "Strict"};
	static const char *const selinux_policies[] = {"MountOption", "Recursive"};
	const sp_path *path = SP_AT(spec_path, "securityContext");
	yyjson_mut_val *sc = sp_kv_get(w->spec, "securityContext");
	ids_validate(w->v, path, sc);
	SP_KV_EACH (gid, i, sp_kv_list(sc, "supplementalGroups"))
		sp_v_group_id(w->v, SP_AT_I(SP_AT(path, "supplementalGroups"), i), sp_kv_num(gid, 0));
	if (sp_kv_bool(w->spec, "shareProcessNamespace") && sp_kv_bool(w->spec, "hostPID"))
		sp_v_invalid(w->v, SP_AT(path, "shareProcessNamespace"), (bool)true,
			     "ShareProcessNamespace and HostPID cannot both be enabled");
	sysctls_validate(w, SP_AT(path, "sysctls"), sp_kv_list(sc, "sysctls"));
	SP_V_ENUM_OPT(w->v, SP_AT(path, "fsGroupChangePolicy"), sp_kv_str(sc, "fsGroupChangePolicy"),
		      fs_policies);
	seccomp_validate(w, SP_AT(path, "seccompProfile"), sp_kv_get(sc, "seccompProfile"));
	sp_pod_windows_options_validate(w->v, SP_AT(path, "windowsOptions"), sp_kv_get(sc, "windowsOptions"));
	apparmor_validate(w->v, SP_AT(path, "appArmorProfile"), sp_kv_get(sc, "appArmorProfile"));
	SP_V_ENUM_OPT(w->v, SP_AT(path, "supplementalGroupsPolicy"),
		      sp_kv_str(sc, "supplementalGroupsPolicy"), group_policies);
	/* MountOption waits for a feature gate that is off, unless the old object has any policy */
	if ((w->options & SP_POD_ANY_SELINUX_POLICY) != 0)
		SP_V_ENUM_OPT(w->v, SP_AT(path, "seLinuxChangePolicy"), sp_kv_str(sc, "seLinuxChangePolicy"),
			      selinux_policies);
	else
		sp_v_enum_opt(w->v, SP_AT(path, "seLinuxChangePolicy"), sp_kv_str(sc, "seLinuxChangePolicy"),
			      &selinux_policies[1], 1);
}

void sp_pod_seccomp_annotation_validate(sp_violations *v, const sp_path *path, sp_str profile)
{
	static const char *const known[] = {"runtime/default", "docker/default", "unconfined"};
	sp_str file = profile;
	if (SP_STR_IN(profile, known))
		return;
	if (sp_str_take(&file, SP_STR("localhost/")))
		sp_v_local_descending_path(v, path, file);
	else
		sp_v_invalid(v, path, profile, "must be a valid seccomp profile");
}

#define SECCOMP_POD "seccomp.security.alpha.kubernetes.io/pod"
#define SECCOMP_CONTAINER "container.seccomp.security.alpha.kubernetes.io/"
#define APPARMOR_CONTAINER "container.apparmor.security.beta.kubernetes.io/"

static bool has_container(yyjson_mut_val *spec, sp_str name)
{
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, sp_pod_lists[list])) {
			if (sp_str_eq(sp_kv_str(container, "name"), name))
				return true;
		}
	}
	return false;
}

static void apparmor_annotation(sp_pod_walk *w, const sp_path *path, sp_str container, sp_str profile)
{
	static const char *const known[] = {"", "runtime/default", "unconfined"};
	if (!has_container(w->spec, container))
		sp_v_invalid(w->v, path, container, "container not found");
	if (!SP_STR_IN(profile, known) && !sp_str_starts(profile, SP_STR("localhost/")))
		sp_v_invalid(w->v, path, profile, "invalid AppArmor profile name: \"" SP_FMT "\"",
			     SP_ARG(profile));
}

/* A 32-bit integer without a plus sign or leading zeros. */
bool sp_pod_deletion_cost_fits(sp_str s)
{
	int64_t n = 0;
	bool minus = sp_str_take(&s, SP_STR("-"));
	if (s.len == 0 || s.len > 10 || (s.ptr[0] == '0' && (s.len > 1 || minus)))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		n = n * 10 + (s.ptr[i] - '0');
	}
	return n <= (int64_t)INT32_MAX + minus;
}

void sp_pod_annotations_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *annotations)
{
	SP_KV_EACH_MEMBER (key, val, i, annotations) {
		sp_str k = sp_jmut_str(key), s = sp_jmut_str(val), container = k;
		if (sp_str_eq(k, SP_STR("kubernetes.io/config.mirror")) &&
		    sp_kv_str(w->spec, "nodeName").len == 0)
			sp_v_invalid(w->v, SP_AT_KEY(path, k), s,
				     "must set spec.nodeName if mirror pod annotation is set");
		if (sp_str_eq(k, SP_STR("controller.kubernetes.io/pod-deletion-cost")) &&
		    (w->options & SP_POD_BAD_DELETION_COST) == 0 && !sp_pod_deletion_cost_fits(s))
			sp_v_invalid(w->v, SP_AT_KEY(path, k), s, "must be a 32bit integer");
		if (sp_str_eq(k, SP_STR(SECCOMP_POD)) || sp_str_starts(k, SP_STR(SECCOMP_CONTAINER)))
			sp_pod_seccomp_annotation_validate(w->v, SP_AT_STR(path, k), s);
		if (sp_str_take(&container, SP_STR(APPARMOR_CONTAINER)))
			apparmor_annotation(w, SP_AT_KEY(path, k), container, s);
	}
}

/* An old annotation beside the field that replaced it: both must say the same. `what` is "seccomp" … */
static void match(sp_violations *v, const sp_path *path, const char *what, sp_str annotation,
		  yyjson_mut_val *profile)
{
	sp_str file = annotation;
	const char *want = NULL;
	if (sp_kv_is(profile, "type", "Unconfined"))
		want = "unconfined";
	else if (sp_kv_is(profile, "type", "RuntimeDefault"))
		want = "runtime/default";
	if (want != NULL) {
		bool docker =
			what[0] == 's' && want[0] == 'r' && sp_str_eq(annotation, SP_STR("docker/default"));
		if (!sp_str_eq(annotation, sp_str_c(want)) && !docker)
			sp_v_forbidden(v, SP_AT(path, "type"), "%s type in annotation and field must match",
				       what);
	} else if (sp_kv_is(profile, "type", "Localhost")) {
		if (!sp_str_take(&file, SP_STR("localhost/")))
			sp_v_forbidden(v, SP_AT(path, "type"), "%s type in annotation and field must match",
				       what);
		else if (!sp_str_eq(file, sp_kv_str(profile, "localhostProfile")))
			sp_v_forbidden(v, SP_AT(path, "localhostProfile"),
				       "%s profile in annotation and field must match", what);
	}
}

/* The annotation `prefix` + name; NULL when absent. */
static yyjson_mut_val *container_annotation(sp_pod_walk *w, yyjson_mut_val *annotations, const char *prefix,
					    sp_str name)
{
	sp_str key = sp_arena_printf(w->arena, "%s" SP_FMT, prefix, SP_ARG(name));
	return sp_jmut_get(annotations, key);
}

void sp_pod_annotations_match(sp_pod_walk *w, const sp_path *spec_path, yyjson_mut_val *annotations)
{
	yyjson_mut_val *pod_sc = sp_kv_get(w->spec, "securityContext");
	yyjson_mut_val *pod_seccomp = sp_jmut_get(annotations, SP_STR(SECCOMP_POD));
	bool check_armor = !sp_str_eq(w->os, SP_STR("windows"));
	if (annotations == NULL)
		return;
	if (pod_seccomp != NULL)
		match(w->v, SP_AT(spec_path, "securityContext.seccompProfile"), "seccomp",
		      sp_jmut_str(pod_seccomp), sp_kv_get(pod_sc, "seccompProfile"));
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(w->spec, sp_pod_lists[list])) {
			const sp_path *at = SP_AT_I(SP_AT_STR(spec_path, sp_str_c(sp_pod_lists[list])), i);
			yyjson_mut_val *sc = sp_kv_get(container, "securityContext");
			sp_str name = sp_kv_str(container, "name");
			yyjson_mut_val *seccomp =
				container_annotation(w, annotations, SECCOMP_CONTAINER, name);
			yyjson_mut_val *armor =
				container_annotation(w, annotations, APPARMOR_CONTAINER, name);
			yyjson_mut_val *profile = sp_kv_get(sc, "appArmorProfile");
			if (profile == NULL)
				profile = sp_kv_get(pod_sc, "appArmorProfile");
			if (seccomp != NULL)
				match(w->v, SP_AT(at, "securityContext.seccompProfile"), "seccomp",
				      sp_jmut_str(seccomp), sp_kv_get(sc, "seccompProfile"));
			if (armor != NULL && check_armor)
				match(w->v, SP_AT(at, "securityContext.appArmorProfile"), "apparmor",
				      sp_jmut_str(armor), profile);
		}
	}
}
