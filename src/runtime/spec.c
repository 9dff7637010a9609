/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/spec.h"

#include "base/num.h"

#define OCI_VERSION "1.0.2"
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const sp_cri_linux_container_security_context *security(const rt_spec *s)
{
	return s->config->linux_ == NULL ? NULL : s->config->linux_->security_context;
}

bool rt_spec_is_privileged(const rt_spec *s)
{
	return security(s) != NULL && security(s)->privileged;
}

/* ---- process ---- */

static sp_code write_args(sp_jout *j, const rt_spec *s, sp_err *err)
{
	const sp_cri_container_config *c = s->config;
	bool has_command = c->command.n > 0;
	size_t n = 0;
	sp_jout_member_open(j, SP_STR("args"), '[');
	for (size_t i = 0; i < c->command.n; i++, n++)
		sp_jout_str(j, c->command.at[i]);
	for (size_t i = 0; !has_command && i < s->image->entrypoint.n; i++, n++)
		sp_jout_str(j, s->image->entrypoint.items[i]);
	for (size_t i = 0; i < c->args.n; i++, n++)
		sp_jout_str(j, c->args.at[i]);
	for (size_t i = 0; !has_command && c->args.n == 0 && i < s->image->cmd.n; i++, n++)
		sp_jout_str(j, s->image->cmd.items[i]);
	sp_jout_close(j, ']');
	return n > 0 ? SP_OK : sp_fail(err, SP_EINVAL, "no command specified");
}

static sp_str key_of(sp_str pair)
{
	sp_str key;
	return sp_str_cut(&pair, '=', &key) ? key : pair;
}

/* Later settings of a name replace earlier ones, in their place. */
static void set_env(sp_str *env, size_t *n, sp_str pair)
{
	for (size_t i = 0; i < *n; i++) {
		if (sp_str_eq(key_of(env[i]), key_of(pair))) {
			env[i] = pair;
			return;
		}
	}
	env[(*n)++] = pair;
}

sp_strs rt_spec_env(const rt_spec *s, sp_arena *a)
{
	const sp_cri_container_config *c = s->config;
	sp_str *env = sp_new(a, sp_str, s->image->env.n + c->envs.n + 3);
	size_t n = 0;
	set_env(env, &n, SP_STR(DEFAULT_PATH));
	if (c->tty)
		set_env(env, &n, SP_STR("TERM=xterm"));
	if (s->hostname_text.len > 0)
		set_env(env, &n, SP_CONCAT(a, SP_STR("HOSTNAME="), s->hostname_text));
	for (size_t i = 0; i < s->image->env.n; i++)
		set_env(env, &n, s->image->env.items[i]);
	for (size_t i = 0; i < c->envs.n; i++)
		set_env(env, &n, SP_CONCAT(a, c->envs.at[i].key, SP_STR("="), c->envs.at[i].value));
	return (sp_strs){env, n};
}

static void write_user(sp_jout *j, const rt_user *u)
{
	sp_jout_member_open(j, SP_STR("user"), '{');
	sp_jout_member_i64(j, SP_STR("uid"), u->uid);
	sp_jout_member_i64(j, SP_STR("gid"), u->gid);
	sp_jout_member_open(j, SP_STR("additionalGids"), '[');
	for (size_t i = 0; i < u->n_groups; i++)
		sp_jout_i64(j, u->groups[i]);
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
}

/* Without CAP_SYS_RESOURCE nobody can put a process behind others when memory is short: a container then runs
 * without that, rather than not at all. U: containerd's restrict_oom_score_adj. */
static int64_t oom_score_of(const rt_spec *s, int64_t wanted)
{
	return (s->caps & rt_spec_capability(SP_STR("CAP_SYS_RESOURCE"))) != 0 ? wanted : SP_MAX(wanted, 0);
}

static void write_process(sp_jout *j, const rt_spec *s)
{
	const sp_cri_linux_container_security_context *sc = security(s);
	const sp_cri_linux_container_config *l = s->config->linux_;
	sp_str cwd = s->config->working_dir.len > 0 ? s->config->working_dir : s->image->working_dir;
	write_user(j, &s->user);
	sp_jout_member_str(j, SP_STR("cwd"), cwd.len > 0 ? cwd : SP_STR("/"));
	rt_spec_capabilities(j, sc, s->caps);
	if (s->apparmor.len > 0)
		sp_jout_member_str(j, SP_STR("apparmorProfile"), s->apparmor);
	if (sc != NULL && sc->no_new_privs)
		sp_jout_member_bool(j, SP_STR("noNewPrivileges"), true);
	if (l != NULL && l->resources != NULL)
		sp_jout_member_i64(j, SP_STR("oomScoreAdj"), oom_score_of(s, l->resources->oom_score_adj));
}

