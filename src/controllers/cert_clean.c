/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for certificates that are answered, or that nobody answers, go after a while: an hour after the
 * answer, a day without one, and when the certificate has expired. U: kubernetes
 * pkg/controller/certificates/cleaner (which looks once an hour).
 */
#include "base/num.h"
#include "controllers/cert_requests.h"
#include "controllers/deletion.h"
#include "controllers/table.h"

#define NS_PER_S UINT64_C(1000000000)
#define HOUR_S INT64_C(3600)
#define DAY_S (24 * HOUR_S)

typedef struct cleaner {
	controller base;
	sp_informer *requests;
	sp_informer_watch watch;
} cleaner;

/* The earlier of two times, 0: never. */
static int64_t earlier(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

static int64_t after(sp_str time, int64_t seconds)
{
	int64_t at = ctl_seconds(time);
	return at == 0 ? 0 : at + seconds;
}

static int64_t expiry_s(sp_arena *a, const csr *c)
{
	sp_x509_info *all;
	size_t n;
	sp_str pem = csr_pem(a, c->certificate);
	if (pem.len == 0 || sp_x509_inspect_pem(pem, a, &all, &n, NULL) != SP_OK || n == 0)
		return 0;
	return all[0].not_after_s;
}

/* When it goes, seconds since 1970; 0: never. */
static int64_t end_of(sp_arena *a, const csr *c)
{
	ctl_conditions all;
	bool issued = c->certificate.len > 0;
	ctl_conditions_read(c->conditions, &all);
	const ctl_condition *approved = ctl_condition_find(&all, "Approved");
	const ctl_condition *denied = ctl_condition_find(&all, "Denied");
	const ctl_condition *failed = ctl_condition_find(&all, "Failed");
	int64_t end = all.n == 0 ? after(c->created, DAY_S) : 0;
	if (approved != NULL)
		end = earlier(end, after(approved->update, issued ? HOUR_S : DAY_S));
	if (approved != NULL && issued)
		end = earlier(end, expiry_s(a, c));
	if (denied != NULL)
		end = earlier(end, after(denied->update, HOUR_S));
	return failed != NULL ? earlier(end, after(failed->update, HOUR_S)) : end;
}

static void sync_request(controller *base, sp_job *job)
{
	const cleaner *c = SP_CONTAINER_OF(base, cleaner, base);
	const sp_object *o = sp_informer_get(c->requests, job->key);
	csr v;
	int64_t end = 0;
	if (o != NULL && csr_read(job->arena, o, &v, NULL) == SP_OK)
		end = end_of(job->arena, &v);
	int64_t left = end - ctl_now_s(base->world);
	if (end == 0)
		sp_job_done(job, SP_OK);
	else if (left >= 0)
		sp_job_again(job, (uint64_t)(left + 1) * NS_PER_S);
	else
		ctl_delete(base->client, job, csr_gvr, o, NULL);
}

static sp_code open_cleaner(controller *base, sp_err *err)
{
	cleaner *c = SP_CONTAINER_OF(base, cleaner, base);
	SP_TRY(controller_follow(base, csr_gvr, csr_view, &c->requests, err));
	controller_watch(c->requests, &c->watch, controller_enqueue, base);
	return SP_OK;
}

const controller_type controller_cert_clean = {.name = "certificatesigningrequest-cleaner-controller",
					       .account = "certificate-controller",
					       .size_bytes = sizeof(cleaner),
					       .n_workers = 1,
					       .open = open_cleaner,
					       .sync = sync_request};
