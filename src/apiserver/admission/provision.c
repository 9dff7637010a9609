/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/provision.h"

#include "apiserver/admission/admission.h"
#include "kube/apply/apply.h"
#include "kube/defaults.h"
#include "kube/meta.h"

typedef struct provision {
	api_write *w;
	void (*then)(api_write *w);
	sp_store_op op;
	sp_store_txn txn;
} provision;

static const api_resource *namespaces(const api_write *w)
{
	return api_resource_by_kind(&w->server->resources, SP_STR(""), SP_STR("v1"), SP_STR("Namespace"));
}

static bool is_there(const api_write *w, sp_str name)
{
	sp_store_value value;
	if (sp_store_get(w->server->store, (sp_store_key){namespaces(w)->prefix, name}, 0, &value, NULL) !=
	    SP_OK)
		return false;
	sp_bytes_unref(value.record);
	return true;
}

static bool is_wanted(const api_write *w)
{
	sp_str ns = w->res->kind->namespaced ? sp_meta_namespace(w->obj) : SP_STR("");
	return api_admission_is_on(w->server, API_PLUGIN_PROVISION_NAMESPACE) && !w->o.dry_run &&
	       ns.len > 0 && !is_there(w, ns);
}

static void refuse(api_write *w, sp_str why)
{
	const api_admit a = {.w = w, .op = API_OP_CREATE, .obj = w->obj};
	(void)api_admit_forbid(&a, SP_FMT, SP_ARG(why));
}

/* ---- the namespace ---- */

static yyjson_mut_val *named(api_write *w, const api_resource *res, sp_str name)
{
	yyjson_mut_val *obj = yyjson_mut_obj(w->doc), *meta;
	if (obj == NULL)
		return NULL;
	meta = sp_kv_need_obj(w->doc, obj, "metadata");
	bool ok = meta != NULL && sp_kv_set_str(w->doc, obj, "kind", res->kind->kind) &&
		  sp_kv_set_str(w->doc, obj, "apiVersion", res->api_version) &&
		  sp_kv_set_str(w->doc, meta, "name", name);
	return ok ? obj : NULL;
}

/* As if the server itself had posted it. */
static sp_code make(api_write *w, sp_kind_ctx *c, yyjson_mut_val *obj, sp_bytes **ret, sp_err *err)
{
	const api_resource *res = namespaces(w);
	const sp_apply_request req = {.arena = &w->arena,
				      .doc = w->doc,
				      .schema = res->kind->schema,
				      .api_version = res->api_version,
				      .kind = res->kind->kind,
				      .manager = SP_STR("kube-apiserver"),
				      .now = w->now_str};
	if (obj == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the namespace");
	SP_TRY(sp_default(w->doc, res->kind->schema, obj, err));
	SP_TRY(sp_kind_defaults(c, obj));
	sp_meta_fill_create(c, obj);
	SP_TRY(sp_apply_track(&req, NULL, obj));
	SP_TRY(sp_kind_before_create(c, obj));
	if (c->code != SP_OK || c->errors->code != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no room for the namespace");
	if (c->errors->n > 0)
		return sp_fail(err, SP_EINVAL, SP_FMT, SP_ARG(sp_violations_text(&w->arena, c->errors)));
	return api_object_record(&w->arena, res, w->doc, obj, w->server->marker_str, ret, err);
}

/* Somebody else may have made it in the meantime. */
static void on_made(sp_store_txn *t, sp_code code, const sp_err *err)
{
	provision *p = t->arg;
	api_write *w = p->w;
	sp_bytes_unref(p->op.record);
	if (!api_write_release(w))
		return;
	if (code == SP_OK || code == SP_EEXISTS || code == SP_ECONFLICT)
		p->then(w);
	else
		refuse(w, sp_str_c(err->msg));
}

void api_provision_namespace(api_write *w, void (*then)(api_write *w))
{
	sp_err err = {0};
	sp_violations errors;
	sp_kind_ctx c = w->ctx;
	if (!is_wanted(w)) {
		then(w);
		return;
	}
	const api_resource *res = namespaces(w);
	sp_str name = sp_arena_try_dup(&w->arena, sp_meta_namespace(w->obj));
	provision *p = sp_try_new(&w->arena, provision, 1);
	sp_violations_init(&errors, &w->arena);
	c.kind = res->kind;
	c.errors = &errors;
	c.subresource = SP_STR("");
	sp_code code = p == NULL || name.ptr == NULL ? SP_ENOMEM : SP_OK;
	if (code == SP_OK) {
		*p = (provision){.w = w, .then = then};
		p->op = (sp_store_op){.type = SP_STORE_PUT, .key = {res->prefix, name}};
		code = make(w, &c, named(w, res, name), &p->op.record, &err);
	}
	if (code == SP_EINVAL) {
		refuse(w, sp_str_c(err.msg));
	} else if (code != SP_OK) {
		api_write_fail(w, code, &err);
	} else {
		p->txn = (sp_store_txn){.ops = &p->op, .n_ops = 1, .done = on_made, .arg = p};
		api_write_hold(w);
		sp_store_write(w->server->store, &p->txn);
	}
}
