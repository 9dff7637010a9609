/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/pod_policy.h"

#include <stdlib.h>

#include "base/num.h"

#define TEXT_BYTES_MAX ((size_t)256 << 10)
/* ---- lists of texts ---- */

typedef struct texts {
	sp_arena *arena;
	sp_str *items;
	size_t n, cap;
	bool failed;
} texts;

static void add(texts *t, sp_str s)
{
	if (t->n == t->cap) {
		size_t cap = t->cap == 0 ? 8 : t->cap * 2;
		sp_str *items =
			sp_arena_try_grow(t->arena, t->items, t->cap * sizeof *items, cap * sizeof *items);
		if (items == NULL) {
			t->failed = true;
			return;
		}
		t->items = items;
		t->cap = cap;
	}
	t->items[t->n++] = s;
}

static void add_once(texts *t, sp_str s)
{
	for (size_t i = 0; i < t->n; i++) {
		if (sp_str_eq(t->items[i], s))
			return;
	}
	add(t, s);
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

static void sort(texts *t)
{
	if (t->n > 1)
		qsort(t->items, t->n, sizeof *t->items, by_text);
}

/* ---- a pod under examination ---- */

typedef struct exam {
	sp_arena *arena;
	yyjson_mut_val *meta, *spec;
	uint32_t minor;
	sp_buf detail; /* of the check that runs */
	bool failed;
} exam;

static texts list(exam *x)
{
	return (texts){.arena = x->arena};
}

static void join(exam *x, texts *t, const char *between, bool quoted)
{
	x->failed = x->failed || t->failed;
	for (size_t i = 0; i < t->n; i++)
		(void)sp_buf_printf(&x->detail, quoted ? "%s\"" SP_FMT "\"" : "%s" SP_FMT,
				    i == 0 ? "" : between, SP_ARG(t->items[i]));
}

static void quote(exam *x, texts *t)
{
	join(x, t, ", ", true);
}

/* `container "a"`, `containers "a", "b"` */
static void put_named(exam *x, const char *one, texts *t)
{
	(void)sp_buf_printf(&x->detail, "%s%s ", one, t->n == 1 ? "" : "s");
	quote(x, t);
}

/* "pod and containers …": who sets something bad. */
static void put_setters(exam *x, bool pod, texts *containers)
{
	(void)sp_buf_printf(&x->detail, "%s%s", pod ? "pod" : "", pod && containers->n > 0 ? " and " : "");
	if (containers->n > 0)
		put_named(x, "container", containers);
}

static void put(exam *x, const char *text)
{
	(void)sp_buf_str(&x->detail, sp_str_c(text));
}

typedef bool container_fn(exam *x, yyjson_mut_val *container, void *arg);

/* The names of containers for which fn is true, in the order they run. */
static texts containers_that(exam *x, container_fn *fn, void *arg)
{
	static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
	texts names = list(x);
	for (size_t l = 0; l < SP_LEN(lists); l++) {
		SP_KV_EACH (c, i, sp_kv_list(x->spec, lists[l])) {
			if (fn(x, c, arg))
				add(&names, sp_kv_str(c, "name"));
		}
	}
	return names;
}

static yyjson_mut_val *security(yyjson_mut_val *holder)
{
	return sp_kv_get(holder, "securityContext");
}

/* ---- baseline ---- */

static bool has_armor(exam *x, yyjson_mut_val *holder, void *arg)
{
	static const char *const good[] = {"RuntimeDefault", "Localhost"};
	yyjson_mut_val *profile = sp_kv_get(security(holder), "appArmorProfile");
	(void)x;
	if (profile == NULL || SP_STR_IN(sp_kv_str(profile, "type"), good))
		return false;
	add_once(arg, sp_kv_str(profile, "type"));
	return true;
}

static void armor_annotations(exam *x, texts *out)
{
	SP_KV_EACH_MEMBER (key, value, i, sp_kv_map(x->meta, "annotations")) {
		sp_str k = sp_jmut_str(key), v = sp_jmut_str(value);
		if (sp_str_starts(k, SP_STR("container.apparmor.security.beta.kubernetes.io/")) &&
		    v.len > 0 && !sp_str_eq(v, SP_STR("runtime/default")) &&
		    !sp_str_starts(v, SP_STR("localhost/")))
			add(out, sp_arena_printf(x->arena, SP_FMT "=\"" SP_FMT "\"", SP_ARG(k), SP_ARG(v)));
	}
	sort(out);
}

static const char *app_armor(exam *x)
{
	texts values = list(x), annotations = list(x);
	bool pod = has_armor(x, x->spec, &values);
	texts bad = containers_that(x, has_armor, &values);
	sort(&values);
	armor_annotations(x, &annotations);
	for (size_t i = 0; i < annotations.n; i++)
		add(&values, annotations.items[i]);
	if (!pod && bad.n == 0 && annotations.n == 0)
		return NULL;
	put_setters(x, pod, &bad);
	if (annotations.n > 0)
		(void)sp_buf_printf(&x->detail, "%sannotation%s", pod || bad.n > 0 ? " and " : "",
				    annotations.n == 1 ? "" : "s");
	put(x, " must not set AppArmor profile type to ");
	quote(x, &values);
	return values.n == 1 ? "forbidden AppArmor profile" : "forbidden AppArmor profiles";
}

static bool adds_capability(exam *x, yyjson_mut_val *container, void *arg)
{
	static const char *const usual[] = {"AUDIT_WRITE", "CHOWN",  "DAC_OVERRIDE",     "FOWNER",  "FSETID",
					    "KILL",        "MKNOD",  "NET_BIND_SERVICE", "SETFCAP", "SETGID",
					    "SETPCAP",     "SETUID", "SYS_CHROOT"};
	bool bad = false;
	(void)x;
	SP_KV_EACH (cap, i, sp_kv_list(sp_kv_get(security(container), "capabilities"), "add")) {
		if (SP_STR_IN(sp_jmut_str(cap), usual))
			continue;
		add_once(arg, sp_jmut_str(cap));
		bad = true;
	}
	return bad;
}

static const char *capabilities(exam *x)
{
	texts caps = list(x), bad = containers_that(x, adds_capability, &caps);
	if (bad.n == 0)
		return NULL;
	sort(&caps);
	put_named(x, "container", &bad);
	put(x, " must not include ");
	quote(x, &caps);
	put(x, " in securityContext.capabilities.add");
	return "non-default capabilities";
}

static const char *host_namespaces(exam *x)
{
	static const char *const names[] = {"hostNetwork", "hostPID", "hostIPC"};
	texts used = list(x);
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (sp_kv_bool(x->spec, names[i]))
			add(&used, sp_arena_printf(x->arena, "%s=true", names[i]));
	}
	join(x, &used, ", ", false);
	return used.n == 0 ? NULL : "host namespaces";
}

