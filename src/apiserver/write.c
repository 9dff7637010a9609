/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/write.h"

#include "apiserver/admin_access.h"
#include "apiserver/admission/admission.h"
#include "apiserver/admission/hooks.h"
#include "apiserver/admission/provision.h"
#include "apiserver/custom/custom.h"
#include "apiserver/escalate.h"
#include "apiserver/services/services.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/time.h"
#include "kube/apply/apply.h"
#include "kube/apply/managed.h"
#include "kube/meta.h"

#define WRITE_ARENA_BYTES ((size_t)64 << 20)
#define OBJECT_TEXT_BYTES_MAX (SP_LIMIT_STORED_VALUE_BYTES + 64)
/* Names are generated again when one is taken. U: apiserver pkg/registry/generic/registry/store.go */
#define GENERATE_TRIES 8u
#define UPDATE_TRIES 5u
/* Writes that share a quota meet each other more often. */
#define ALSO_TRIES 64u
#define NS_PER_S INT64_C(1000000000)
#define USER_BYTES_MAX ((size_t)256 << 10)

/* ---- life ---- */

static void write_free(api_write *w)
{
	api_hooks_forget(w);
	api_write_forget_also(w);
	api_write_forget_converted(w);
	sp_bytes_unref(w->old.record);
	sp_bytes_unref(w->record);
	api_resource_unref(w->res);
	sp_arena_done(&w->arena);
	sp_free(w);
}

void api_write_abandon(api_write *w)
{
	if (w == NULL)
		return;
	w->r = NULL;
	if (!w->committing)
		write_free(w);
}

void api_write_hold(api_write *w)
{
	w->committing = true;
}

bool api_write_release(api_write *w)
{
	w->committing = false;
	if (w->r != NULL)
		return true;
	write_free(w);
	return false;
}

static void write_gone(api_request *r)
{
	api_write *w = r->state;
	r->state = NULL;
	api_write_abandon(w);
}

static void random_bytes(void *arg, void *bytes, size_t n)
{
	sp_random(arg, bytes, n);
}

static void reset_ctx(api_write *w)
{
	api_write_forget_also(w);
	sp_violations_init(&w->errors, &w->arena);
	w->ctx.errors = &w->errors;
	w->ctx.warnings = (sp_warnings){0};
	w->ctx.code = SP_OK;
}

static void set_time(api_write *w)
{
	int64_t wall = sp_wall_ns(w->server->world);
	w->ctx.now = (sp_time){wall / NS_PER_S, (uint32_t)(wall % NS_PER_S)};
	w->now_str = (sp_str){w->now, sp_time_print(w->now, w->ctx.now, 0)};
}

/* The user as a UserInfo without the name, for kinds that record who asked. */
static yyjson_mut_val *user_info(api_write *w)
{
	yyjson_mut_val *info = NULL;
	SP_AUTO_BUF json;
	sp_buf_init(&json, USER_BYTES_MAX);
	sp_jout out = sp_jout_to(&json);
	sp_jout_open(&out, '{');
	api_user_write(&out, &w->r->user);
	sp_jout_close(&out, '}');
	return sp_buf_code(&json) == SP_OK && w->doc != NULL &&
			       sp_json_parse_mut(&w->arena, sp_buf_view(&json), w->doc, &info, NULL) == SP_OK
		       ? info
		       : NULL;
}

api_write *api_write_new(api_request *r, const char *options, bool is_apply)
{
	api_write_options o = {0};
	if (options != NULL && !api_write_options_read(r, options, is_apply, &o))
		return NULL;
	api_write *w = SP_NEW(api_write);
	w->r = r;
	w->server = r->server;
	w->res = w->body_res = r->res;
	api_resource_ref(w->res);
	w->o = o;
	sp_arena_init(&w->arena, WRITE_ARENA_BYTES);
	r->state = w;
	r->on_gone = write_gone;
	w->doc = sp_json_doc(&w->arena);
	w->o.manager = sp_arena_try_dup(&w->arena, o.manager);
	w->ctx = (sp_kind_ctx){.arena = &w->arena,
			       .doc = w->doc,
			       .kind = r->res->kind,
			       .random = random_bytes,
			       .random_arg = r->server->world,
			       .subresource = r->sub == NULL ? SP_STR("") : r->sub->name,
			       .user = sp_arena_try_dup(&w->arena, r->user.name),
			       .dry_run = o.dry_run,
			       .no_privileged = r->server->no_privileged};
	w->ctx.user_info = user_info(w);
	reset_ctx(w);
	set_time(w);
	if (w->doc == NULL) {
		api_write_fail(w, SP_ENOMEM, NULL);
		return NULL;
	}
	return w;
}

