/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two revisions of one template, which come of collisions of hashes and of two controllers at work at once:
 * the newest stays. Pods of the others get its label, then the others go. U: kubernetes pkg/controller/daemon
 * update.go dedupCurHistories (which labels pods of older templates, too).
 */
#include "controllers/daemon_set_int.h"
#include "controllers/deletion.h"

typedef struct twins {
	ds_run *x;
	const ctl_revision **doomed;
	const ds_pod **pods;
	size_t n_doomed, n_pods;
	fan fan;
} twins;

static bool is_twin(const history *h, const ctl_revision *r)
{
	return r->is_equal && r != h->now && r->object != NULL && h->now->object != NULL;
}

bool ds_has_twins(const ds_run *x)
{
	for (size_t i = 0; i < x->history.n; i++) {
		if (is_twin(&x->history, &x->history.all[i]))
			return true;
	}
	return false;
}

/* ---- the others go ---- */

static sp_code ask_deletion(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const twins *t = f->arg;
	return ctl_deletion(t->x->job->arena, SP_CONTROLLERREVISIONS, t->doomed[i]->object, NULL, q, err);
}

static sp_code on_deleted(fan *f, size_t i, const sp_answer *a)
{
	(void)f;
	(void)i;
	return ctl_is_deleted(a) ? SP_OK : a->code;
}

static void on_end(fan *f)
{
	const twins *t = f->arg;
	ds_end(t->x, f->code, &f->err);
}

/* ---- their pods ---- */

static sp_code ask_label(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const twins *t = f->arg;
	const sp_object *o = t->pods[i]->pod.object;
	sp_str hash = ctl_revision_hash_of(t->x->history.now);
	*q = (sp_ask){
		.verb = SP_ASK_MERGE_PATCH,
		.gvr = SP_PODS,
		.ns = o->ns,
		.name = o->name,
		.body = sp_arena_printf(t->x->job->arena,
					"{\"metadata\":{\"uid\":\"" SP_FMT
					"\",\"resourceVersion\":\"%llu\",\"labels\":{\"" CTL_REVISION_HASH
					"\":\"" SP_FMT "\"}}}",
					SP_ARG(o->uid), (unsigned long long)o->revision, SP_ARG(hash))};
	return q->body.ptr != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "no room for a label");
}

static sp_code on_labelled(fan *f, size_t i, const sp_answer *a)
{
	(void)f;
	(void)i;
	return a->code == SP_ENOTFOUND ? SP_OK : a->code;
}

static void on_all_labelled(fan *f)
{
	twins *t = f->arg;
	if (f->code != SP_OK) {
		ds_end(t->x, f->code, &f->err);
		return;
	}
	t->fan = (fan){.client = t->x->c->base.client,
		       .arena = t->x->job->arena,
		       .n = t->n_doomed,
		       .ask = ask_deletion,
		       .each = on_deleted,
		       .done = on_end,
		       .arg = t};
	fan_start(&t->fan);
}

static void add_pods(twins *t, const ctl_revision *r)
{
	sp_str hash = ctl_revision_hash_of(r), stays = ctl_revision_hash_of(t->x->history.now);
	for (size_t i = 0; i < t->x->n_pods; i++) {
		const ds_pod *p = &t->x->pods[i];
		sp_str has = sp_vmap_str(p->pod.labels, SP_STR(CTL_REVISION_HASH));
		if (sp_str_eq(has, hash) && !sp_str_eq(has, stays))
			t->pods[t->n_pods++] = p;
	}
}

void ds_merge_twins(ds_run *x)
{
	const history *h = &x->history;
	sp_err err = {0};
	twins *t = sp_try_new(x->job->arena, twins, 1);
	if (t != NULL) {
		*t = (twins){.x = x,
			     .doomed = sp_try_new(x->job->arena, const ctl_revision *, h->n),
			     .pods = sp_try_new(x->job->arena, const ds_pod *, x->n_pods + 1)};
	}
	if (t == NULL || t->doomed == NULL || t->pods == NULL) {
		ds_end(x, sp_fail(&err, SP_ETOOLARGE, "no room for revisions"), &err);
		return;
	}
	for (size_t i = 0; i < h->n; i++) {
		if (!is_twin(h, &h->all[i]))
			continue;
		t->doomed[t->n_doomed++] = &h->all[i];
		add_pods(t, &h->all[i]);
	}
	t->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = t->n_pods,
		       .ask = ask_label,
		       .each = on_labelled,
		       .done = on_all_labelled,
		       .arg = t};
	fan_start(&t->fan);
}