static const char *host_paths(exam *x)
{
	texts bad = list(x);
	SP_KV_EACH (v, i, sp_kv_list(x->spec, "volumes")) {
		if (sp_kv_has(v, "hostPath"))
			add(&bad, sp_kv_str(v, "name"));
	}
	if (bad.n == 0)
		return NULL;
	put_named(x, "volume", &bad);
	return "hostPath volumes";
}

static bool has_host_port(exam *x, yyjson_mut_val *container, void *arg)
{
	bool bad = false;
	SP_KV_EACH (p, i, sp_kv_list(container, "ports")) {
		int64_t port = sp_kv_i64(p, "hostPort", 0);
		if (port == 0)
			continue;
		add_once(arg, sp_arena_printf(x->arena, "%lld", (long long)port));
		bad = true;
	}
	return bad;
}

static const char *host_ports(exam *x)
{
	texts ports = list(x), bad = containers_that(x, has_host_port, &ports);
	if (bad.n == 0)
		return NULL;
	sort(&ports);
	put_named(x, "container", &bad);
	(void)sp_buf_printf(&x->detail, " use%s hostPort%s ", bad.n == 1 ? "s" : "", ports.n == 1 ? "" : "s");
	join(x, &ports, ", ", false);
	return "hostPort";
}

static bool names_host(yyjson_mut_val *handler, texts *hosts)
{
	static const char *const kinds[] = {"httpGet", "tcpSocket"};
	bool bad = false;
	for (size_t i = 0; i < SP_LEN(kinds); i++) {
		sp_str host = sp_kv_str(sp_kv_get(handler, kinds[i]), "host");
		if (host.len > 0) {
			add_once(hosts, host);
			bad = true;
		}
	}
	return bad;
}

