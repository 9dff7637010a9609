/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/legacy_use.h"

#include "apiserver/server_int.h"
#include "base/alloc.h"
#include "kube/apply/apply.h"
#include "kube/meta.h"

#define NS_PER_S INT64_C(1000000000)
#define DAY_S INT64_C(86400)
#define DAY_TEXT_BYTES 10u /* 2006-01-02 */
#define USE_BYTES ((size_t)16 << 20)
#define WRITES_MAX 64u
#define LABEL "kubernetes.io/legacy-token-last-used"

static const sp_str prefix = SP_STR_INIT("/registry/secrets/");

struct api_legacy_uses {
	sp_list writes;
	size_t n_writes;
};

typedef struct own_write {
	sp_list node;
	api_legacy_uses *uses; /* NULL: they are gone */
	sp_arena arena;
	sp_store_txn txn;
	sp_store_op op;
} own_write;

static void own_write_free(own_write *w)
{
	if (w->uses != NULL)
		w->uses->n_writes--;
	sp_bytes_unref(w->op.record);
	sp_list_remove(&w->node);
	sp_arena_done(&w->arena);
	sp_free(w);
}

static void on_written(sp_store_txn *t, sp_code code, const sp_err *err)
{
	(void)code, (void)err;
	own_write_free(t->arg);
}

/* False: it says today, or tomorrow, already. */
static bool set_label(yyjson_mut_doc *doc, yyjson_mut_val *obj, sp_time now, sp_code *ret)
{
	char today[SP_TIME_TEXT_BYTES], tomorrow[SP_TIME_TEXT_BYTES];
	sp_str last = sp_kv_str(sp_kv_get(sp_meta(obj), "labels"), LABEL);
	(void)sp_time_print(today, now, 0);
	now.seconds += DAY_S;
	(void)sp_time_print(tomorrow, now, 0);
	if (sp_str_eq(last, (sp_str){today, DAY_TEXT_BYTES}) ||
	    sp_str_eq(last, (sp_str){tomorrow, DAY_TEXT_BYTES}))
		return false;
	yyjson_mut_val *labels = sp_kv_need_obj(doc, sp_meta(obj), "labels");
	*ret = labels != NULL && sp_kv_set_str(doc, labels, LABEL, (sp_str){today, DAY_TEXT_BYTES})
		       ? SP_OK
		       : SP_ENOMEM;
	return true;
}

/* The secret as it is to be; NULL bytes in *ret: it says so already. */
static sp_code make(api_server *s, own_write *w, const sp_store_value *value, sp_bytes **ret)
{
	char now[SP_TIME_TEXT_BYTES];
	int64_t wall = sp_wall_ns(s->world);
	const sp_time t = {wall / NS_PER_S, 0};
	const api_resource *res =
		api_resource_find(&s->resources, (sp_str){"", 0}, SP_STR("v1"), SP_STR("secrets"));
	yyjson_mut_doc *doc = sp_json_doc(&w->arena);
	yyjson_mut_val *obj = NULL, *old;
	sp_record rec;
	sp_code code = SP_OK;
	*ret = NULL;
	if (res == NULL || doc == NULL)
		return SP_ENOMEM;
	SP_TRY(sp_record_decode(sp_bytes_view(value->record), &rec, NULL));
	SP_TRY(api_object_tree(&w->arena, &rec, value->revision, doc, &obj, NULL));
	old = yyjson_mut_val_mut_copy(doc, obj);
	if (old == NULL)
		return SP_ENOMEM;
	if (!set_label(doc, obj, t, &code) || code != SP_OK)
		return code;
	const sp_apply_request req = {.arena = &w->arena,
				      .doc = doc,
				      .schema = res->kind->schema,
				      .api_version = res->api_version,
				      .kind = res->kind->kind,
				      .manager = SP_STR("kube-apiserver"),
				      .now = {now, sp_time_print(now, t, 0)}};
	SP_TRY(sp_apply_track(&req, old, obj));
	return api_object_record(&w->arena, res, doc, obj, s->marker_str, ret, NULL);
}

static bool prepare(api_server *s, own_write *w, sp_str ns, sp_str secret)
{
	sp_store_value value;
	sp_str rest = SP_CONCAT(&w->arena, ns, SP_STR("/"), secret);
	if (rest.ptr == NULL ||
	    sp_store_get(s->store, (sp_store_key){prefix, rest}, 0, &value, NULL) != SP_OK)
		return false;
	w->op = (sp_store_op){.type = SP_STORE_PUT, .key = {prefix, rest}, .expected = value.revision};
	sp_code code = make(s, w, &value, &w->op.record);
	sp_bytes_unref(value.record);
	return code == SP_OK && w->op.record != NULL;
}

void api_legacy_used(api_server *s, sp_str ns, sp_str secret)
{
	api_legacy_uses *u = s->legacy_uses;
	own_write *w = u->n_writes >= WRITES_MAX ? NULL : sp_try_alloc(sizeof *w);
	if (w == NULL)
		return;
	*w = (own_write){.uses = u};
	u->n_writes++;
	sp_list_push_back(&u->writes, &w->node);
	sp_arena_init(&w->arena, USE_BYTES);
	if (!prepare(s, w, ns, secret)) {
		own_write_free(w);
		return;
	}
	w->txn = (sp_store_txn){.ops = &w->op, .n_ops = 1, .done = on_written, .arg = w};
	sp_store_write(s->store, &w->txn);
}

api_legacy_uses *api_legacy_uses_new(void)
{
	api_legacy_uses *u = SP_NEW(api_legacy_uses);
	sp_list_init(&u->writes);
	return u;
}

void api_legacy_uses_free(api_legacy_uses *u)
{
	if (u == NULL)
		return;
	SP_LIST_FOREACH (node, &u->writes) {
		SP_CONTAINER_OF(node, own_write, node)->uses = NULL;
		sp_list_remove(node);
	}
	sp_free(u);
}