void api_write_refuse(api_write *w, const sp_status *status)
{
	if (w->r == NULL)
		return;
	if (w->refused != NULL)
		w->refused(w, status);
	else
		api_reply_status(w->r, status);
}

void api_write_fail(api_write *w, sp_code code, const sp_err *err)
{
	if (w->r == NULL)
		return;
	sp_status s = api_status_of(w->r, code, err);
	api_write_refuse(w, &s);
}

/* ---- what goes along ---- */

void api_write_forget_also(api_write *w)
{
	for (size_t i = 1; i < w->n_ops; i++)
		sp_bytes_unref(w->ops[i].record);
	w->n_ops = 1;
	if (w->ops == NULL) {
		w->ops = &w->own_op;
		w->cap_ops = 1;
	}
}

static bool more_ops(api_write *w)
{
	size_t cap = w->cap_ops * 4;
	if (w->n_ops < w->cap_ops)
		return true;
	if (w->n_ops >= SP_LIMIT_STORE_TXN_OPS)
		return false;
	sp_store_op *ops = sp_try_new(&w->arena, sp_store_op, SP_MIN(cap, SP_LIMIT_STORE_TXN_OPS));
	if (ops == NULL)
		return false;
	memcpy(ops, w->ops, w->n_ops * sizeof *ops);
	w->ops = ops;
	w->cap_ops = SP_MIN(cap, SP_LIMIT_STORE_TXN_OPS);
	return true;
}

bool api_write_also(api_write *w, const sp_store_op *op)
{
	if (more_ops(w)) {
		w->ops[w->n_ops++] = *op;
		return true;
	}
	sp_bytes_unref(op->record);
	api_write_fail(w, SP_ETOOLARGE, NULL);
	return false;
}

bool api_write_also_put(api_write *w, const api_resource *res, yyjson_mut_val *obj)
{
	sp_err err;
	sp_store_op op = {.type = SP_STORE_PUT,
			  .key = {res->prefix, api_object_rest(&w->arena, res, sp_meta_namespace(obj),
							       sp_meta_name(obj))}};
	sp_str revision = sp_kv_str(sp_meta(obj), "resourceVersion");
	sp_code code = op.key.rest.ptr == NULL ? SP_ETOOLARGE : SP_OK;
	if (code == SP_OK && revision.len > 0)
		code = sp_parse_u64(revision, 0, UINT64_MAX, &op.expected, &err);
	if (code == SP_OK)
		code = api_object_record(&w->arena, res, w->doc, obj, w->server->marker_str, &op.record,
					 &err);
	if (code == SP_OK)
		return api_write_also(w, &op);
	api_write_fail(w, code, NULL);
	return false;
}

/* ---- stored state ---- */

sp_code api_write_load(api_write *w, sp_str name, yyjson_mut_val **ret_old, sp_err *err)
{
	return api_write_load_at(w, w->r->info.ns, name, ret_old, err);
}

