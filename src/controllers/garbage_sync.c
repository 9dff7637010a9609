/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/num.h"
#include "controllers/garbage_int.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)
#define REFS_MAX 64u /* owners of one object that are looked at */
#define METADATA_ONLY "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"

typedef enum verdict { SOLID, DANGLING, WAITING } verdict;

typedef struct run {
	gc *g;
	sp_job *job;
	gc_kind *kind;
	const sp_object *object;
	gc_view view; /* of the cache, then of the server */
	yyjson_val *meta;
	gc_ref refs[REFS_MAX];
	verdict verdicts[REFS_MAX];
	size_t n_refs, at; /* at: the one being asked for */
	bool is_circle;
	sp_call call;
	/* orphans */
	const sp_object **orphans;
	gc_kind **orphan_kinds;
	size_t n_orphans, cap;
	fan fan;
} run;

static void end(run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && code != SP_ECONFLICT && err != NULL)
		sp_log(x->g->base.log, SP_LOG_WARN, "garbage collector: trying again",
		       SP_KS("kind", x->kind->kind), SP_KS("key", x->object->key), SP_KE(err));
	sp_job_done(x->job, code);
}

static void on_written(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	end(x, a->code == SP_ENOTFOUND ? SP_OK : a->code, a->err);
}

static void ask(run *x, sp_ask_verb verb, const sp_object *o, sp_str body,
		void (*done)(sp_call *c, const sp_answer *a))
{
	x->call = (sp_call){.done = done, .arg = x};
	sp_call_start(x->g->base.client, &x->call,
		      &(sp_ask){.verb = verb,
				.gvr = x->kind->gvr,
				.ns = o->ns,
				.name = o->name,
				.accept = SP_STR(METADATA_ONLY),
				.body = body});
}

/* ---- bodies ---- */

static void open_meta(sp_jout *j, sp_str uid, sp_str revision)
{
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("uid"), uid);
	sp_jout_member_str(j, SP_STR("resourceVersion"), revision);
}

static void close_meta(sp_jout *j)
{
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

/* The list without those that `drop` names. */
static void write_list(sp_jout *j, const char *name, sp_vlist list,
		       bool (*drop)(const void *arg, yyjson_val *v), const void *arg)
{
	sp_jout_member_open(j, sp_str_c(name), '[');
	SP_VLIST_FOREACH(v, list)
	{
		if (drop(arg, v))
			continue;
		if (j->comma)
			(void)sp_buf_char(j->out, ',');
		(void)sp_json_write(j->out, v);
		j->comma = true;
	}
	sp_jout_close(j, ']');
}

static sp_str revision_text(char out[SP_NUM_TEXT_BYTES], uint64_t revision)
{
	return (sp_str){out, sp_print_u64(out, revision)};
}

/* ---- finalizers ---- */

static void remove_finalizer(run *x, const char *name)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	(void)sp_patch_finalizers(&body, x->object, x->view.finalizers, sp_str_c(name), SP_STR(""));
	ask(x, SP_ASK_MERGE_PATCH, x->object, sp_buf_view(&body), on_written);
}

/* ---- foreground: it waits for those that block it ---- */

typedef struct blockers {
	const run *x;
	size_t n;
} blockers;

static bool is_blocking(const sp_object *owner, const gc_view *v)
{
	SP_VLIST_FOREACH(item, v->owners)
	{
		gc_ref ref = gc_ref_of(item);
		if (sp_str_eq(ref.uid, owner->uid) && ref.blocks)
			return true;
	}
	return false;
}

static bool on_dependent(void *arg, gc_kind *k, const sp_object *o)
{
	blockers *b = arg;
	gc_view v;
	if (!gc_read(b->x->job->arena, o, &v) || !is_blocking(b->x->object, &v))
		return true;
	b->n++;
	if (v.deleted.len == 0)
		gc_enqueue(k, o);
	return true;
}

static void wait_for_dependents(run *x)
{
	blockers b = {.x = x};
	gc_dependents(x->g, x->object->uid, on_dependent, &b);
	if (b.n == 0)
		remove_finalizer(x, GC_FOREGROUND);
	else
		end(x, SP_OK, NULL); /* their end wakes it */
}

/* ---- orphan: those it owns lose their owner ---- */

static bool count_orphan(void *arg, gc_kind *k, const sp_object *o)
{
	(void)k;
	(void)o;
	((run *)arg)->cap++;
	return true;
}

static bool take_orphan(void *arg, gc_kind *k, const sp_object *o)
{
	run *x = arg;
	const sp_object *mine = x->n_orphans < x->cap ? ctl_hold(x->job->arena, o) : NULL;
	if (mine == NULL)
		return false;
	x->orphan_kinds[x->n_orphans] = k;
	x->orphans[x->n_orphans++] = mine;
	return true;
}

