/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/history.h"

#include "base/num.h"
#include "controllers/deletion.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)
#define PREFIX_BYTES_MAX 223u /* of the owner's name in a revision's */
#define COLLISIONS_MAX 100    /* of one sync: more is no accident */

/* ---- what changes ---- */

static void wake(revisions *r, sp_arena *a, const sp_object *o)
{
	ctl_owner owner;
	if (o != NULL && ctl_controller_of_object(a, o, &owner) &&
	    sp_str_eq(owner.kind, sp_str_c(r->owner_kind)))
		sp_queue_add(r->c->queue, sp_object_key_join(a, o->ns, owner.name));
}

static void on_revision(void *arg, const sp_object *old, const sp_object *now)
{
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	wake(arg, &a, old);
	wake(arg, &a, now);
	sp_arena_done(&a);
}

sp_code revisions_follow(revisions *r, controller *c, const char *owner_kind, sp_err *err)
{
	r->c = c;
	r->owner_kind = owner_kind;
	SP_TRY(controller_follow(c, SP_CONTROLLERREVISIONS, ctl_revision_view, &r->informer, err));
	SP_TRY(sp_informer_index(r->informer, sp_index_by_controller, NULL, &r->by_owner, err));
	SP_TRY(sp_informer_index(r->informer, ctl_index_orphans, NULL, &r->orphans, err));
	controller_watch(r->informer, &r->watch, on_revision, r);
	return SP_OK;
}

/* ---- writing ---- */

static void finish(history *h, sp_code code, const sp_err *err)
{
	h->code = code;
	if (code != SP_OK && err != NULL)
		h->err = *err;
	h->done(h);
}

static void make(history *h);

/* The answer's object as the newest of all; its texts in the arena. */
static sp_code note(history *h, sp_str body, sp_err *err)
{
	yyjson_val *root;
	ctl_revision *r = &h->all[h->n];
	SP_TRY(sp_json_parse(h->arena, body, &root, err));
	sp_view_fill(root, ctl_revision_view, r);
	r->object = NULL;
	r->is_live = false;
	r->is_equal = ctl_revision_is_of(r, h->template_);
	return SP_OK;
}

static void use(history *h)
{
	h->now = &h->all[h->n++];
	finish(h, SP_OK, NULL);
}

/* The one that has the name already: ours, not seen yet, or another with the same hash. */
static void on_other(sp_call *c, const sp_answer *a)
{
	history *h = c->arg;
	sp_err err = {0};
	sp_code code = a->code;
	if (code == SP_OK)
		code = note(h, a->body, &err);
	else if (a->err != NULL)
		err = *a->err;
	if (code != SP_OK) {
		finish(h, code, &err);
	} else if (h->all[h->n].is_equal) {
		use(h);
	} else {
		h->collisions++;
		make(h);
	}
}

static void on_made(sp_call *c, const sp_answer *a)
{
	history *h = c->arg;
	sp_err err = {0};
	if (a->code == SP_EEXISTS && h->collisions < COLLISIONS_MAX) {
		h->call = (sp_call){.done = on_other, .arg = h};
		sp_call_start(h->revisions->c->client, &h->call,
			      &(sp_ask){.verb = SP_ASK_GET,
					.gvr = SP_CONTROLLERREVISIONS,
					.ns = h->owner->ns,
					.name = h->name});
		return;
	}
	sp_code code = a->code == SP_OK ? note(h, a->body, &err) : a->code;
	if (code == SP_OK)
		use(h);
	else
		finish(h, code, a->code == SP_OK ? &err : a->err);
}

static void make(history *h)
{
	char text[CTL_HASH_BYTES];
	sp_err err = {0};
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	h->hash = sp_arena_try_dup(h->arena,
				   (sp_str){text, ctl_revision_hash(text, h->arena, h->data, h->collisions)});
	h->name = SP_CONCAT(h->arena, sp_str_sub(h->owner->name, 0, PREFIX_BYTES_MAX), SP_STR("-"), h->hash);
	if (h->hash.ptr == NULL || h->name.ptr == NULL ||
	    ctl_revision_write(&out, &(ctl_revision_new){.owner = h->owner,
							 .owner_kind = h->revisions->owner_kind,
							 .name = h->name,
							 .hash = h->hash,
							 .data = h->data,
							 .template_ = h->template_,
							 .annotations = h->annotations,
							 .number = h->number}) != SP_OK) {
		finish(h, sp_fail(&err, SP_ETOOLARGE, "no room for a revision"), &err);
		return;
	}
	h->call = (sp_call){.done = on_made, .arg = h};
	sp_call_start(h->revisions->c->client, &h->call,
		      &(sp_ask){.verb = SP_ASK_CREATE,
				.gvr = SP_CONTROLLERREVISIONS,
				.ns = h->owner->ns,
				.body = sp_buf_view(&out)});
}