sp_code api_write_load_at(api_write *w, sp_str ns, sp_str name, yyjson_mut_val **ret_old, sp_err *err)
{
	sp_record rec;
	w->old.record = sp_bytes_unref(w->old.record);
	w->rest = api_object_rest(&w->arena, w->res, ns, name);
	if (w->rest.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the key");
	if (w->seen != NULL) {
		w->old = w->base;
		(void)sp_bytes_ref(w->old.record);
	} else {
		SP_TRY(sp_store_get(w->server->store, (sp_store_key){w->res->prefix, w->rest}, 0, &w->old,
				    err));
	}
	SP_TRY(sp_record_decode(sp_bytes_view(w->seen != NULL ? w->seen : w->old.record), &rec, err));
	return api_object_tree_as(&w->arena, w->res, &rec, w->old.revision, w->doc, ret_old, err);
}

/* ---- prepare ---- */

static bool settle(api_write *w, sp_code code, sp_str name)
{
	if (code == SP_OK)
		code = w->ctx.code != SP_OK ? w->ctx.code : w->errors.code;
	if (code != SP_OK) {
		api_write_fail(w, code, NULL);
		return false;
	}
	for (size_t i = 0; i < w->ctx.warnings.n && w->r != NULL; i++)
		api_warn(w->r, sp_arena_try_dup(w->r->arena, w->ctx.warnings.items[i]));
	if (w->errors.n == 0)
		return true;
	const sp_kind *k = w->res->stored; /* upstream names the group of its own form */
	sp_status s = sp_status_invalid(&w->arena, (sp_group_resource){k->group, k->kind}, name, &w->errors);
	api_write_refuse(w, &s);
	return false;
}

/* "spec.replicas" as a member of the set. */
static bool add_path(sp_arena *a, sp_fieldset *s, sp_str path)
{
	sp_str name;
	while (path.len > 0) {
		bool last = !sp_str_cut(&path, '.', &name);
		if (last)
			name = path;
		const sp_pe pe = {.kind = SP_PE_FIELD, .name = name};
		sp_fs_entry *e = sp_fieldset_entry(a, s, &pe);
		if (e == NULL)
			return false;
		if (last) {
			e->member = true;
			return true;
		}
		sp_fieldset *child = sp_fieldset_new(a);
		if (child == NULL)
			return false;
		if (e->child == NULL)
			e->child = child;
		s = (sp_fieldset *)(uintptr_t)e->child; /* ours, not shared yet */
	}
	return true;
}

/* What this endpoint resets, so that nobody comes to own it through it. */
static bool reset_fields(api_write *w, const sp_fieldset **ret)
{
	const sp_kind_hooks *hooks = w->res->kind->hooks;
	const char *const *names = hooks == NULL ? NULL : hooks->reset_fields;
	if (hooks != NULL && w->ctx.subresource.len > 0) {
		const sp_sub_hooks *sub = sp_kind_sub(hooks, w->ctx.subresource);
		names = sub == NULL ? NULL : sub->reset_fields;
	}
	*ret = NULL;
	if (names == NULL)
		return true;
	sp_fieldset *s = sp_fieldset_new(&w->arena);
	for (; s != NULL && *names != NULL; names++) {
		if (!add_path(&w->arena, s, sp_str_c(*names)))
			return false;
	}
	*ret = s;
	return s != NULL;
}

/* Field owners speak of the version they wrote in. */
static yyjson_mut_val *in_version(void *arg, yyjson_mut_val *object, sp_str api_version,
				  const sp_schema **ret_schema)
{
	api_write *w = arg;
	sp_str version = api_version, group = {NULL, 0};
	if (!sp_str_cut(&version, '/', &group))
		group.len = 0;
	const api_resource *to =
		api_resource_by_kind(&w->server->resources, group, version, w->res->kind->kind);
	if (to == NULL || to->stored != w->res->stored || !sp_str_eq(group, w->res->kind->group))
		return NULL; /* upstream converts within a group, and drops owners of another */
	*ret_schema = to->kind->schema;
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(w->doc, object);
	if (copy == NULL || !api_object_to_stored(w->res, &w->arena, w->doc, copy) ||
	    !api_object_to_served(to, &w->arena, w->doc, copy))
		return NULL;
	return copy;
}

bool api_write_apply_request(api_write *w, sp_apply_request *ret)
{
	*ret = (sp_apply_request){.arena = &w->arena,
				  .doc = w->doc,
				  .schema = w->body_res->kind->schema,
				  .api_version = w->body_res->api_version,
				  .kind = w->body_res->kind->kind,
				  .manager = w->o.manager,
				  .subresource = w->ctx.subresource,
				  .now = w->now_str};
	if (w->res->has_versions && w->view == NULL) {
		ret->convert = in_version;
		ret->convert_arg = w;
	}
	return reset_fields(w, &ret->reset);
}

/* Field owners of a write that is no apply. */
static sp_code track(api_write *w, yyjson_mut_val *old)
{
	sp_apply_request req;
	if (w->is_apply)
		return SP_OK;
	if (!api_write_apply_request(w, &req))
		return SP_ETOOLARGE;
	return sp_apply_track(&req, old, w->obj);
}

/* U: apiserver pkg/endpoints/handlers/rest.go; a patch is looked at only after mutating admission. */
static void dedup_owners(api_write *w, const char *when)
{
	sp_str uids = sp_meta_dedup_owners(&w->ctx, w->obj);
	if (uids.len > 0 && w->r != NULL)
		api_warn(w->r,
			 sp_arena_printf(
				 w->r->arena,
				 ".metadata.ownerReferences contains duplicate entries%s; API server dedups "
				 "owner references in 1.20+, and may reject such requests as early as 1.24; "
				 "please fix your requests; duplicate UID(s) observed: " SP_FMT,
				 when, SP_ARG(uids)));
}

static sp_code before(const api_admit *a)
{
	api_write *w = a->w;
	sp_str subresource = w->ctx.subresource;
	if (a->op == API_OP_CREATE)
		return sp_kind_before_create(&w->ctx, w->obj);
	if (w->view != NULL) /* the object is changed as a whole then */
		w->ctx.subresource = SP_STR("");
	sp_code code = sp_kind_before_update(&w->ctx, w->obj, a->old);
	w->ctx.subresource = subresource;
	return code;
}

/*
 * The writer owns what it sent, with its defaults, and nothing of what admission then makes of it.
 * U: apiserver pkg/endpoints/handlers/create.go, update.go, patch.go
 */
static void track_and_admit(const api_admit *a, api_admit_then *then)
{
	api_write *w = a->w;
	if (w->patched == NULL)
		dedup_owners(w, "");
	sp_code code = track(w, a->old);
	w->owners = sp_kv_get(sp_meta(w->obj), "managedFields");
	if (code == SP_OK)
		api_admit_mutating(a, then, NULL);
	else
		api_write_fail(w, code, NULL);
}

/* What admission leaves of the owners has to be a list of owners; otherwise they stay as they were.
 * U: apiserver pkg/endpoints/handlers/fieldmanager/admission.go */
static bool check_owners(api_write *w)
{
	sp_managers parsed;
	sp_err err;
	yyjson_mut_val *meta = sp_meta(w->obj), *now = sp_kv_get(meta, "managedFields");
	if (now == w->owners || sp_managers_parse(&w->arena, now, &parsed, &err) == SP_OK)
		return true;
	sp_kv_drop(meta, "managedFields");
	if (w->owners != NULL &&
	    !sp_kv_set(w->doc, meta, "managedFields", yyjson_mut_val_mut_copy(w->doc, w->owners))) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return false;
	}
	if (w->r != NULL)
		api_warn(w->r,
			 sp_arena_printf(w->r->arena,
					 ".metadata.managedFields was in an invalid state after admission; "
					 "this could be caused by an outdated mutating admission controller; "
					 "please fix your requests: %s",
					 err.msg));
	return true;
}

