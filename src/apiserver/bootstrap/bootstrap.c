/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/bootstrap/bootstrap.h"

#include "apiserver/bootstrap/run.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/time.h"
#include "kube/apply/apply.h"
#include "kube/apply/managed.h"
#include "kube/defaults.h"
#include "kube/meta.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define SCRATCH_BYTES ((size_t)4 << 20)
#define OBJECTS_MAX 512u
#define TXNS_MAX (OBJECTS_MAX / SP_LIMIT_STORE_TXN_OPS)
/* Another server on the same store may be writing the same objects. */
#define TRIES 5u
#define NS_PER_S INT64_C(1000000000)

struct boot {
	api_server *server;
	api_bootstrap_opts o;
	void (*done)(void *arg, sp_code code, const sp_err *err);
	void *arg;
	sp_arena arena;   /* of the run */
	sp_arena scratch; /* of one object */
	yyjson_mut_doc *doc;
	sp_time now;
	char now_text[32];
	sp_str now_str;
	unsigned tries;
	sp_err err; /* code SP_OK while all is well */
	bool conflict;
	sp_defer nothing; /* the end, when nothing is to be written */
	size_t n_ops, n_txns, n_open;
	sp_store_op ops[OBJECTS_MAX];
	sp_store_txn txns[TXNS_MAX];
};

sp_arena *boot_arena(boot *b)
{
	return &b->scratch;
}

yyjson_mut_doc *boot_doc(boot *b)
{
	return b->doc;
}

sp_str boot_now(boot *b)
{
	return b->now_str;
}

const api_bootstrap_opts *boot_opts(boot *b)
{
	return &b->o;
}

void boot_fail(boot *b, sp_code code, const char *what)
{
	if (b->err.code == SP_OK)
		(void)sp_fail(&b->err, code, "%s", what);
}

/* ---- one object ---- */

typedef struct put {
	boot *b;
	const api_resource *res;
	const boot_where *where;
	boot_merge_fn *merge;
	sp_kind_ctx ctx;
	sp_violations errors;
	yyjson_mut_val *want, *obj;
	sp_str rest;
} put;

static void random_bytes(void *arg, void *bytes, size_t n)
{
	sp_random(arg, bytes, n);
}

static bool fail(put *p, sp_code code)
{
	boot *b = p->b;
	if (b->err.code == SP_OK)
		(void)sp_fail(&b->err, code == SP_OK ? SP_EINTERNAL : code,
			      "cannot make %s '" SP_FMT "': " SP_FMT, p->where->plural,
			      SP_ARG(p->where->name), SP_ARG(sp_violations_text(&b->scratch, &p->errors)));
	return false;
}

static void init_ctx(put *p)
{
	boot *b = p->b;
	sp_violations_init(&p->errors, &b->scratch);
	p->ctx = (sp_kind_ctx){.arena = &b->scratch,
			       .doc = b->doc,
			       .kind = p->res->kind,
			       .errors = &p->errors,
			       .now = b->now,
			       .random = random_bytes,
			       .random_arg = b->server->world,
			       .user = SP_STR("system:apiserver")};
}

static sp_code read_wanted(put *p, sp_str json, sp_err *err)
{
	boot *b = p->b;
	SP_TRY(sp_json_parse_mut(&b->scratch, json, b->doc, &p->want, err));
	yyjson_mut_val *meta = sp_kv_need_obj(b->doc, p->want, "metadata");
	if (!sp_kv_set_str(b->doc, p->want, "kind", p->res->kind->kind) ||
	    !sp_kv_set_str(b->doc, p->want, "apiVersion", p->res->api_version) || meta == NULL ||
	    !sp_kv_set_str(b->doc, meta, "name", p->where->name) ||
	    (p->res->kind->namespaced && !sp_kv_set_str(b->doc, meta, "namespace", p->where->ns)))
		return SP_ENOMEM;
	SP_TRY(sp_default(b->doc, p->res->kind->schema, p->want, err));
	return sp_kind_defaults(&p->ctx, p->want);
}

static sp_code track(put *p, yyjson_mut_val *old)
{
	const sp_apply_request req = {.arena = &p->b->scratch,
				      .doc = p->b->doc,
				      .schema = p->res->kind->schema,
				      .api_version = p->res->api_version,
				      .kind = p->res->kind->kind,
				      .manager = SP_STR("kube-apiserver"),
				      .now = p->b->now_str};
	return sp_apply_track(&req, old, p->obj);
}

/* The server states the status of its own objects; clients can't. */
static bool keep_status(put *p)
{
	return !sp_kv_has(p->want, "status") || sp_kv_copy(p->b->doc, p->obj, p->want, "status");
}

