/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log of `sampan apiserver`, as its flags want it. */
#pragma once

#include "apiserver/audit/log.h"
#include "apiserver/audit/policy.h"
#include "base/log.h"

typedef struct cli_audit_flags {
	sp_str policy_file, path, format;
	int64_t max_age_days, max_backups, max_mib;
} cli_audit_flags;

typedef struct cli_audit {
	api_audit_policy *policy;
	api_audit_log *log;
	sp_log *told; /* where a failure is told */
} cli_audit;

/* Nothing is opened when no flag asks for it. `ret` stays where it is. Errors say which flag or file is
 * wrong. */
sp_code cli_audit_open(sp_world *w, sp_log *log, const cli_audit_flags *f, cli_audit *ret,
		       sp_err *err) SP_MUST_USE;
/* For the server's options. */
api_audit_opts cli_audit_opts(const cli_audit *a);
/* Writes what waits; done comes once, from the loop (at once when there is no log). */
void cli_audit_close(cli_audit *a, void (*done)(void *arg), void *arg);
void cli_audit_done(cli_audit *a);