static void on_numbered(sp_call *c, const sp_answer *a)
{
	finish(c->arg, a->code, a->err);
}

static void number(history *h, const ctl_revision *r)
{
	sp_str body = sp_arena_printf(
		h->arena,
		"{\"metadata\":{\"uid\":\"" SP_FMT "\",\"resourceVersion\":\"%llu\"},\"revision\":%lld}",
		SP_ARG(r->uid), (unsigned long long)r->object->revision, (long long)h->number);
	h->now = r;
	h->call = (sp_call){.done = on_numbered, .arg = h};
	sp_call_start(h->revisions->c->client, &h->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_CONTROLLERREVISIONS,
				.ns = h->owner->ns,
				.name = r->name,
				.body = body});
}

/* ---- a sync ---- */

static sp_code read_all(history *h, sp_err *err)
{
	const claim *k = &h->claim;
	h->all = sp_try_new(h->arena, ctl_revision, k->n_owned + 1);
	if (h->all == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu revisions", k->n_owned);
	for (h->n = 0; h->n < k->n_owned; h->n++) {
		ctl_revision *r = &h->all[h->n];
		SP_TRY(sp_view(h->arena, k->owned[h->n]->json, ctl_revision_view, r, err));
		r->object = k->owned[h->n];
		r->is_equal = ctl_revision_is_of(r, h->template_);
	}
	ctl_revisions_sort(h->all, h->n);
	return SP_OK;
}

static void on_claimed(claim *k)
{
	history *h = k->arg;
	sp_err err = {0};
	sp_code code = k->code;
	if (code != SP_OK) {
		finish(h, code, &k->err);
		return;
	}
	code = read_all(h, &err);
	const ctl_revision *r = code == SP_OK ? ctl_revisions_equal(h->all, h->n) : NULL;
	h->number = h->n == 0 ? 1 : h->all[h->n - 1].number + 1;
	if (code == SP_OK && r == NULL)
		code = ctl_revision_data(h->arena, h->template_, &h->data, &err);
	if (code != SP_OK) {
		finish(h, code, &err);
	} else if (r == NULL) {
		make(h);
	} else if (h->all[h->n - 1].is_equal) {
		h->now = r;
		finish(h, SP_OK, NULL);
	} else {
		number(h, r); /* back to an older template */
	}
}

void history_start(history *h)
{
	h->now = NULL;
	h->claim = (claim){.c = h->revisions->c,
			   .arena = h->arena,
			   .children = h->revisions->informer,
			   .children_gvr = SP_CONTROLLERREVISIONS,
			   .by_owner = h->revisions->by_owner,
			   .orphans = h->revisions->orphans,
			   .owner = h->owner,
			   .owner_gvr = h->owner_gvr,
			   .owner_api_version = "apps/v1",
			   .owner_kind = h->revisions->owner_kind,
			   .selector = h->selector,
			   .done = on_claimed,
			   .arg = h};
	claim_start(&h->claim);
}

/* ---- forgetting ---- */

static sp_code ask(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const history *h = f->arg;
	return ctl_deletion(h->arena, SP_CONTROLLERREVISIONS, h->doomed[i]->object, NULL, q, err);
}

static sp_code each(fan *f, size_t i, const sp_answer *a)
{
	(void)f;
	(void)i;
	return ctl_is_deleted(a) ? SP_OK : a->code;
}

static void on_trimmed(fan *f)
{
	finish(f->arg, f->code, &f->err);
}

void history_trim(history *h, int64_t surplus)
{
	size_t n = 0;
	h->doomed = surplus > 0 ? sp_try_new(h->arena, const ctl_revision *, h->n) : NULL;
	for (size_t i = 0; h->doomed != NULL && i < h->n && (int64_t)n < surplus; i++) {
		if (!h->all[i].is_live)
			h->doomed[n++] = &h->all[i];
	}
	if (n == 0) {
		finish(h, SP_OK, NULL);
		return;
	}
	h->fan = (fan){.client = h->revisions->c->client,
		       .arena = h->arena,
		       .n = n,
		       .ask = ask,
		       .each = each,
		       .done = on_trimmed,
		       .arg = h};
	fan_start(&h->fan);
}