static bool make_new(put *p)
{
	p->obj = yyjson_mut_val_mut_copy(p->b->doc, p->want);
	if (p->obj == NULL)
		return fail(p, SP_ENOMEM);
	sp_meta_fill_create(&p->ctx, p->obj);
	sp_code code = track(p, NULL);
	if (code == SP_OK)
		code = sp_kind_before_create(&p->ctx, p->obj);
	if (code != SP_OK || p->errors.n > 0 || !keep_status(p))
		return fail(p, code);
	return true;
}

/* Do both records hold the same object? */
static bool is_same(const sp_bytes *x, const sp_bytes *y)
{
	sp_record a, b;
	return x != NULL && y != NULL && sp_record_decode(sp_bytes_view(x), &a, NULL) == SP_OK &&
	       sp_record_decode(sp_bytes_view(y), &b, NULL) == SP_OK && sp_str_eq(a.object, b.object);
}

/* Would the merged object be stored as it is already? Zero values may stand in it that storing leaves out. */
static bool is_stored_so(put *p, yyjson_mut_val *old, const sp_store_value *value)
{
	sp_bytes *record = NULL;
	sp_code code = api_object_record(&p->b->scratch, p->res, p->b->doc, p->obj, p->b->server->marker_str,
					 &record, NULL);
	bool same = code == SP_OK && is_same(value->record, record);
	sp_bytes_unref(record);
	/* Making a record takes the revision away. */
	if (!sp_kv_copy(p->b->doc, sp_meta(p->obj), sp_meta(old), "resourceVersion"))
		(void)fail(p, SP_ENOMEM);
	return same;
}

/* False with *ret_same: there is nothing to do. */
static bool make_changed(put *p, yyjson_mut_val *old, const sp_store_value *value, bool *ret_same)
{
	*ret_same = p->merge == NULL;
	if (*ret_same)
		return false;
	p->obj = yyjson_mut_val_mut_copy(p->b->doc, old);
	if (p->obj == NULL || !p->merge(p->b, p->obj, p->want))
		return fail(p, SP_ENOMEM);
	*ret_same = sp_kv_equal(p->obj, old) || is_stored_so(p, old, value);
	if (*ret_same || p->b->err.code != SP_OK)
		return false;
	sp_code code = track(p, old);
	if (code == SP_OK)
		code = sp_kind_before_update(&p->ctx, p->obj, old);
	if (code != SP_OK || p->errors.n > 0)
		return fail(p, code);
	(void)sp_managed_keep_times(p->b->doc, old, p->obj);
	return true;
}

/* `old` is zeroed when there is none. */
static void queue(put *p, sp_store_value old)
{
	boot *b = p->b;
	sp_bytes *record = NULL;
	if (b->n_ops == OBJECTS_MAX) {
		boot_fail(b, SP_ETOOLARGE, "too many bootstrap objects");
		return;
	}
	sp_code code = api_object_record(&b->scratch, p->res, b->doc, p->obj, b->server->marker_str, &record,
					 &b->err);
	if (code != SP_OK || is_same(old.record, record)) {
		sp_bytes_unref(record);
		return;
	}
	b->ops[b->n_ops++] = (sp_store_op){.type = SP_STORE_PUT,
					   .key = {p->res->prefix, p->rest},
					   .expected = old.revision,
					   .record = record};
}

static void put_existing(put *p, const sp_store_value *value)
{
	sp_record rec;
	yyjson_mut_val *old = NULL;
	bool same;
	sp_code code = sp_record_decode(sp_bytes_view(value->record), &rec, NULL);
	if (code == SP_OK)
		code = api_object_tree(&p->b->scratch, &rec, value->revision, p->b->doc, &old, NULL);
	if (code != SP_OK)
		(void)fail(p, code);
	else if (make_changed(p, old, value, &same))
		queue(p, *value);
}

static void put_object(put *p, sp_str json)
{
	boot *b = p->b;
	sp_store_value value;
	sp_code code = read_wanted(p, json, &b->err);
	if (code == SP_OK)
		code = sp_store_get(b->server->store, (sp_store_key){p->res->prefix, p->rest}, 0, &value,
				    NULL);
	if (code == SP_OK) {
		put_existing(p, &value);
		sp_bytes_unref(value.record);
	} else if (code != SP_ENOTFOUND) {
		(void)fail(p, code);
	} else if (make_new(p)) {
		queue(p, (sp_store_value){0});
	}
}

