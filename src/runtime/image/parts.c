/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One content from the hosts that have it: each in turn, each taken up where the one before stopped, with
 * growing pauses while no byte comes.
 */
#include "runtime/image/pull_int.h"

#define FAILURES_MAX 5u /* in a row without a byte, over all hosts that were tried */
#define PAUSE_NS UINT64_C(50000000)
#define PROGRESS_BYTES ((uint64_t)1 << 20)

static void fetch_now(pull_part *p);

static void part_end(pull_part *p, sp_code code, const sp_err *err)
{
	sp_err copy = err == NULL ? (sp_err){0} : *err;
	pull_part_stop(p);
	pull_part_done(p, code, code == SP_OK ? NULL : &copy);
}

void pull_part_stop(pull_part *p)
{
	sp_timer_stop(p->pull->store->world, &p->retry);
	image_fetch_cancel(p->fetch);
	image_writer_free(p->writer);
	p->fetch = NULL;
	p->writer = NULL;
}

/* ---- failures ---- */

static void on_retry(sp_timer *t)
{
	fetch_now(t->arg);
}

/* Whether the same host may do better a moment later. */
static bool is_passing(sp_code code)
{
	return code == SP_EUNAVAILABLE || code == SP_ETIMEOUT || code == SP_ETOOMANY;
}

uint64_t pull_pause_ns(sp_world *w, unsigned n_failures, uint64_t retry_after_s)
{
	uint64_t pause = retry_after_s > 0 ? retry_after_s * UINT64_C(1000000000)
					   : PAUSE_NS << 2 * SP_MIN(n_failures - 1, 4u);
	return pause + sp_random_u64(w) % (pause / 2);
}

/* The next host that may be asked for contents; false: this was the last. */
static bool next_host(pull_part *p)
{
	for (size_t i = p->i_host + 1; i < p->pull->n_endpoints; i++) {
		if ((p->pull->endpoints[i].host.capabilities & IMAGE_HOST_PULL) != 0) {
			p->i_host = i;
			return true;
		}
	}
	return false;
}

static void failed(pull_part *p, sp_code code, uint64_t retry_after_s, const sp_err *err)
{
	image_store *s = p->pull->store;
	p->err = *err;
	p->n_failures++;
	if (is_passing(code) && p->n_failures < FAILURES_MAX) {
		sp_timer_start(s->world, &p->retry, pull_pause_ns(s->world, p->n_failures, retry_after_s),
			       on_retry);
	} else if (next_host(p)) {
		p->n_failures = 0;
		fetch_now(p);
	} else {
		(void)sp_wrap(&p->err, SP_FMT, SP_ARG(p->digest));
		part_end(p, code, &p->err);
	}
}

/* ---- bytes ---- */

/* The writer begins anew; what comes of it goes on in on_ready. */
static void restart(pull_part *p)
{
	p->at = 0;
	p->restarting = true;
	image_writer_restart(p->writer);
}

static void on_head(void *arg, uint64_t start, int64_t length, sp_str content_type)
{
	pull_part *p = arg;
	(void)length;
	(void)content_type;
	if (start == p->at)
		return;
	/* It does not go on where we stopped: from the beginning is fine, anything else is asked for again.
	 */
	if (start == 0) {
		image_fetch_read(p->fetch, false);
	} else {
		image_fetch_cancel(p->fetch);
		p->fetch = NULL;
		p->n_failures++;
	}
	restart(p);
}

static void on_body(void *arg, const uint8_t *bytes, size_t n)
{
	pull_part *p = arg;
	p->n_failures = 0;
	p->at += n;
	image_writer_write(p->writer, bytes, n);
	if (image_writer_is_full(p->writer))
		image_fetch_read(p->fetch, false);
	if (p->at - p->told >= PROGRESS_BYTES) {
		p->told = p->at;
		pull_part_progress(p);
	}
}