static bool probes_host(exam *x, yyjson_mut_val *c, void *arg)
{
	yyjson_mut_val *life = sp_kv_get(c, "lifecycle");
	yyjson_mut_val *const handlers[] = {sp_kv_get(c, "livenessProbe"), sp_kv_get(c, "readinessProbe"),
					    sp_kv_get(c, "startupProbe"), sp_kv_get(life, "postStart"),
					    sp_kv_get(life, "preStop")};
	bool bad = false;
	(void)x;
	for (size_t i = 0; i < SP_LEN(handlers); i++)
		bad = names_host(handlers[i], arg) || bad;
	return bad;
}

static const char *host_probes(exam *x)
{
	texts hosts = list(x), bad = containers_that(x, probes_host, &hosts);
	if (bad.n == 0)
		return NULL;
	sort(&bad);
	sort(&hosts);
	put_named(x, "container", &bad);
	(void)sp_buf_printf(&x->detail, " use%s probe or lifecycle host%s ", bad.n == 1 ? "s" : "",
			    hosts.n == 1 ? "" : "s");
	quote(x, &hosts);
	return "probe or lifecycle host";
}

static bool is_privileged(exam *x, yyjson_mut_val *container, void *arg)
{
	(void)x;
	(void)arg;
	return sp_kv_bool(security(container), "privileged");
}

static const char *privileged(exam *x)
{
	texts bad = containers_that(x, is_privileged, NULL);
	if (bad.n == 0)
		return NULL;
	put_named(x, "container", &bad);
	put(x, " must not set securityContext.privileged=true");
	return "privileged";
}

static bool mounts_proc(exam *x, yyjson_mut_val *container, void *arg)
{
	sp_str type = sp_kv_str(security(container), "procMount");
	(void)x;
	if (!sp_kv_has(security(container), "procMount") || sp_str_eq(type, SP_STR("Default")))
		return false;
	add_once(arg, type);
	return true;
}

static const char *proc_mount(exam *x)
{
	texts types = list(x), bad = containers_that(x, mounts_proc, &types);
	if (bad.n == 0)
		return NULL;
	sort(&types);
	put_named(x, "container", &bad);
	put(x, " must not set securityContext.procMount to ");
	quote(x, &types);
	return "procMount";
}

typedef struct selinux {
	texts types;
	bool user, role;
} selinux;

static bool sets_selinux(exam *x, yyjson_mut_val *holder, void *arg)
{
	static const char *const good[] = {"container_t", "container_init_t", "container_kvm_t",
					   "container_engine_t"};
	selinux *s = arg;
	yyjson_mut_val *o = sp_kv_get(security(holder), "seLinuxOptions");
	sp_str type = sp_kv_str(o, "type");
	size_t n = x->minor >= 31 ? 4 : 3;
	bool bad_type = type.len > 0 && !sp_str_in(type, good, n);
	bool user = sp_kv_str(o, "user").len > 0, role = sp_kv_str(o, "role").len > 0;
	if (bad_type)
		add_once(&s->types, type);
	s->user = s->user || user;
	s->role = s->role || role;
	return bad_type || user || role;
}

static const char *selinux_options(exam *x)
{
	selinux s = {.types = list(x)};
	bool pod = sets_selinux(x, x->spec, &s);
	texts bad = containers_that(x, sets_selinux, &s);
	if (!pod && bad.n == 0)
		return NULL;
	sort(&s.types);
	put_setters(x, pod, &bad);
	put(x, " set forbidden securityContext.seLinuxOptions: ");
	if (s.types.n > 0)
		put_named(x, "type", &s.types);
	if (s.user)
		(void)sp_buf_printf(&x->detail, "%suser may not be set", s.types.n > 0 ? "; " : "");
	if (s.role)
		(void)sp_buf_printf(&x->detail, "%srole may not be set", s.types.n > 0 || s.user ? "; " : "");
	return "seLinuxOptions";
}