static bool is_ref_to(const void *arg, yyjson_val *v)
{
	const sp_object *owner = arg;
	return sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("uid"))), owner->uid);
}

static sp_code ask_orphan(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	run *x = f->arg;
	const sp_object *o = x->orphans[i];
	char text[SP_NUM_TEXT_BYTES];
	gc_view v;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	if (!gc_read(x->job->arena, o, &v))
		return sp_fail(err, SP_EINTERNAL, "an object can't be read");
	sp_jout j = sp_jout_to(&body);
	open_meta(&j, o->uid, revision_text(text, o->revision));
	write_list(&j, "ownerReferences", v.owners, is_ref_to, x->object);
	close_meta(&j);
	q->verb = SP_ASK_MERGE_PATCH;
	q->gvr = x->orphan_kinds[i]->gvr;
	q->ns = o->ns;
	q->name = o->name;
	q->accept = SP_STR(METADATA_ONLY);
	q->body = sp_arena_try_dup(x->job->arena, sp_buf_view(&body));
	return q->body.ptr != NULL && sp_buf_code(&body) == SP_OK
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "no room for a patch");
}

static sp_code on_orphan(fan *f, size_t i, const sp_answer *a)
{
	(void)f;
	(void)i;
	return a->code == SP_ENOTFOUND ? SP_OK : a->code;
}

static void on_all_orphans(fan *f)
{
	run *x = f->arg;
	if (f->code == SP_OK)
		remove_finalizer(x, GC_ORPHAN);
	else
		end(x, f->code, &f->err);
}

static void orphan_dependents(run *x)
{
	gc_dependents(x->g, x->object->uid, count_orphan, x);
	x->orphans = sp_try_new(x->job->arena, const sp_object *, x->cap + 1);
	x->orphan_kinds = sp_try_new(x->job->arena, gc_kind *, x->cap + 1);
	if (x->orphans != NULL && x->orphan_kinds != NULL)
		gc_dependents(x->g, x->object->uid, take_orphan, x);
	if (x->orphans == NULL || x->orphan_kinds == NULL || x->n_orphans < x->cap) {
		end(x, SP_ENOMEM, NULL);
		return;
	}
	x->fan = (fan){.client = x->g->base.client,
		       .arena = x->job->arena,
		       .n = x->n_orphans,
		       .ask = ask_orphan,
		       .each = on_orphan,
		       .done = on_all_orphans,
		       .arg = x};
	fan_start(&x->fan);
}

/* ---- the rest: are its owners there? ---- */

static size_t count(const run *x, verdict v)
{
	size_t n = 0;
	for (size_t i = 0; i < x->n_refs; i++)
		n += x->verdicts[i] == v;
	return n;
}

static bool is_not_solid(const void *arg, yyjson_val *v)
{
	const run *x = arg;
	sp_str uid = sp_json_str(sp_json_last(v, SP_STR("uid")));
	for (size_t i = 0; i < x->n_refs; i++) {
		if (sp_str_eq(x->refs[i].uid, uid))
			return x->verdicts[i] != SOLID;
	}
	return false;
}

static sp_str live_revision(const run *x)
{
	return sp_json_str(sp_json_last(x->meta, SP_STR("resourceVersion")));
}

static void drop_refs(run *x)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	open_meta(&j, x->object->uid, live_revision(x));
	write_list(&j, "ownerReferences", x->view.owners, is_not_solid, x);
	close_meta(&j);
	ask(x, SP_ASK_MERGE_PATCH, x->object, sp_buf_view(&body), on_written);
}

static bool on_any(void *arg, gc_kind *k, const sp_object *o)
{
	(void)k;
	(void)o;
	*(bool *)arg = true;
	return false;
}

static void delete_object(run *x)
{
	bool has_dependents = false;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	gc_dependents(x->g, x->object->uid, on_any, &has_dependents);
	sp_delete_opts o = {
		.uid = x->object->uid, .revision = live_revision(x), .propagation = SP_STR("Background")};
	if (gc_has_finalizer(&x->view, GC_ORPHAN))
		o.propagation = SP_STR("Orphan");
	else if (gc_has_finalizer(&x->view, GC_FOREGROUND) || (has_dependents && count(x, WAITING) > 0))
		o.propagation = SP_STR("Foreground");
	(void)sp_patch_delete_opts(&body, &o);
	ask(x, SP_ASK_DELETE, x->object, sp_buf_view(&body), on_written);
}

/*
 * A circle that waits for itself: an owner waits for this one, which owns one that waits for its own. This
 * one blocks its owners no more, and is deleted then. U: kubernetes
 * pkg/controller/garbagecollector/garbagecollector.go, attemptToDeleteItem
 */

