/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/claim.h"

static void finish(claim *k, sp_code code, const sp_err *err)
{
	if (k->code == SP_OK && code != SP_OK) {
		k->code = code;
		if (err != NULL)
			k->err = *err;
	}
	k->done(k);
}

/* ---- gathering ---- */

static bool push(claim *k, const sp_object ***list, size_t *n, const sp_object *o)
{
	SP_ASSERT(*n < k->cap);
	(*list)[*n] = ctl_hold(k->arena, o);
	return (*list)[(*n)++] != NULL;
}

static bool is_going(yyjson_val *meta)
{
	return sp_json_str(sp_json_last(meta, SP_STR("deletionTimestamp"))).len > 0;
}

static sp_code look_at(claim *k, const sp_object *o, bool owned, sp_err *err)
{
	yyjson_val *root;
	SP_TRY(sp_json_parse(k->arena, o->json, &root, err));
	yyjson_val *meta = sp_json_last(root, SP_STR("metadata"));
	bool match = sp_labels_match_json(&k->selector, sp_json_last(meta, SP_STR("labels"))) &&
		     (k->is_member == NULL || k->is_member(k, o));
	bool ok = true;
	if (owned && match) {
		ok = push(k, &k->owned, &k->n_owned, o);
	} else if (owned && !is_going(meta) && !k->owner_is_going) {
		k->n_release++;
		size_t n = k->n_release - 1;
		ok = push(k, &k->writes, &n, o);
	} else if (!owned && match && !is_going(meta) && !k->owner_is_going &&
		   (k->may_adopt == NULL || k->may_adopt(k, o, root))) {
		size_t n = k->n_release + k->n_adopt++;
		ok = push(k, &k->writes, &n, o);
	}
	return ok ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for what is owned");
}

static sp_code gather(claim *k, sp_err *err)
{
	const sp_object *o;
	k->cap = sp_informer_find_count(k->children, k->by_owner, k->owner->uid) +
		 sp_informer_find_count(k->children, k->orphans, k->owner->ns);
	k->owned = sp_try_new(k->arena, const sp_object *, k->cap + 1);
	k->writes = sp_try_new(k->arena, const sp_object *, k->cap + 1);
	if (k->owned == NULL || k->writes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu objects", k->cap);
	sp_index_at at = sp_informer_find(k->children, k->by_owner, k->owner->uid);
	while ((o = sp_index_next(&at)) != NULL) {
		if (sp_str_eq(o->ns, k->owner->ns)) /* others are invalid, and the garbage collector's */
			SP_TRY(look_at(k, o, true, err));
	}
	at = sp_informer_find(k->children, k->orphans, k->owner->ns);
	while ((o = sp_index_next(&at)) != NULL)
		SP_TRY(look_at(k, o, false, err));
	return SP_OK;
}

/* ---- writing ---- */

static sp_code ask(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	claim *k = f->arg;
	const sp_object *o = k->writes[i];
	sp_str body = i < k->n_release ? k->release_body : k->adopt_body;
	q->verb = SP_ASK_STRATEGIC_PATCH;
	q->gvr = k->children_gvr;
	q->ns = o->ns;
	q->name = o->name;
	q->body = SP_CONCAT(k->arena, SP_STR("{\"metadata\":{\"uid\":\""), o->uid, SP_STR("\","), body,
			    SP_STR("}}"));
	return q->body.ptr != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "no room for a patch");
}

static sp_code each(fan *f, size_t i, const sp_answer *a)
{
	claim *k = f->arg;
	bool adopts = i >= k->n_release;
	/* Gone, or another one of that name: then there is nothing to release or to own. */
	if (a->code == SP_ENOTFOUND || (!adopts && a->code == SP_EINVAL))
		return SP_OK;
	if (a->code == SP_OK && adopts)
		k->owned[k->n_owned++] = k->writes[i];
	return a->code;
}

static void on_written(fan *f)
{
	finish(f->arg, f->code, &f->err);
}

static void write_all(claim *k)
{
	k->fan = (fan){.client = k->c->client,
		       .arena = k->arena,
		       .n = k->n_release + k->n_adopt,
		       .ask = ask,
		       .each = each,
		       .done = on_written,
		       .arg = k};
	fan_start(&k->fan);
}

static void on_live(sp_call *c, const sp_answer *a)
{
	claim *k = c->arg;
	yyjson_val *root;
	sp_err err = {0};
	if (a->code != SP_OK) {
		finish(k, a->code, a->err);
		return;
	}
	sp_code code = sp_json_parse(k->arena, a->body, &root, &err);
	yyjson_val *meta = code == SP_OK ? sp_json_last(root, SP_STR("metadata")) : NULL;
	if (code == SP_OK &&
	    (!sp_str_eq(sp_json_str(sp_json_last(meta, SP_STR("uid"))), k->owner->uid) || is_going(meta)))
		code = sp_fail(&err, SP_ECONFLICT, "the owner '" SP_FMT "' is not there any more",
			       SP_ARG(k->owner->key));
	if (code == SP_OK)
		write_all(k);
	else
		finish(k, code, &err);
}

static sp_code write_bodies(claim *k, sp_err *err)
{
	SP_AUTO_BUF owner;
	sp_buf_init(&owner, (size_t)1 << 16);
	(void)sp_patch_owner(&owner, &(sp_owner){sp_str_c(k->owner_api_version), sp_str_c(k->owner_kind),
						 k->owner->name, k->owner->uid});
	sp_str finalizer = k->finalizer == NULL ? SP_STR("")
						: SP_CONCAT(k->arena, SP_STR("finalizers\":[\""),
							    sp_str_c(k->finalizer), SP_STR("\"]"));
	sp_str add = finalizer.len == 0 ? finalizer : SP_CONCAT(k->arena, SP_STR(",\""), finalizer);
	sp_str take = finalizer.len == 0
			      ? finalizer
			      : SP_CONCAT(k->arena, SP_STR(",\"$deleteFromPrimitiveList/"), finalizer);
	k->adopt_body =
		SP_CONCAT(k->arena, SP_STR("\"ownerReferences\":["), sp_buf_view(&owner), SP_STR("]"), add);
	k->release_body =
		SP_CONCAT(k->arena, SP_STR("\"ownerReferences\":[{\"$patch\":\"delete\",\"uid\":\""),
			  k->owner->uid, SP_STR("\"}]"), take);
	if (sp_buf_code(&owner) != SP_OK || finalizer.ptr == NULL || add.ptr == NULL || take.ptr == NULL ||
	    k->adopt_body.ptr == NULL || k->release_body.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for an owner");
	return SP_OK;
}

void claim_start(claim *k)
{
	sp_err err = {0};
	k->n_owned = k->n_release = k->n_adopt = 0;
	k->code = SP_OK;
	sp_code code = gather(k, &err);
	if (code == SP_OK && k->n_release + k->n_adopt > 0)
		code = write_bodies(k, &err);
	if (code != SP_OK || k->n_release + k->n_adopt == 0) {
		finish(k, code, &err);
	} else if (k->n_adopt == 0) {
		write_all(k);
	} else {
		k->live = (sp_call){.done = on_live, .arg = k};
		sp_call_start(k->c->client, &k->live,
			      &(sp_ask){.verb = SP_ASK_GET,
					.gvr = k->owner_gvr,
					.ns = k->owner->ns,
					.name = k->owner->name});
	}
}
