/* SPDX-License-Identifier: Apache-2.0 */
/* CNI plugins, run as root. What they say is not looked at here. U: containernetworking/cni SPEC.md,
 * section 2. */
#include <errno.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/program.h"

#define TIMEOUT_NS UINT64_C(120000000000)
#define TYPE_BYTES 255u
#define ARGS_BYTES 8192u

static const char *const verbs[SP_HOST_CNI_VERBS_] = {
	[SP_HOST_CNI_ADD] = "ADD", [SP_HOST_CNI_DEL] = "DEL",       [SP_HOST_CNI_CHECK] = "CHECK",
	[SP_HOST_CNI_GC] = "GC",   [SP_HOST_CNI_STATUS] = "STATUS", [SP_HOST_CNI_VERSION] = "VERSION",
};

static sp_code check(const sp_host_cni *m, sp_err *err)
{
	bool ok = m->type.len > 0 && m->type.len <= TYPE_BYTES && m->type.ptr[0] != '.';
	for (size_t i = 0; ok && i < m->type.len; i++) {
		char c = m->type.ptr[i];
		ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		     c == '_' || c == '.';
	}
	if (!ok)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no type of a CNI plugin", SP_ARG(m->type));
	if (m->verb < 0 || m->verb >= SP_HOST_CNI_VERBS_ || m->args.len > ARGS_BYTES ||
	    (m->args.len > 0 && memchr(m->args.ptr, '\0', m->args.len) != NULL))
		return sp_fail(err, SP_EINVAL, "malformed request for a CNI plugin");
	if (m->if_name.len > 0)
		SP_TRY(host_check_if(m->if_name, err));
	return m->id.len > 0 ? host_check_id(m->id, err) : SP_OK;
}

/* In the first directory that has it. */
static sp_code find(host_request *r, sp_str type, const char **ret, sp_err *err)
{
	sp_str rest = r->h->opts->cni_bin_dirs, dir;
	while (sp_str_next(&rest, ':', &dir)) {
		if (!sp_str_starts(dir, SP_STR("/")))
			continue;
		sp_str path = SP_CONCAT(&r->arena, dir, SP_STR("/"), type);
		if (path.len == 0)
			return sp_fail(err, SP_ENOMEM, "no memory for a path");
		if (access(path.ptr, X_OK) == 0) {
			*ret = path.ptr;
			return SP_OK;
		}
	}
	return sp_fail(err, SP_ENOTFOUND, "failed to find plugin \"" SP_FMT "\" in path [" SP_FMT "]",
		       SP_ARG(type), SP_ARG(r->h->opts->cni_bin_dirs));
}

/* Empty once the namespace is gone, as DEL may be told. */
static sp_code netns_of(host_request *r, sp_str id, host_path_buf *ret, sp_err *err)
{
	struct statfs fs;
	ret->text[0] = '\0';
	if (id.len == 0)
		return SP_OK;
	SP_TRY(host_path_of(r->h, "sandboxes", id, "/ns/net", ret, err));
	if (statfs(ret->text, &fs) != 0 || (unsigned long)fs.f_type != NSFS_MAGIC)
		ret->text[0] = '\0';
	return SP_OK;
}

static void on_done(void *arg, const host_program_result *result)
{
	host_request *r = arg;
	sp_err err;
	const sp_host_cni_answer answer = {
		.output = result->out, .errors = result->errors, .status = result->code, .cut = result->cut};
	if (!result->timed_out) {
		host_answer(r, &answer);
		return;
	}
	(void)sp_fail(&err, SP_ETIMEOUT, "a CNI plugin did not end in time");
	host_refuse(r, &err);
}

sp_code host_cni(host_request *r, const void *message, sp_err *err)
{
	const sp_host_cni *m = message;
	const char *program = NULL;
	host_path_buf netns;
	SP_TRY(check(m, err));
	SP_TRY(find(r, m->type, &program, err));
	SP_TRY(netns_of(r, m->id, &netns, err));
	sp_arena *a = &r->arena;
	const char *const argv[] = {program, NULL};
	const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		sp_arena_printf(a, "CNI_COMMAND=%s", verbs[m->verb]).ptr,
		sp_arena_printf(a, "CNI_CONTAINERID=" SP_FMT, SP_ARG(m->id)).ptr,
		sp_arena_printf(a, "CNI_NETNS=%s", netns.text).ptr,
		sp_arena_printf(a, "CNI_IFNAME=" SP_FMT, SP_ARG(m->if_name)).ptr,
		sp_arena_printf(a, "CNI_ARGS=" SP_FMT, SP_ARG(m->args)).ptr,
		sp_arena_printf(a, "CNI_PATH=" SP_FMT, SP_ARG(r->h->opts->cni_bin_dirs)).ptr,
		NULL,
	};
	for (size_t i = 0; i + 1 < SP_LEN(env); i++) {
		if (env[i] == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for the environment of a CNI plugin");
	}
	const host_program_opts opts = {.argv = argv,
					.env = env,
					.input = m->config,
					.out_bytes = SP_HOST_CNI_OUTPUT_BYTES,
					.timeout_ns = TIMEOUT_NS,
					.apart = true,
					.done = on_done,
					.arg = r};
	return host_program_run(r->h, &opts, NULL, err);
}