static bool on_waiting(void *arg, gc_kind *k, const sp_object *o)
{
	run *x = arg;
	gc_view v;
	(void)k;
	x->is_circle = gc_read(x->job->arena, o, &v) && gc_is_foreground(&v);
	return !x->is_circle;
}

static void write_unblocked(sp_jout *j, yyjson_val *item)
{
	gc_ref ref = gc_ref_of(item);
	yyjson_val *leads = sp_json_last(item, SP_STR("controller"));
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("apiVersion"), ref.api_version);
	sp_jout_member_str(j, SP_STR("kind"), ref.kind);
	sp_jout_member_str(j, SP_STR("name"), ref.name);
	sp_jout_member_str(j, SP_STR("uid"), ref.uid);
	if (leads != NULL)
		sp_jout_member_bool(j, SP_STR("controller"), yyjson_is_true(leads));
	sp_jout_member_bool(j, SP_STR("blockOwnerDeletion"), false);
	sp_jout_close(j, '}');
}

static void on_unblocked(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	yyjson_val *root;
	sp_err err = {0};
	if (a->code != SP_OK) {
		end(x, a->code == SP_ENOTFOUND ? SP_OK : a->code, a->err);
		return;
	}
	sp_code code = sp_json_parse(x->job->arena, a->body, &root, &err);
	if (code != SP_OK) {
		end(x, code, &err);
		return;
	}
	x->meta = sp_json_last(root, SP_STR("metadata"));
	delete_object(x);
}

static void unblock(run *x)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	open_meta(&j, x->object->uid, live_revision(x));
	sp_jout_member_open(&j, SP_STR("ownerReferences"), '[');
	SP_VLIST_FOREACH(item, x->view.owners)
	write_unblocked(&j, item);
	sp_jout_close(&j, ']');
	close_meta(&j);
	ask(x, SP_ASK_MERGE_PATCH, x->object, sp_buf_view(&body), on_unblocked);
}

static void delete_or_unblock(run *x)
{
	if (count(x, WAITING) > 0)
		gc_dependents(x->g, x->object->uid, on_waiting, x);
	if (x->is_circle)
		unblock(x);
	else
		delete_object(x);
}

static void judge(run *x)
{
	if (count(x, SOLID) == 0)
		delete_or_unblock(x);
	else if (count(x, SOLID) < x->n_refs)
		drop_refs(x);
	else
		end(x, SP_OK, NULL);
}

static void next_ref(run *x);

static verdict verdict_of(const gc_view *owner)
{
	return gc_is_foreground(owner) ? WAITING : SOLID;
}

static void tell_invalid(run *x, const gc_ref *ref)
{
	sp_str api = x->kind->gvr.group.len == 0 ? x->kind->gvr.version
						 : SP_CONCAT(x->job->arena, x->kind->gvr.group, SP_STR("/"),
							     x->kind->gvr.version);
	const sp_event_ref about = {.api_version = api,
				    .kind = x->kind->kind,
				    .ns = x->object->ns,
				    .name = x->object->name,
				    .uid = x->object->uid};
	sp_events_emitf(x->g->base.events, &about, true, "OwnerRefInvalidNamespace",
			"ownerRef [" SP_FMT "/" SP_FMT ", namespace: " SP_FMT ", name: " SP_FMT
			", uid: " SP_FMT "] does not exist in namespace \"" SP_FMT "\"",
			SP_ARG(ref->api_version), SP_ARG(ref->kind), SP_ARG(x->object->ns), SP_ARG(ref->name),
			SP_ARG(ref->uid), SP_ARG(x->object->ns));
}

/* The owner is there, but in another namespace, which does not count. */
static bool is_elsewhere(const run *x, const gc_ref *ref)
{
	const gc_kind *k = gc_find_kind(x->g, ref->api_version, ref->kind);
	const gc_kind *spaces = gc_find_kind(x->g, SP_STR("v1"), SP_STR("Namespace"));
	const sp_object *ns;
	if (k == NULL || !k->namespaced || spaces == NULL)
		return false;
	for (size_t at = 0; (ns = sp_informer_next(spaces->informer, &at)) != NULL;) {
		const sp_object *o = sp_informer_get_in(k->informer, ns->name, ref->name);
		if (o != NULL && sp_str_eq(o->uid, ref->uid) && !sp_str_eq(o->ns, x->object->ns))
			return true;
	}
	return false;
}