/* Until 1.18 profiles stood in annotations. */
static bool is_old_profile(sp_str v)
{
	static const char *const good[] = {"runtime/default", "docker/default"};
	return SP_STR_IN(v, good) || sp_str_starts(v, SP_STR("localhost/"));
}

static void old_profile(exam *x, sp_str key, texts *out)
{
	yyjson_mut_val *v = sp_jmut_get(sp_kv_map(x->meta, "annotations"), key);
	if (v != NULL && !is_old_profile(sp_jmut_str(v)))
		add_once(out, sp_arena_printf(x->arena, SP_FMT "=\"" SP_FMT "\"", SP_ARG(key),
					      SP_ARG(sp_jmut_str(v))));
}

static bool has_old_profile(exam *x, yyjson_mut_val *container, void *arg)
{
	sp_str name = sp_kv_str(container, "name");
	old_profile(x,
		    sp_arena_printf(x->arena, "container.seccomp.security.alpha.kubernetes.io/" SP_FMT,
				    SP_ARG(name)),
		    arg);
	return false;
}

static const char *seccomp_annotations(exam *x)
{
	texts bad = list(x);
	old_profile(x, SP_STR("seccomp.security.alpha.kubernetes.io/pod"), &bad);
	(void)containers_that(x, has_old_profile, &bad);
	if (bad.n == 0)
		return NULL;
	sort(&bad);
	(void)sp_buf_printf(&x->detail, "forbidden annotation%s ", bad.n == 1 ? "" : "s");
	join(x, &bad, ", ", false);
	return "seccompProfile";
}

static bool bad_seccomp(exam *x, yyjson_mut_val *holder, void *arg)
{
	static const char *const good[] = {"Localhost", "RuntimeDefault"};
	yyjson_mut_val *profile = sp_kv_get(security(holder), "seccompProfile");
	(void)x;
	if (profile == NULL || SP_STR_IN(sp_kv_str(profile, "type"), good))
		return false;
	add_once(arg, sp_kv_str(profile, "type"));
	return true;
}

static const char *seccomp(exam *x)
{
	if (x->minor < 19)
		return seccomp_annotations(x);
	texts values = list(x);
	bool pod = bad_seccomp(x, x->spec, &values);
	texts bad = containers_that(x, bad_seccomp, &values);
	if (!pod && bad.n == 0)
		return NULL;
	sort(&values);
	put_setters(x, pod, &bad);
	put(x, " must not set securityContext.seccompProfile.type to ");
	quote(x, &values);
	return "seccompProfile";
}

static const char *sysctls(exam *x)
{
	static const struct {
		const char *name;
		uint32_t minor;
	} safe[] = {
		{"kernel.shm_rmid_forced", 0},
		{"net.ipv4.ip_local_port_range", 0},
		{"net.ipv4.tcp_syncookies", 0},
		{"net.ipv4.ping_group_range", 0},
		{"net.ipv4.ip_unprivileged_port_start", 0},
		{"net.ipv4.ip_local_reserved_ports", 27},
		{"net.ipv4.tcp_keepalive_time", 29},
		{"net.ipv4.tcp_fin_timeout", 29},
		{"net.ipv4.tcp_keepalive_intvl", 29},
		{"net.ipv4.tcp_keepalive_probes", 29},
		{"net.ipv4.tcp_rmem", 32},
		{"net.ipv4.tcp_wmem", 32},
	};
	texts bad = list(x);
	SP_KV_EACH (s, i, sp_kv_list(security(x->spec), "sysctls")) {
		bool good = false;
		for (size_t k = 0; k < SP_LEN(safe) && !good; k++)
			good = safe[k].minor <= x->minor && sp_kv_is(s, "name", safe[k].name);
		if (!good)
			add(&bad, sp_kv_str(s, "name"));
	}
	join(x, &bad, ", ", false);
	return bad.n == 0 ? NULL : "forbidden sysctls";
}