static void on_fetched(void *arg, sp_code code, uint64_t retry_after_s, const sp_err *err)
{
	pull_part *p = arg;
	sp_err short_one;
	p->fetch = NULL;
	if (code == SP_ECONFLICT && p->at > 0 &&
	    ++p->n_failures < FAILURES_MAX) { /* 416: it has not so much */
		restart(p);
		return;
	}
	if (code == SP_OK && p->at < p->size_bytes) {
		code = sp_fail(&short_one, SP_EUNAVAILABLE, "it ends after %llu of %llu bytes",
			       (unsigned long long)p->at, (unsigned long long)p->size_bytes);
		err = &short_one;
	}
	if (code != SP_OK)
		failed(p, code, retry_after_s, err);
	else
		image_writer_end(p->writer);
}

static const image_fetch_events fetch_events = {on_head, on_body, on_fetched};

static void fetch_now(pull_part *p)
{
	image_pull *pull = p->pull;
	sp_arena a;
	sp_err err;
	image_endpoint *e = &pull->endpoints[p->i_host];
	if (p->restarting || p->fetch != NULL)
		return; /* on_ready comes here again */
	sp_arena_init(&a, 16 << 10);
	image_fetch_opts o = {.http = pull->registry->http,
			      .endpoint = e,
			      .path = SP_CONCAT(&a, SP_STR("/"), pull->ref.path, SP_STR("/"), p->kind,
						SP_STR("/"), p->digest),
			      .query = e->host.is_registry ? (sp_str){NULL, 0} : pull->ns,
			      .offset = p->at,
			      .idle_ns = pull->registry->opts.stall_ns};
	if (sp_str_eq(p->kind, SP_STR("manifests")))
		o.accept = SP_STR(IMAGE_ACCEPT);
	p->fetch = o.path.ptr == NULL ? NULL : image_fetch_start(pull->store->world, &o, &fetch_events, p);
	sp_arena_done(&a);
	if (p->fetch == NULL) {
		sp_code code = sp_fail(&err, SP_ENOMEM, "no memory for a request");
		part_end(p, code, &err);
	}
}

/* ---- the writer ---- */

static void on_ready(void *arg, uint64_t offset)
{
	pull_part *p = arg;
	p->restarting = false;
	p->at = p->told = offset;
	sp_timer_stop(p->pull->store->world, &p->retry);
	pull_part_progress(p);
	if (p->fetch != NULL)
		image_fetch_read(p->fetch, true); /* it waited for a new beginning */
	else if (offset == p->size_bytes)
		image_writer_end(p->writer);
	else
		fetch_now(p);
}

static void on_room(void *arg)
{
	pull_part *p = arg;
	if (p->fetch != NULL && !p->restarting)
		image_fetch_read(p->fetch, true);
}

static bool new_writer(pull_part *p);

static void on_written(void *arg, sp_code code, const sp_err *err)
{
	pull_part *p = arg;
	sp_err copy = err == NULL ? (sp_err){0} : *err;
	if (code != SP_EPROTO || !next_host(p)) {
		part_end(p, code, &copy);
		return;
	}
	/* A host that has something else under that digest: the next one may be right. */
	pull_part_stop(p);
	p->n_failures = 0;
	if (!new_writer(p))
		pull_part_done(p, code, &copy);
}

static const image_writer_events writer_events = {on_ready, on_room, on_written};

static bool new_writer(pull_part *p)
{
	p->restarting = false;
	p->writer = image_writer_new(&p->pull->store->content, p->digest, p->size_bytes, &writer_events, p);
	return p->writer != NULL;
}

void pull_part_start(pull_part *p)
{
	image_pull *pull = p->pull;
	sp_err err;
	p->state = PART_RUNNING;
	p->retry.arg = p;
	p->i_host = 0;
	while (p->i_host < pull->n_endpoints &&
	       (pull->endpoints[p->i_host].host.capabilities & IMAGE_HOST_PULL) == 0)
		p->i_host++;
	if (p->i_host == pull->n_endpoints) {
		sp_code code = sp_fail(&err, SP_ENOTFOUND, "no host may be asked for contents");
		pull_part_done(p, code, &err);
		return;
	}
	if (new_writer(p))
		return;
	sp_code code = sp_fail(&err, SP_ENOMEM, "no memory for a content");
	pull_part_done(p, code, &err);
}