static void on_owner(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	const gc_ref *ref = &x->refs[x->at];
	const sp_object *o;
	gc_view v;
	sp_err err = {0};
	if (a->code != SP_OK && a->code != SP_ENOTFOUND) {
		end(x, a->code, a->err);
		return;
	}
	x->verdicts[x->at] = DANGLING;
	if (a->code == SP_OK) {
		sp_code code = sp_object_parse(x->job->arena, a->body, NULL, &o, &err);
		if (code != SP_OK) {
			end(x, code, &err);
			return;
		}
		bool same = sp_str_eq(o->uid, ref->uid), ok = gc_read(x->job->arena, o, &v);
		if (same && ok)
			x->verdicts[x->at] = verdict_of(&v);
		sp_object_unref(o);
		if (!ok) {
			end(x, SP_ENOMEM, NULL);
			return;
		}
	}
	if (x->verdicts[x->at] == DANGLING && is_elsewhere(x, ref))
		tell_invalid(x, ref);
	x->at++;
	next_ref(x);
}

static void next_ref(run *x)
{
	for (; x->at < x->n_refs; x->at++) {
		const gc_ref *ref = &x->refs[x->at];
		gc_kind *k = gc_find_kind(x->g, ref->api_version, ref->kind);
		gc_view v;
		sp_err err = {0};
		if (k == NULL) { /* served again some day, perhaps: it is not known to be gone */
			(void)sp_fail(&err, SP_EUNAVAILABLE, "owner of unknown kind '" SP_FMT "' " SP_FMT,
				      SP_ARG(ref->api_version), SP_ARG(ref->kind));
			end(x, SP_EUNAVAILABLE, &err);
			return;
		}
		if (k->namespaced && x->object->ns.len == 0) { /* nothing is known, nothing is done */
			tell_invalid(x, ref);
			end(x, SP_OK, NULL);
			return;
		}
		sp_str ns = k->namespaced ? x->object->ns : SP_STR("");
		const sp_object *owner = sp_informer_get_in(k->informer, ns, ref->name);
		if (owner != NULL && sp_str_eq(owner->uid, ref->uid) && gc_read(x->job->arena, owner, &v)) {
			x->verdicts[x->at] = verdict_of(&v);
			continue;
		}
		x->call = (sp_call){.done = on_owner, .arg = x};
		sp_call_start(
			x->g->base.client, &x->call,
			&(sp_ask){
				.gvr = k->gvr, .ns = ns, .name = ref->name, .accept = SP_STR(METADATA_ONLY)});
		return;
	}
	judge(x);
}

static void on_live(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	yyjson_val *root;
	sp_err err = {0};
	sp_code code = a->code;
	if (code == SP_ENOTFOUND) {
		end(x, SP_OK, NULL);
		return;
	}
	if (code == SP_OK)
		code = sp_json_parse(x->job->arena, a->body, &root, &err);
	else
		err = *a->err;
	if (code != SP_OK) {
		end(x, code, &err);
		return;
	}
	x->meta = sp_json_last(root, SP_STR("metadata"));
	yyjson_val *owners = sp_json_last(x->meta, SP_STR("ownerReferences"));
	yyjson_val *finalizers = sp_json_last(x->meta, SP_STR("finalizers"));
	x->view = (gc_view){sp_json_str(sp_json_last(x->meta, SP_STR("deletionTimestamp"))),
			    {yyjson_arr_get_first(owners), yyjson_arr_size(owners)},
			    {yyjson_arr_get_first(finalizers), yyjson_arr_size(finalizers)}};
	bool same = sp_str_eq(sp_json_str(sp_json_last(x->meta, SP_STR("uid"))), x->object->uid);
	if (!same || x->view.deleted.len > 0 || x->view.owners.n == 0 || x->view.owners.n > REFS_MAX) {
		end(x, SP_OK, NULL);
		return;
	}
	SP_VLIST_FOREACH(v, x->view.owners)
	x->refs[x->n_refs++] = gc_ref_of(v);
	next_ref(x);
}

/* ---- a sync ---- */

void gc_sync(controller *c, sp_job *job)
{
	gc *g = SP_CONTAINER_OF(c, gc, base);
	gc_kind *kind;
	sp_str key;
	const sp_object *o =
		gc_parse_key(g, job->key, &kind, &key) ? sp_informer_get(kind->informer, key) : NULL;
	run *x = sp_new(job->arena, run, 1);
	if (o == NULL) {
		sp_job_done(job, SP_OK);
		return;
	}
	*x = (run){.g = g, .job = job, .kind = kind, .object = ctl_hold(job->arena, o)};
	if (x->object == NULL || !gc_read(job->arena, o, &x->view)) {
		sp_job_done(job, SP_ENOMEM);
		return;
	}
	bool going = x->view.deleted.len > 0;
	if (going && gc_has_finalizer(&x->view, GC_ORPHAN))
		orphan_dependents(x);
	else if (going && gc_has_finalizer(&x->view, GC_FOREGROUND))
		wait_for_dependents(x);
	else if (going || x->view.owners.n == 0)
		end(x, SP_OK, NULL);
	else
		ask(x, SP_ASK_GET, o, SP_STR(""), on_live);
}