static bool is_host_process(exam *x, yyjson_mut_val *holder, void *arg)
{
	(void)x;
	(void)arg;
	return sp_kv_bool(sp_kv_get(security(holder), "windowsOptions"), "hostProcess");
}

static const char *host_process(exam *x)
{
	bool pod = is_host_process(x, x->spec, NULL);
	texts bad = containers_that(x, is_host_process, NULL);
	if (!pod && bad.n == 0)
		return NULL;
	put_setters(x, pod, &bad);
	put(x, " must not set securityContext.windowsOptions.hostProcess=true");
	return "hostProcess";
}

/* ---- restricted ---- */

static bool may_escalate(exam *x, yyjson_mut_val *container, void *arg)
{
	(void)x;
	(void)arg;
	return !sp_kv_has(security(container), "allowPrivilegeEscalation") ||
	       sp_kv_bool(security(container), "allowPrivilegeEscalation");
}

static const char *escalation(exam *x)
{
	texts bad = containers_that(x, may_escalate, NULL);
	if (bad.n == 0)
		return NULL;
	put_named(x, "container", &bad);
	put(x, " must set securityContext.allowPrivilegeEscalation=false");
	return "allowPrivilegeEscalation != false";
}

static bool keeps_capabilities(exam *x, yyjson_mut_val *container, void *arg)
{
	(void)x;
	(void)arg;
	SP_KV_EACH (cap, i, sp_kv_list(sp_kv_get(security(container), "capabilities"), "drop")) {
		if (sp_str_eq(sp_jmut_str(cap), SP_STR("ALL")))
			return false;
	}
	return true;
}

static bool adds_any(exam *x, yyjson_mut_val *container, void *arg)
{
	bool bad = false;
	(void)x;
	SP_KV_EACH (cap, i, sp_kv_list(sp_kv_get(security(container), "capabilities"), "add")) {
		if (sp_str_eq(sp_jmut_str(cap), SP_STR("NET_BIND_SERVICE")))
			continue;
		add_once(arg, sp_jmut_str(cap));
		bad = true;
	}
	return bad;
}

static const char *no_capabilities(exam *x)
{
	texts caps = list(x), keep = containers_that(x, keeps_capabilities, NULL),
	      more = containers_that(x, adds_any, &caps);
	if (keep.n > 0) {
		put_named(x, "container", &keep);
		put(x, " must set securityContext.capabilities.drop=[\"ALL\"]");
	}
	if (more.n > 0) {
		sort(&caps);
		put(x, keep.n > 0 ? "; " : "");
		put_named(x, "container", &more);
		put(x, " must not include ");
		quote(x, &caps);
		put(x, " in securityContext.capabilities.add");
	}
	return keep.n == 0 && more.n == 0 ? NULL : "unrestricted capabilities";
}

static bool is_allowed_volume(yyjson_mut_val *v)
{
	static const char *const good[] = {"configMap", "csi",   "downwardAPI",           "emptyDir",
					   "ephemeral", "image", "persistentVolumeClaim", "projected",
					   "secret"};
	for (size_t i = 0; i < SP_LEN(good); i++) {
		if (sp_kv_has(v, good[i]))
			return true;
	}
	return false;
}

/* A volume's one member that is not its name. */
static sp_str volume_type(yyjson_mut_val *v)
{
	SP_KV_EACH_MEMBER (key, value, i, v) {
		if (!sp_str_eq(sp_jmut_str(key), SP_STR("name")) && !yyjson_mut_is_null(value))
			return sp_jmut_str(key);
	}
	return SP_STR("unknown");
}

static const char *volumes(exam *x)
{
	texts bad = list(x), types = list(x);
	SP_KV_EACH (v, i, sp_kv_list(x->spec, "volumes")) {
		if (is_allowed_volume(v))
			continue;
		add(&bad, sp_kv_str(v, "name"));
		add_once(&types, volume_type(v));
	}
	if (bad.n == 0)
		return NULL;
	sort(&types);
	put_named(x, "volume", &bad);
	(void)sp_buf_printf(&x->detail, " use%s ", bad.n == 1 ? "s" : "");
	put_named(x, "restricted volume type", &types);
	return "restricted volume types";
}

