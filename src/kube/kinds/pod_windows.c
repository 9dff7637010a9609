/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod's operating system allows. */
#include "kube/kinds/pod_int.h"
#include "kube/meta.h"

#define GMSA_SPEC_BYTES_MAX ((size_t)64 << 10)
#define DOMAIN_BYTES_MAX 256u
#define USER_BYTES_MAX 104u

static bool has_any(sp_str s, const char *chars)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '\0' && strchr(chars, s.ptr[i]) != NULL)
			return true;
	}
	return false;
}

/* 1 to 15 characters without those that NetBIOS reserves. */
static bool is_netbios(sp_str s)
{
	return s.len >= 1 && s.len <= 15 && !has_any(s, "\\/:*?\"<>|") && s.ptr[0] != '.';
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_dns_domain(sp_str s)
{
	bool more = true;
	while (more) {
		sp_str label;
		more = sp_str_cut(&s, '.', &label);
		if (!more)
			label = s;
		if (label.len == 0 || label.len > 63 || !is_alnum(label.ptr[0]) ||
		    !is_alnum(label.ptr[label.len - 1]))
			return false;
		for (size_t i = 0; i < label.len; i++) {
			if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-')
				return false;
		}
	}
	return true;
}

static bool has_control(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return true;
	}
	return false;
}

static bool only_dots_and_blanks(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '.' && s.ptr[i] != ' ')
			return false;
	}
	return s.len > 0;
}

/* "user" or "domain\user". */
static void user_name_validate(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_str user = s, domain = {NULL, 0};
	sp_bad bad = sp_bad_named(s);
	bool has_domain = sp_str_cut(&user, '\\', &domain);
	if (s.len == 0) {
		sp_v_invalid(v, path, bad, "runAsUserName cannot be an empty string");
		return;
	}
	if (has_control(s)) {
		sp_v_invalid(v, path, bad, "runAsUserName cannot contain control characters");
		return;
	}
	if (sp_str_index(user, '\\') >= 0) {
		sp_v_invalid(v, path, bad, "runAsUserName cannot contain more than one backslash");
		return;
	}
	if (domain.len >= DOMAIN_BYTES_MAX)
		sp_v_invalid(v, path, bad, "runAsUserName's Domain length must be under %u characters",
			     DOMAIN_BYTES_MAX);
	if (has_domain && !is_netbios(domain) && !is_dns_domain(domain))
		sp_v_invalid(v, path, bad,
			     "runAsUserName's Domain doesn't match the NetBios nor the DNS format");
	if (user.len == 0)
		sp_v_invalid(v, path, bad, "runAsUserName's User cannot be empty");
	else if (user.len > USER_BYTES_MAX)
		sp_v_invalid(v, path, bad,
			     "runAsUserName's User length must not be longer than %u characters",
			     USER_BYTES_MAX);
	if (only_dots_and_blanks(user))
		sp_v_invalid(v, path, bad, "runAsUserName's User cannot contain only periods or spaces");
	if (has_any(user, "\"/\\:;|=,+*?<>@[]"))
		sp_v_invalid(v, path, bad,
			     "runAsUserName's User cannot contain the following characters: "
			     "\"/\\:;|=,+*?<>@[]");
}

void sp_pod_windows_options_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *options)
{
	sp_str name = sp_kv_str(options, "gmsaCredentialSpecName"),
	       spec = sp_kv_str(options, "gmsaCredentialSpec");
	if (sp_kv_has(options, "gmsaCredentialSpecName"))
		sp_v_dns1123_subdomain(v, SP_AT(path, "gmsaCredentialSpecName"), name);
	if (sp_kv_has(options, "gmsaCredentialSpec") && spec.len == 0)
		sp_v_invalid(v, SP_AT(path, "gmsaCredentialSpec"), sp_bad_named(spec),
			     "gmsaCredentialSpec cannot be an empty string");
	if (spec.len > GMSA_SPEC_BYTES_MAX)
		sp_v_invalid(v, SP_AT(path, "gmsaCredentialSpec"), sp_bad_named(spec),
			     "gmsaCredentialSpec size must be under 64 KiB");
	if (sp_kv_has(options, "runAsUserName"))
		user_name_validate(v, SP_AT(path, "runAsUserName"), sp_kv_str(options, "runAsUserName"));
}

static yyjson_mut_val *host_process_of(yyjson_mut_val *holder)
{
	return sp_kv_path(holder, "securityContext", "windowsOptions", "hostProcess", NULL);
}