void rt_spec_process(const rt_spec *s, sp_buf *out)
{
	sp_jout j = {.out = out, .comma = true};
	write_process(&j, s);
}

/* ---- linux ---- */

static void write_namespace(sp_jout *j, sp_str type, sp_str path)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("type"), type);
	if (path.len > 0)
		sp_jout_member_str(j, SP_STR("path"), path);
	sp_jout_close(j, '}');
}

static void write_namespaces(sp_jout *j, const rt_spec *s)
{
	const struct {
		sp_str type, path;
	} joined[] = {
		{SP_STR("network"), s->net},  {SP_STR("ipc"), s->ipc},
		{SP_STR("uts"), s->uts},      {SP_STR("pid"), s->own_pids ? SP_STR("") : s->pid},
		{SP_STR("user"), s->user_ns},
	};
	sp_jout_member_open(j, SP_STR("namespaces"), '[');
	write_namespace(j, SP_STR("mount"), SP_STR(""));
	if (s->own_pids)
		write_namespace(j, SP_STR("pid"), SP_STR(""));
	for (size_t i = 0; i < SP_LEN(joined); i++) {
		if (joined[i].path.len > 0)
			write_namespace(j, joined[i].type, joined[i].path);
	}
	sp_jout_close(j, ']');
}

static void write_mapping(sp_jout *j, sp_str name, const sp_cri_id_mapping *m)
{
	sp_jout_member_open(j, name, '[');
	sp_jout_open(j, '{');
	sp_jout_member_i64(j, SP_STR("containerID"), m->container_id);
	sp_jout_member_i64(j, SP_STR("hostID"), m->host_id);
	sp_jout_member_i64(j, SP_STR("size"), m->length);
	sp_jout_close(j, '}');
	sp_jout_close(j, ']');
}

/* Mounts that flow between host and container need a root that lets them. */
static sp_str root_propagation(const rt_spec *s)
{
	int32_t most = SP_CRI_PROPAGATION_PRIVATE;
	for (size_t i = 0; i < s->n_mounts; i++)
		most = SP_MAX(most, s->mounts[i].cri->propagation);
	return most == SP_CRI_PROPAGATION_BIDIRECTIONAL       ? SP_STR("rshared")
	       : most == SP_CRI_PROPAGATION_HOST_TO_CONTAINER ? SP_STR("rslave")
							      : SP_STR("");
}

static void write_linux(sp_jout *j, const rt_spec *s)
{
	const sp_cri_linux_container_security_context *sc = security(s);
	const sp_cri_linux_container_config *l = s->config->linux_;
	sp_str propagation = root_propagation(s);
	sp_jout_member_open(j, SP_STR("linux"), '{');
	write_namespaces(j, s);
	if (s->users != NULL) {
		write_mapping(j, SP_STR("uidMappings"), s->users->uids.at);
		write_mapping(j, SP_STR("gidMappings"), s->users->gids.at);
	}
	sp_jout_member_str(j, SP_STR("cgroupsPath"), s->cgroup);
	sp_jout_member_open(j, SP_STR("resources"), '{');
	rt_spec_limits(j, l == NULL ? NULL : l->resources, s->counts_huge, s);
	sp_jout_close(j, '}');
	rt_spec_devices(j, s);
	if (propagation.len > 0)
		sp_jout_member_str(j, SP_STR("rootfsPropagation"), propagation);
	if (sc != NULL && !sc->privileged) {
		sp_jout_member_strs(j, SP_STR("maskedPaths"), sc->masked_paths.at, sc->masked_paths.n);
		sp_jout_member_strs(j, SP_STR("readonlyPaths"), sc->readonly_paths.at, sc->readonly_paths.n);
	}
	if (s->seccomp.len > 0)
		sp_jout_member_raw(j, SP_STR("seccomp"), s->seccomp);
	sp_jout_close(j, '}');
}

/* ---- the whole ---- */

static void write_annotations(sp_jout *j, const rt_spec *s)
{
	const sp_cri_pod_sandbox_metadata *p = s->sandbox->metadata;
	const sp_cri_image_spec *spec = s->config->image;
	const struct {
		sp_str key, value;
	} rows[] = {
		{SP_STR("io.kubernetes.cri.container-type"), SP_STR("container")},
		{SP_STR("io.kubernetes.cri.sandbox-id"), s->sandbox_id},
		{SP_STR("io.kubernetes.cri.container-name"), s->config->metadata->name},
		{SP_STR("io.kubernetes.cri.sandbox-name"), p->name},
		{SP_STR("io.kubernetes.cri.sandbox-namespace"), p->namespace},
		{SP_STR("io.kubernetes.cri.sandbox-uid"), p->uid},
		{SP_STR("io.kubernetes.cri.image-name"), spec == NULL ? SP_STR("") : spec->image},
	};
	sp_jout_member_open(j, SP_STR("annotations"), '{');
	for (size_t i = 0; i < SP_LEN(rows); i++)
		sp_jout_member_str(j, rows[i].key, rows[i].value);
	sp_jout_close(j, '}');
}