static bool is_root_said(exam *x, yyjson_mut_val *holder, void *arg)
{
	(void)x;
	(void)arg;
	return sp_kv_has(security(holder), "runAsNonRoot") && !sp_kv_bool(security(holder), "runAsNonRoot");
}

static bool is_root_unsaid(exam *x, yyjson_mut_val *container, void *arg)
{
	(void)arg;
	return !sp_kv_has(security(container), "runAsNonRoot") &&
	       !sp_kv_bool(security(x->spec), "runAsNonRoot");
}

static const char *non_root(exam *x)
{
	bool pod = is_root_said(x, x->spec, NULL);
	texts said = containers_that(x, is_root_said, NULL),
	      unsaid = containers_that(x, is_root_unsaid, NULL);
	if (pod || said.n > 0) {
		put_setters(x, pod, &said);
		put(x, " must not set securityContext.runAsNonRoot=false");
		return "runAsNonRoot != true";
	}
	if (unsaid.n == 0)
		return NULL;
	put(x, "pod or ");
	put_named(x, "container", &unsaid);
	put(x, " must set securityContext.runAsNonRoot=true");
	return "runAsNonRoot != true";
}

static bool is_user_0(exam *x, yyjson_mut_val *holder, void *arg)
{
	(void)x;
	(void)arg;
	return sp_kv_i64(security(holder), "runAsUser", 1) == 0;
}

static const char *user_0(exam *x)
{
	bool pod = is_user_0(x, x->spec, NULL);
	texts bad = containers_that(x, is_user_0, NULL);
	if (!pod && bad.n == 0)
		return NULL;
	put_setters(x, pod, &bad);
	put(x, " must not set runAsUser=0");
	return "runAsUser=0";
}

static bool has_no_seccomp(exam *x, yyjson_mut_val *container, void *arg)
{
	(void)x;
	(void)arg;
	return !sp_kv_has(security(container), "seccompProfile");
}