void sp_pod_host_process_validate(sp_pod_walk *w, const sp_path *spec_path)
{
	yyjson_mut_val *pod = host_process_of(w->spec);
	size_t n = 0, n_host = 0;
	bool host_network = sp_kv_bool(w->spec, "hostNetwork");
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(w->spec, sp_pod_lists[list])) {
			yyjson_mut_val *own = host_process_of(container);
			n++;
			if (pod != NULL && own != NULL && yyjson_mut_is_true(pod) != yyjson_mut_is_true(own))
				sp_v_invalid(
					w->v,
					SP_AT(SP_AT_I(SP_AT_STR(spec_path, sp_str_c(sp_pod_lists[list])), i),
					      "securityContext.windowsOptions.hostProcess"),
					own,
					"pod hostProcess value must be identical if both are specified, was "
					"%s",
					yyjson_mut_is_true(pod) ? "true" : "false");
			n_host += yyjson_mut_is_true(own != NULL ? own : pod);
		}
	}
	if (n_host == 0)
		return;
	if (n_host != n)
		sp_v_invalid(
			w->v, spec_path, "",
			"If pod contains any hostProcess containers then all containers must be HostProcess "
			"containers");
	if (!host_network)
		sp_v_invalid(w->v, SP_AT(spec_path, "hostNetwork"), host_network,
			     "hostNetwork must be true if pod contains any hostProcess containers");
	if (w->no_privileged)
		sp_v_forbidden(w->v, spec_path, "hostProcess containers are disallowed by cluster policy");
}

/* Members that a Windows pod may not set: of its security context, of the spec, of a container's context. */
static const char *const pod_context[] = {"appArmorProfile",     "seLinuxOptions",
					  "seccompProfile",      "fsGroup",
					  "fsGroupChangePolicy", "sysctls",
					  "runAsUser",           "runAsGroup",
					  "supplementalGroups",  "supplementalGroupsPolicy",
					  "seLinuxChangePolicy"};
static const char *const pod_spec[] = {"hostUsers", "shareProcessNamespace"};
static const char *const pod_flags[] = {"hostPID", "hostIPC"};
static const char *const container_context[] = {"appArmorProfile",
						"seLinuxOptions",
						"seccompProfile",
						"capabilities",
						"readOnlyRootFilesystem",
						"privileged",
						"allowPrivilegeEscalation",
						"procMount",
						"runAsUser",
						"runAsGroup"};

static void refuse(sp_violations *v, const sp_path *path, yyjson_mut_val *holder, const char *const *names,
		   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_kv_has(holder, names[i]))
			sp_v_forbidden(v, SP_AT_STR(path, sp_str_c(names[i])),
				       "cannot be set for a windows pod");
	}
}

static void windows_validate(sp_pod_walk *w, const sp_path *path)
{
	yyjson_mut_val *sc = sp_kv_get(w->spec, "securityContext");
	refuse(w->v, SP_AT(path, "securityContext"), sc, pod_context, SP_LEN(pod_context));
	refuse(w->v, path, w->spec, pod_spec, SP_LEN(pod_spec));
	for (size_t i = 0; i < SP_LEN(pod_flags); i++) {
		if (sp_kv_bool(w->spec, pod_flags[i]))
			refuse(w->v, path, w->spec, &pod_flags[i], 1);
	}
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(w->spec, sp_pod_lists[list]))
			refuse(w->v,
			       SP_AT(SP_AT_I(SP_AT_STR(path, sp_str_c(sp_pod_lists[list])), i),
				     "securityContext"),
			       sp_kv_get(container, "securityContext"), container_context,
			       SP_LEN(container_context));
	}
}

static void linux_validate(sp_pod_walk *w, const sp_path *path)
{
	static const char why[] = "windows options cannot be set for a linux pod";
	if (sp_kv_path(w->spec, "securityContext", "windowsOptions", NULL) != NULL)
		sp_v_forbidden(w->v, SP_AT(path, "securityContext.windowsOptions"), "%s", why);
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		SP_KV_EACH (container, i, sp_kv_list(w->spec, sp_pod_lists[list])) {
			if (sp_kv_path(container, "securityContext", "windowsOptions", NULL) != NULL)
				sp_v_forbidden(
					w->v,
					SP_AT(SP_AT_I(SP_AT_STR(path, sp_str_c(sp_pod_lists[list])), i),
					      "securityContext.windowsOptions"),
					"%s", why);
		}
	}
}

void sp_pod_os_validate(sp_pod_walk *w, const sp_path *spec_path)
{
	static const char *const names[] = {"linux", "windows"};
	if (!sp_kv_has(w->spec, "os"))
		return;
	if (w->os.len == 0)
		sp_v_required(w->v, SP_AT(spec_path, "os.name"), "%s", "");
	else if (!SP_STR_IN(w->os, names))
		sp_v_not_supported(w->v, SP_AT(spec_path, "os"), sp_bad_named(w->os), names, SP_LEN(names));
	else if (sp_str_eq(w->os, SP_STR("linux")))
		linux_validate(w, spec_path);
	else
		windows_validate(w, spec_path);
}
