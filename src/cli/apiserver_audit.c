/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/apiserver_audit.h"

#include <errno.h>
#include <stdio.h>

#include "io/file.h"

#define MIB_MAX ((int64_t)1 << 30)

static sp_code to_stdout(sp_str bytes, sp_err *err)
{
	if (fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len && fflush(stdout) == 0)
		return SP_OK;
	clearerr(stdout);
	return sp_fail_sys(err, errno, "write to standard output");
}

static void on_error(void *arg, const sp_err *err)
{
	cli_audit *a = arg;
	sp_log(a->told, SP_LOG_ERROR, "audit events are lost", SP_KE(err));
}

static sp_code check(const cli_audit_flags *f, sp_err *err)
{
	const struct {
		const char *name;
		int64_t value, max;
	} numbers[] = {{"maxage", f->max_age_days, 36500},
		       {"maxbackup", f->max_backups, 1000000},
		       {"maxsize", f->max_mib, MIB_MAX}};
	for (size_t i = 0; i < SP_LEN(numbers); i++) {
		if (numbers[i].value < 0 || numbers[i].value > numbers[i].max)
			return sp_fail(err, SP_EINVAL,
				       "--audit-log-%s %lld can't be a negative number or above %lld",
				       numbers[i].name, (long long)numbers[i].value,
				       (long long)numbers[i].max);
	}
	if (!sp_str_eq(f->format, SP_STR("json")))
		return sp_fail(err, SP_EINVAL,
			       "invalid audit log format " SP_FMT ", allowed formats are \"json\"",
			       SP_ARG(f->format));
	if (f->path.len > 0 && !sp_str_eq(f->path, SP_STR("-")) && f->path.ptr[0] != '/')
		return sp_fail(err, SP_EINVAL, "--audit-log-path is an absolute path or -");
	return SP_OK;
}

static sp_code read_policy(sp_world *w, sp_str file, api_audit_policy **ret, sp_err *err)
{
	SP_AUTO_BUF text;
	sp_err why;
	sp_buf_init(&text, API_AUDIT_POLICY_BYTES_MAX);
	SP_TRY(sp_file_read_all(w, file, &text, err));
	sp_code code = api_audit_policy_parse(sp_buf_view(&text), ret, &why);
	return code == SP_OK ? SP_OK
			     : sp_fail(err, code, "loading audit policy file: %s: from file " SP_FMT, why.msg,
				       SP_ARG(file));
}

sp_code cli_audit_open(sp_world *w, sp_log *log, const cli_audit_flags *f, cli_audit *ret, sp_err *err)
{
	*ret = (cli_audit){.told = log};
	SP_TRY(check(f, err));
	if (f->policy_file.len > 0)
		SP_TRY(read_policy(w, f->policy_file, &ret->policy, err));
	if (ret->policy == NULL || f->path.len == 0)
		return SP_OK;
	const api_audit_log_opts o = {.path = f->path,
				      .out = sp_str_eq(f->path, SP_STR("-")) ? to_stdout : NULL,
				      .max_bytes = (uint64_t)f->max_mib << 20,
				      .n_backups = (uint32_t)f->max_backups,
				      .max_days = (uint32_t)f->max_age_days,
				      .on_error = on_error,
				      .arg = ret};
	return api_audit_log_open(w, &o, &ret->log, err);
}

api_audit_opts cli_audit_opts(const cli_audit *a)
{
	if (a->log == NULL)
		return (api_audit_opts){.policy = NULL};
	return (api_audit_opts){a->policy, api_audit_log_sink(a->log)};
}

void cli_audit_close(cli_audit *a, void (*done)(void *arg), void *arg)
{
	api_audit_log *l = a->log;
	a->log = NULL;
	if (l == NULL)
		done(arg);
	else
		api_audit_log_close(l, done, arg);
}

void cli_audit_done(cli_audit *a)
{
	api_audit_policy_free(a->policy);
	a->policy = NULL;
}
