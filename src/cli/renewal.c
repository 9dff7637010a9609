/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/renewal.h"

#include "io/file.h"
#include "io/tls/x509.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define NS_PER_S UINT64_C(1000000000)

static void on_timer(sp_timer *t)
{
	cli_renewal_now(t->arg);
}

/* Seconds until the next look; -1: there is no certificate to wait for. */
static int64_t due_s(cli_renewal *r)
{
	sp_arena a;
	sp_str pem;
	sp_x509_info *all;
	size_t n;
	int64_t s = -1, now_s = sp_wall_ns(r->world) / (int64_t)NS_PER_S;
	sp_arena_init(&a, 4 * FILE_BYTES_MAX);
	if (sp_file_read_arena(r->world, r->path, &a, FILE_BYTES_MAX, &pem, NULL) == SP_OK &&
	    sp_x509_inspect_pem(pem, &a, &all, &n, NULL) == SP_OK && all[0].not_after_s > now_s) {
		int64_t life = all[0].not_after_s - all[0].not_before_s, left = all[0].not_after_s - now_s;
		s = SP_MAX(left - life / 5, left / 8);
		s = SP_MAX(s, 1);
	}
	sp_arena_done(&a);
	return s;
}

void cli_renewal_start(cli_renewal *r)
{
	int64_t s = due_s(r);
	r->timer.arg = r;
	if (s >= 0)
		sp_timer_start(r->world, &r->timer, (uint64_t)s * NS_PER_S, on_timer);
}

void cli_renewal_now(cli_renewal *r)
{
	sp_err err = {0};
	if (r->reload(r->arg, &err) == SP_OK)
		sp_log(r->log, SP_LOG_INFO, "certificates reloaded", SP_KS("file", r->path));
	else
		sp_log(r->log, SP_LOG_ERROR, "certificates not reloaded, the old ones stay in use",
		       SP_KE(&err));
	cli_renewal_start(r);
}

void cli_renewal_stop(cli_renewal *r)
{
	if (r->world != NULL)
		sp_timer_stop(r->world, &r->timer);
}