sp_code rt_spec_write(const rt_spec *s, sp_arena *a, sp_buf *out, sp_err *err)
{
	const sp_cri_linux_container_security_context *sc = security(s);
	sp_jout j = sp_jout_to(out);
	SP_TRY(rt_spec_check_capabilities(sc, err));
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("ociVersion"), SP_STR(OCI_VERSION));
	sp_jout_member_open(&j, SP_STR("process"), '{');
	SP_TRY(write_args(&j, s, err));
	sp_strs env = rt_spec_env(s, a);
	sp_jout_member_strs(&j, SP_STR("env"), env.items, env.n);
	if (s->config->tty)
		sp_jout_member_bool(&j, SP_STR("terminal"), true);
	write_process(&j, s);
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("root"), '{');
	sp_jout_member_str(&j, SP_STR("path"), SP_STR("rootfs"));
	sp_jout_member_bool(&j, SP_STR("readonly"), sc != NULL && sc->readonly_rootfs);
	sp_jout_close(&j, '}');
	rt_spec_mounts(&j, s, a);
	write_linux(&j, s);
	write_annotations(&j, s);
	sp_jout_close(&j, '}');
	if (sp_buf_code(out) != SP_OK)
		return sp_fail(err, sp_buf_code(out), "the container's configuration is too large");
	return SP_OK;
}

/* ---- signals ---- */

/* CRI's own numbers, in the order of its enumeration. U: api.proto, Signal. */
static const struct {
	const char *name;
	uint8_t number;
} signals[] = {
	{"", 0},      {"ABRT", 6},  {"ALRM", 14}, {"BUS", 7},     {"CHLD", 17},  {"CLD", 17},  {"CONT", 18},
	{"FPE", 8},   {"HUP", 1},   {"ILL", 4},   {"INT", 2},     {"IO", 29},    {"IOT", 6},   {"KILL", 9},
	{"PIPE", 13}, {"POLL", 29}, {"PROF", 27}, {"PWR", 30},    {"QUIT", 3},   {"SEGV", 11}, {"STKFLT", 16},
	{"STOP", 19}, {"SYS", 31},  {"TERM", 15}, {"TRAP", 5},    {"TSTP", 20},  {"TTIN", 21}, {"TTOU", 22},
	{"URG", 23},  {"USR1", 10}, {"USR2", 12}, {"VTALRM", 26}, {"WINCH", 28}, {"XCPU", 24}, {"XFSZ", 25},
};
#define REALTIME_FIRST 35 /* in CRI: SIGRTMIN … SIGRTMAX follow each other */
#define RTMIN 34u
#define RTMAX 64u

sp_code rt_stop_signal(int32_t cri, sp_str text, uint32_t *ret, sp_err *err)
{
	uint64_t number;
	if (cri > 0 && cri < REALTIME_FIRST) {
		*ret = signals[cri].number;
		return SP_OK;
	}
	if (cri >= REALTIME_FIRST && cri <= REALTIME_FIRST + (int32_t)(RTMAX - RTMIN)) {
		*ret = RTMIN + (uint32_t)(cri - REALTIME_FIRST);
		return SP_OK;
	}
	*ret = 15;
	if (text.len == 0)
		return SP_OK;
	if (sp_parse_u64(text, 1, RTMAX, &number, NULL) == SP_OK) {
		*ret = (uint32_t)number;
		return SP_OK;
	}
	sp_str name = text;
	if (name.len > 3 && sp_str_eq_nocase(sp_str_sub(name, 0, 3), SP_STR("SIG")))
		name = sp_str_sub(name, 3, name.len);
	for (size_t i = 1; i < SP_LEN(signals); i++) {
		if (sp_str_eq_nocase(name, sp_str_c(signals[i].name))) {
			*ret = signals[i].number;
			return SP_OK;
		}
	}
	if (sp_str_eq_nocase(sp_str_sub(name, 0, 6), SP_STR("RTMIN+")) &&
	    sp_parse_u64(sp_str_sub(name, 6, name.len), 0, RTMAX - RTMIN, &number, NULL) == SP_OK) {
		*ret = RTMIN + (uint32_t)number;
		return SP_OK;
	}
	return sp_fail(err, SP_EINVAL, "the image's stop signal \"" SP_FMT "\" is unknown", SP_ARG(text));
}