/* What is left once nothing changes the object any more. */
static void validate(const api_admit *a)
{
	api_write *w = a->w;
	if (!check_owners(w) || !api_escalation_check(w, a->old))
		return;
	dedup_owners(w, " after mutating admission happens");
	if (!api_service_allocate(w, a->old))
		return;
	api_admin_access_check(a);
	sp_code code = before(a);
	if (settle(w, code, sp_meta_name(w->obj)))
		api_admit_validating(a, w->prepared);
}

static void on_create_mutated(api_write *w)
{
	const api_admit admit = {.w = w, .op = API_OP_CREATE, .obj = w->obj};
	validate(&admit);
}

static void ask_about_create(const api_admit *a, void *arg)
{
	(void)arg;
	api_hooks_mutate(a, on_create_mutated);
}

static void admit_create(api_write *w)
{
	const api_admit a = {.w = w, .op = API_OP_CREATE, .obj = w->obj};
	track_and_admit(&a, ask_about_create);
}

void api_write_prepare_create(api_write *w, void (*then)(api_write *w))
{
	w->prepared = then;
	w->policy_run = NULL;
	reset_ctx(w);
	sp_kv_drop(sp_meta(w->obj), "resourceVersion");
	if (sp_kv_str(sp_meta(w->obj), "name").len == 0)
		w->name_is_generated = true;
	sp_meta_fill_create(&w->ctx, w->obj);
	api_provision_namespace(w, admit_create);
}

static void on_update_mutated(api_write *w)
{
	const api_admit admit = {.w = w, .op = API_OP_UPDATE, .obj = w->obj, .old = w->before};
	validate(&admit);
}

static void ask_about_update(const api_admit *a, void *arg)
{
	(void)arg;
	api_hooks_mutate(a, on_update_mutated);
}