void boot_put(boot *b, const boot_where *where, boot_merge_fn *merge, sp_str json)
{
	put p = {.b = b, .where = where, .merge = merge};
	if (b->err.code != SP_OK)
		return;
	p.res = api_resource_find(&b->server->resources, sp_str_c(where->group), sp_str_c(where->version),
				  sp_str_c(where->plural));
	SP_ASSERT(p.res != NULL); /* all of them are built in */
	p.rest = api_object_rest(&b->arena, p.res, where->ns, where->name);
	b->doc = sp_json_doc(&b->scratch);
	if (p.rest.ptr == NULL || b->doc == NULL || json.ptr == NULL) {
		boot_fail(b, SP_ENOMEM, "no memory for the bootstrap objects");
	} else {
		init_ctx(&p);
		put_object(&p, json);
	}
	sp_arena_rewind(&b->scratch);
}

bool boot_merge_all(boot *b, yyjson_mut_val *obj, yyjson_mut_val *want)
{
	static const char *const kept[] = {"kind", "apiVersion", "metadata", "status"};
	SP_KV_EACH_MEMBER (key, value, i, want) {
		yyjson_mut_val *copy;
		if (SP_STR_IN(sp_jmut_str(key), kept))
			continue;
		copy = yyjson_mut_val_mut_copy(b->doc, value);
		if (copy == NULL || !sp_jmut_set(b->doc, obj, sp_jmut_str(key), copy))
			return false;
	}
	return true;
}

/* ---- the run ---- */

static void begin(boot *b);

static void release_ops(boot *b)
{
	for (size_t i = 0; i < b->n_ops; i++)
		sp_bytes_unref(b->ops[i].record);
	b->n_ops = 0;
	sp_arena_reset(&b->arena);
}

static void finish(boot *b)
{
	release_ops(b);
	if (b->err.code != SP_OK && b->conflict && b->tries < TRIES) {
		begin(b);
		return;
	}
	b->server->is_bootstrapped = b->err.code == SP_OK;
	b->done(b->arg, b->err.code, &b->err);
	sp_arena_done(&b->arena);
	sp_arena_done(&b->scratch);
	sp_free(b);
}

static void on_nothing(sp_defer *d)
{
	finish(d->arg);
}

static void on_written(sp_store_txn *t, sp_code code, const sp_err *err)
{
	boot *b = t->arg;
	if (code == SP_EEXISTS || code == SP_ECONFLICT || code == SP_ENOTFOUND)
		b->conflict = true;
	if (code != SP_OK && b->err.code == SP_OK)
		b->err = *err;
	if (--b->n_open == 0)
		finish(b);
}

static void write_all(boot *b)
{
	b->n_txns = 0;
	for (size_t i = 0; i < b->n_ops; i += SP_LIMIT_STORE_TXN_OPS) {
		size_t left = b->n_ops - i;
		b->txns[b->n_txns++] =
			(sp_store_txn){.ops = &b->ops[i],
				       .n_ops = left < SP_LIMIT_STORE_TXN_OPS ? left : SP_LIMIT_STORE_TXN_OPS,
				       .done = on_written,
				       .arg = b};
	}
	b->n_open = b->n_txns;
	for (size_t i = 0; i < b->n_txns; i++)
		sp_store_write(b->server->store, &b->txns[i]);
}

static void put_more(boot *b)
{
	const api_bootstrap_opts *o = boot_opts(b);
	for (size_t i = 0; i < o->n_more; i++) {
		const api_bootstrap_object *m = &o->more[i];
		const boot_where where = {m->group, m->version, m->plural, m->ns, m->name};
		boot_put(b, &where, boot_merge_all, m->json);
	}
}

static void begin(boot *b)
{
	b->err = (sp_err){0};
	b->conflict = false;
	b->tries++;
	int64_t wall = sp_wall_ns(b->server->world);
	b->now = (sp_time){wall / NS_PER_S, (uint32_t)(wall % NS_PER_S)};
	b->now_str = (sp_str){b->now_text, sp_time_print(b->now_text, b->now, 0)};
	boot_put_objects(b);
	boot_put_roles(b);
	boot_put_flow(b);
	put_more(b);
	if (b->err.code != SP_OK || b->n_ops == 0)
		sp_defer_call(b->server->world, &b->nothing);
	else
		write_all(b);
}

void api_bootstrap(api_server *s, const api_bootstrap_opts *o,
		   void (*done)(void *arg, sp_code code, const sp_err *err), void *arg)
{
	boot *b = SP_NEW(boot);
	b->server = s;
	b->o = *o;
	b->done = done;
	b->arg = arg;
	sp_arena_init(&b->arena, ARENA_BYTES);
	sp_arena_init(&b->scratch, SCRATCH_BYTES);
	sp_defer_init(&b->nothing, on_nothing, b);
	begin(b);
}