static const char *seccomp_set(exam *x)
{
	const char *bad = seccomp(x);
	if (bad != NULL || sp_kv_has(security(x->spec), "seccompProfile"))
		return bad;
	texts none = containers_that(x, has_no_seccomp, NULL);
	if (none.n == 0)
		return NULL;
	put(x, "pod or ");
	put_named(x, "container", &none);
	put(x, " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"");
	return "seccompProfile";
}

/* ---- the table ---- */

/* In the order they are told: by level, then by upstream's name of the check. */
#define NEVER UINT32_MAX
static const struct {
	api_pod_level level;
	uint32_t from;                    /* minor version, as the following */
	const char *(*fn)(exam *x);       /* the reason, its detail in x->detail; NULL: nothing is wrong */
	uint32_t replaced_from;           /* at the level restricted another check takes its place */
	uint32_t not_windows_from;        /* Windows has nothing of the kind */
	uint32_t not_user_namespace_from; /* users of their own are users of no one else */
} checks[] = {
	{API_POD_BASELINE, 0, app_armor, NEVER, NEVER, NEVER},
	{API_POD_BASELINE, 0, capabilities, 22, NEVER, NEVER},
	{API_POD_BASELINE, 0, host_namespaces, NEVER, NEVER, NEVER},
	{API_POD_BASELINE, 0, host_paths, 0, NEVER, NEVER},
	{API_POD_BASELINE, 0, host_ports, NEVER, NEVER, NEVER},
	{API_POD_BASELINE, 34, host_probes, NEVER, NEVER, NEVER},
	{API_POD_BASELINE, 0, privileged, NEVER, NEVER, NEVER},
	{API_POD_BASELINE, 0, proc_mount, 35, NEVER, 35},
	{API_POD_BASELINE, 0, selinux_options, NEVER, NEVER, NEVER},
	{API_POD_BASELINE, 0, seccomp, 19, NEVER, NEVER},
	{API_POD_BASELINE, 0, sysctls, NEVER, NEVER, NEVER},
	{API_POD_BASELINE, 0, host_process, NEVER, NEVER, NEVER},
	{API_POD_RESTRICTED, 8, escalation, NEVER, 25, NEVER},
	{API_POD_RESTRICTED, 22, no_capabilities, NEVER, 25, NEVER},
	{API_POD_RESTRICTED, 35, proc_mount, NEVER, NEVER, NEVER},
	{API_POD_RESTRICTED, 0, volumes, NEVER, NEVER, NEVER},
	{API_POD_RESTRICTED, 0, non_root, NEVER, NEVER, 35},
	{API_POD_RESTRICTED, 23, user_0, NEVER, NEVER, 35},
	{API_POD_RESTRICTED, 19, seccomp_set, NEVER, 25, NEVER},
};

static bool applies(const exam *x, size_t i, api_pod_level level)
{
	bool windows = sp_kv_is(sp_kv_get(x->spec, "os"), "name", "windows");
	bool own_users = sp_kv_has(x->spec, "hostUsers") && !sp_kv_bool(x->spec, "hostUsers");
	if (checks[i].level > level || x->minor < checks[i].from)
		return false;
	/* "latest" is NEVER's own number: what never happens does not happen then either. */
	uint32_t minor = x->minor == API_POD_LATEST ? API_POD_LATEST - 1 : x->minor;
	return !(level == API_POD_RESTRICTED && minor >= checks[i].replaced_from) &&
	       !(windows && minor >= checks[i].not_windows_from) &&
	       !(own_users && minor >= checks[i].not_user_namespace_from);
}

sp_str api_pod_violations(sp_arena *a, api_pod_level level, uint32_t minor, yyjson_mut_val *meta,
			  yyjson_mut_val *spec, bool details)
{
	exam x = {.arena = a, .meta = meta, .spec = spec, .minor = minor};
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	sp_buf_init(&x.detail, TEXT_BYTES_MAX);
	for (size_t i = 0; i < SP_LEN(checks) && level != API_POD_PRIVILEGED; i++) {
		sp_buf_clear(&x.detail);
		const char *reason = applies(&x, i, level) ? checks[i].fn(&x) : NULL;
		if (reason == NULL)
			continue;
		(void)sp_buf_printf(&out, "%s%s", out.len == 0 ? "" : ", ", reason);
		if (details && x.detail.len > 0)
			(void)sp_buf_printf(&out, " (" SP_FMT ")", SP_ARG(sp_buf_view(&x.detail)));
		x.failed = x.failed || sp_buf_code(&x.detail) != SP_OK;
	}
	sp_buf_done(&x.detail);
	if (x.failed || sp_buf_code(&out) != SP_OK)
		return (sp_str){NULL, 0};
	return out.len == 0 ? SP_STR("") : sp_arena_try_dup(a, sp_buf_view(&out));
}

/* ---- names ---- */

const char *const api_pod_level_names[] = {[API_POD_PRIVILEGED] = "privileged",
					   [API_POD_BASELINE] = "baseline",
					   [API_POD_RESTRICTED] = "restricted"};

bool api_pod_level_parse(sp_str text, api_pod_level *ret)
{
	for (size_t i = 0; i < SP_LEN(api_pod_level_names); i++) {
		if (sp_str_eq(text, sp_str_c(api_pod_level_names[i]))) {
			*ret = (api_pod_level)i;
			return true;
		}
	}
	return false;
}

bool api_pod_minor_parse(sp_str text, uint32_t *ret)
{
	uint64_t minor;
	sp_str rest = text;
	*ret = API_POD_LATEST;
	if (sp_str_eq(text, SP_STR("latest")))
		return true;
	if (!sp_str_take(&rest, SP_STR("v1.")) || rest.len == 0 || rest.len > 9 ||
	    (rest.ptr[0] == '0' && rest.len > 1) || sp_parse_u64(rest, 0, 999999999, &minor, NULL) != SP_OK)
		return false;
	*ret = (uint32_t)minor;
	return true;
}