void api_write_prepare_update(api_write *w, yyjson_mut_val *old, void (*then)(api_write *w))
{
	const api_admit a = {.w = w, .op = API_OP_UPDATE, .obj = w->obj, .old = old};
	w->prepared = then;
	w->before = old;
	w->policy_run = NULL;
	reset_ctx(w);
	if (!w->o.dry_run) /* upstream's store drops it, which a dry run does not reach */
		sp_kv_drop(sp_meta(w->obj), "selfLink");
	track_and_admit(&a, ask_about_update);
}

/* ---- answers ---- */

static void reply_record(api_write *w, sp_bytes *record, uint64_t revision)
{
	sp_record rec;
	if (w->r == NULL)
		return;
	SP_AUTO_BUF json;
	sp_buf_init(&json, OBJECT_TEXT_BYTES_MAX);
	if (w->shown != NULL && record == w->record)
		record = w->shown;
	sp_code code = sp_record_decode(sp_bytes_view(record), &rec, NULL);
	if (code == SP_OK)
		code = api_object_json(&json, w->res, &rec, revision);
	if (code != SP_OK)
		api_write_fail(w, code, NULL);
	else if (w->reply != NULL)
		w->reply(w, sp_buf_view(&json), revision);
	else
		api_reply_object(w->r, w->ok_code, sp_buf_view(&json), revision);
}

void api_write_reply_success(api_write *w, sp_str json, uint64_t revision)
{
	(void)json;
	(void)revision;
	const sp_status s = {.code = 201};
	api_reply_status(w->r, &s);
}

/* A name that is taken by an object on its way out says so. */
static void reply_exists(api_write *w)
{
	sp_record rec;
	sp_str name = sp_meta_name(w->obj);
	bool may_vary = sp_kv_str(sp_meta(w->obj), "generateName").len > 0;
	sp_status s = may_vary ? sp_status_generate_name_conflict(&w->arena, w->res->gr, name)
			       : sp_status_already_exists(&w->arena, w->res->gr, name);
	yyjson_val *root = NULL;
	if (w->txn.current.record != NULL &&
	    sp_record_decode(sp_bytes_view(w->txn.current.record), &rec, NULL) == SP_OK &&
	    sp_json_parse(&w->arena, rec.object, &root, NULL) == SP_OK &&
	    sp_json_last(sp_json_last(root, SP_STR("metadata")), SP_STR("deletionTimestamp")) != NULL)
		s.message = sp_arena_printf(&w->arena, "object is being deleted: " SP_FMT, SP_ARG(s.message));
	api_write_refuse(w, &s);
}

/* ---- commit ---- */

static bool has_generated_name(api_write *w)
{
	return w->name_is_generated && w->r != NULL && w->r->info.name.len == 0 && w->tries < GENERATE_TRIES;
}

static bool is_conflict(sp_code code)
{
	return code == SP_ECONFLICT || code == SP_ENOTFOUND || code == SP_EEXISTS;
}

static void also_failed(api_write *w, sp_code code)
{
	void (*redo)(api_write *) = w->redo != NULL ? w->redo : w->again;
	w->tries++;
	if (redo != NULL && w->tries < ALSO_TRIES)
		redo(w);
	else
		api_write_fail(w, code == SP_ECONFLICT ? code : SP_EUNAVAILABLE, NULL);
}

static void write_failed(api_write *w, sp_code code, const sp_err *err)
{
	if (w->announced && code == SP_ENOTFOUND) {
		/* An update in between has removed what we had announced: it is gone, as was asked. */
		reply_record(w, w->record, w->old.revision);
	} else if (is_conflict(code) && w->txn.i_failed > 0) {
		also_failed(w, code);
	} else if (code == SP_EEXISTS && has_generated_name(w) && w->n_ops > 1) {
		also_failed(w, code); /* what goes along may tell the name */
	} else if (code == SP_EEXISTS && has_generated_name(w)) {
		w->tries++;
		sp_meta_generate_name(&w->ctx, w->obj);
		api_write_commit(w);
	} else if (code == SP_EEXISTS) {
		reply_exists(w);
	} else if ((code == SP_ECONFLICT || code == SP_ENOTFOUND) && w->again != NULL && w->r != NULL &&
		   w->tries < UPDATE_TRIES) {
		w->tries++;
		w->again(w);
	} else {
		api_write_fail(w, code, err);
	}
}

static void on_done(sp_store_txn *t, sp_code code, const sp_err *err)
{
	api_write *w = t->arg;
	w->committing = false;
	if (code == SP_OK && w->remove_next) {
		/* Both steps of a deletion are done, whether or not its client is still there. */
		w->remove_next = false;
		w->announced = true;
		api_write_forget_also(w); /* what went along is done */
		sp_bytes_unref(w->old.record);
		w->old =
			(sp_store_value){sp_bytes_ref(w->record), w->ops[0].revision, w->old.create_revision};
		api_write_remove(w);
	} else if (w->r != NULL) {
		if (code != SP_OK)
			write_failed(w, code, err);
		else
			reply_record(w, w->record,
				     w->removed_by_update ? w->old.revision : w->ops[0].revision);
	}
	if (w->r == NULL && !w->committing)
		write_free(w);
}

static void submit(api_write *w, sp_store_op_type type)
{
	w->ops[0] = (sp_store_op){.type = type,
				  .key = {w->res->prefix, w->rest},
				  .expected = w->old.record == NULL ? 0 : w->old.revision,
				  .record = type == SP_STORE_PUT ? w->record : NULL};
	w->txn = (sp_store_txn){.ops = w->ops, .n_ops = w->n_ops, .done = on_done, .arg = w};
	w->committing = true;
	sp_store_write(w->server->store, &w->txn);
}

/* True when the new record says the same as the old one. */
static bool is_same(api_write *w)
{
	sp_record a, b;
	return w->old.record != NULL && sp_record_decode(sp_bytes_view(w->old.record), &a, NULL) == SP_OK &&
	       sp_record_decode(sp_bytes_view(w->record), &b, NULL) == SP_OK && sp_str_eq(a.object, b.object);
}

bool api_is_finished(yyjson_mut_val *obj)
{
	yyjson_mut_val *meta = sp_meta(obj);
	/* spec.finalizers: of namespaces. */
	return sp_kv_has(meta, "deletionTimestamp") && sp_kv_list(meta, "finalizers") == NULL &&
	       sp_kv_list(sp_kv_get(obj, "spec"), "finalizers") == NULL &&
	       sp_kv_i64(meta, "deletionGracePeriodSeconds", 0) == 0;
}

/* A dry run finds a name that is taken, too; true: it is not. U: apiserver
 * pkg/registry/generic/registry/dryrun.go */
static bool create_dry(api_write *w)
{
	const sp_store_key key = {w->res->prefix, w->rest};
	sp_store_value taken = {.record = NULL};
	sp_err err;
	sp_code code = sp_store_get(w->server->store, key, 0, &taken, &err);
	if (code == SP_ENOTFOUND)
		return true;
	w->txn.current = taken; /* for what tells of it, which may end the write */
	write_failed(w, code == SP_OK ? SP_EEXISTS : code, &err);
	sp_bytes_unref(taken.record);
	return false;
}

static void commit_record(api_write *w)
{
	bool remove = w->old.record != NULL && api_is_finished(w->obj);
	if (w->o.dry_run && w->old.record == NULL && !create_dry(w))
		return;
	if (w->o.dry_run || (!remove && is_same(w))) {
		reply_record(w, w->record, w->old.revision);
		return;
	}
	w->removed_by_update = remove; /* upstream's answer then keeps the revision it had */
	if (remove && !api_service_release(w))
		return;
	submit(w, remove ? SP_STORE_DELETE : SP_STORE_PUT);
}

void api_write_commit(api_write *w)
{
	if (w->old.record == NULL)
		w->rest = api_object_rest(&w->arena, w->res, w->r->info.ns, sp_meta_name(w->obj));
	api_write_record(w, commit_record);
}

static void mark_record(api_write *w)
{
	w->remove_next = true;
	submit(w, SP_STORE_PUT);
}

void api_write_mark_and_remove(api_write *w)
{
	if (w->o.dry_run)
		api_write_remove(w);
	else
		api_write_record(w, mark_record);
}

void api_write_remove(api_write *w)
{
	sp_err err;
	sp_code code = api_write_record_last(w, &err);
	if (code != SP_OK)
		api_write_fail(w, code, &err);
	else if (w->o.dry_run)
		reply_record(w, w->record, w->old.revision);
	else if (api_service_release(w))
		submit(w, SP_STORE_DELETE);
}
