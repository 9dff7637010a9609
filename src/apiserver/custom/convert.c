/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/custom/convert.h"

#include "apiserver/custom/conversion_review.h"
#include "apiserver/custom/custom_int.h"
#include "apiserver/metrics/metrics.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "kube/crd/crd.h"
#include "kube/meta.h"

/* U: apiserver pkg/util/webhook/authentication.go */
#define TIMEOUT_S 30u
/* One question. */
#define OBJECTS_MAX 256u
#define QUESTION_BYTES_MAX ((size_t)2 << 20)
#define ANSWER_BYTES_MAX ((size_t)16 << 20)
#define BATCH_ARENA_BYTES ((size_t)128 << 20)
/* Converted records that nobody needs at the moment. */
#define KEPT_BYTES_MAX ((size_t)16 << 20)
#define OBJECT_TEXT_BYTES_MAX (SP_LIMIT_REQUEST_BODY_BYTES * 2)

/* A converted record, or one that is being converted. */
typedef struct slot {
	sp_list node; /* of the kept ones, the last used first, once there is a record */
	sp_list waiters;
	sp_bytes *record;
	size_t key_len; /* 0: it is not shared */
	char key[];
} slot;

struct custom_conversions {
	sp_map by_key; /* slot */
	sp_list kept;
	sp_list ready; /* api_convert whose last item came */
	size_t kept_bytes;
};

/* One question on its way. */
typedef struct batch {
	api_customs *customs;
	api_custom *to;
	sp_arena arena;
	api_conversion_question q;
	slot *slots[OBJECTS_MAX];
	sp_str objects[OBJECTS_MAX];
	sp_str from_version;
	size_t n_bytes;
	api_webhook_call call;
	api_conversion_answer *answers;
	yyjson_mut_doc *doc;
	sp_str why;      /* of the whole answer; empty: there are answers */
	bool is_partial; /* it has another number of objects */
	uint64_t began_ns;
} batch;

/* ---- definitions ---- */

static bool read_versions(sp_arena *a, yyjson_mut_val *spec, api_converter *c)
{
	yyjson_mut_val *list = sp_kv_list(spec, "versions");
	sp_str *versions = sp_try_new(a, sp_str, sp_kv_len(list) + 1);
	if (versions == NULL)
		return false;
	SP_KV_EACH (version, i, list) {
		versions[i] = sp_arena_try_dup(a, sp_kv_str(version, "name"));
		if (versions[i].ptr == NULL)
			return false;
	}
	c->versions = versions;
	c->n_versions = sp_kv_len(list);
	return true;
}

/* The first version of the review that we know; validation saw to it that there is one. */
static bool takes_v1beta1(yyjson_mut_val *webhook)
{
	SP_KV_EACH (version, i, sp_kv_list(webhook, "conversionReviewVersions")) {
		if (sp_str_eq(sp_jmut_str(version), SP_STR("v1")))
			return false;
		if (sp_str_eq(sp_jmut_str(version), SP_STR("v1beta1")))
			return true;
	}
	return false;
}

bool custom_converter_read(sp_arena *a, yyjson_mut_val *crd, const api_converter **ret)
{
	yyjson_mut_val *spec = sp_kv_get(crd, "spec"), *conversion = sp_kv_get(spec, "conversion");
	yyjson_mut_val *webhook = sp_kv_get(conversion, "webhook");
	yyjson_val *client = NULL;
	*ret = NULL;
	if (!sp_kv_is(conversion, "strategy", "Webhook"))
		return true;
	SP_AUTO_BUF text;
	sp_buf_init(&text, CRD_TREE_BYTES);
	api_converter *c = sp_try_new(a, api_converter, 1);
	if (c == NULL || sp_json_write_mut(&text, sp_kv_get(webhook, "clientConfig")) != SP_OK ||
	    sp_json_parse(a, sp_buf_view(&text), &client, NULL) != SP_OK ||
	    !api_webhook_at_read(a, client, &c->at) || !read_versions(a, spec, c))
		return false;
	c->crd = sp_arena_try_dup(a, sp_meta_name(crd));
	c->v1beta1 = takes_v1beta1(webhook);
	*ret = c;
	return c->crd.ptr != NULL;
}

bool api_convert_wanted(const api_custom *to, const sp_record *rec)
{
	return to->converter != NULL && !sp_str_eq(rec->version, to->kind.version);
}

bool api_convert_wanted_by(const api_resource *res, const sp_record *rec)
{
	return res->custom != NULL && api_convert_wanted(res->custom, rec);
}

/* ---- what is kept ---- */

custom_conversions *custom_conversions_new(void)
{
	custom_conversions *v = SP_NEW(custom_conversions);
	sp_map_init(&v->by_key);
	sp_list_init(&v->kept);
	sp_list_init(&v->ready);
	return v;
}

static void slot_free(slot *s)
{
	sp_list_remove(&s->node);
	sp_bytes_unref(s->record);
	sp_free(s);
}

/* The version's number keeps apart what webhooks of different definitions made. */
static size_t write_key(char key[static SP_LIMIT_STORE_REST_BYTES + 17], const api_custom *to,
			const api_convert_item *item)
{
	if (item->revision == 0)
		return 0;
	memcpy(key, &to->serial, sizeof to->serial);
	memcpy(key + 8, &item->revision, sizeof item->revision);
	memcpy(key + 16, item->rest.ptr, item->rest.len);
	return 16 + item->rest.len;
}

static void drop(custom_conversions *v, slot *s)
{
	if (s->key_len > 0)
		(void)sp_map_remove(&v->by_key, (sp_str){s->key, s->key_len});
	slot_free(s);
}

static void keep(custom_conversions *v, slot *s)
{
	if (s->key_len == 0) {
		slot_free(s);
		return;
	}
	sp_list_push_front(&v->kept, &s->node);
	v->kept_bytes += s->record->len;
	while (v->kept_bytes > KEPT_BYTES_MAX) {
		slot *last = SP_CONTAINER_OF(v->kept.prev, slot, node);
		v->kept_bytes -= last->record->len;
		drop(v, last);
	}
}

void custom_conversions_free(custom_conversions *v)
{
	if (v == NULL)
		return;
	SP_LIST_FOREACH (node, &v->kept)
		drop(v, SP_CONTAINER_OF(node, slot, node));
	sp_map_done(&v->by_key);
	sp_free(v);
}

/* ---- who waits ---- */

static void note_failure(api_convert *c, sp_str why)
{
	if (c->failed)
		return;
	c->failed = true;
	c->why = sp_arena_try_dup(c->arena, why);
}

/* Every waiter of a slot has its record, or hears why not; those that wait for nothing else are ready. */
static void settle(custom_conversions *v, slot *s, sp_str why)
{
	sp_list *node;
	while ((node = sp_list_pop_front(&s->waiters)) != NULL) {
		api_convert_item *item = SP_CONTAINER_OF(node, api_convert_item, node);
		api_convert *c = item->owner;
		if (s->record == NULL) {
			note_failure(c, why);
		} else {
			sp_bytes_unref(item->record);
			item->record = sp_bytes_ref(s->record);
		}
		if (--c->n_open == 0)
			sp_list_push_back(&v->ready, &c->node);
	}
	if (s->record == NULL)
		drop(v, s);
	else
		keep(v, s);
}

static void tell_ready(custom_conversions *v)
{
	sp_list *node;
	while ((node = sp_list_pop_front(&v->ready)) != NULL) {
		api_convert *c = SP_CONTAINER_OF(node, api_convert, node);
		c->done(c);
	}
}

/* ---- answers ---- */

static sp_code build(batch *b, size_t i, sp_str *ret_why)
{
	yyjson_mut_val *obj = b->answers[i].obj;
	sp_err err;
	if (obj == NULL) {
		*ret_why = b->answers[i].why;
		return SP_OK;
	}
	sp_crd_prune(b->to->kind.schema, obj, NULL, NULL);
	/* What is stored has its defaults; upstream adds them whenever it is read. */
	if (b->to->stored == NULL && !sp_crd_default(b->doc, b->to->kind.schema, obj))
		return SP_ETOOLARGE;
	sp_code code = api_object_record_served(&b->arena, &b->to->res, b->doc, obj,
						b->customs->server->marker_str, &b->slots[i]->record, &err);
	if (code != SP_OK)
		*ret_why = sp_arena_try_dup(&b->arena, sp_str_c(err.msg));
	return code;
}

static void on_answer(api_webhook_call *call, sp_str body)
{
	batch *b = call->arg;
	b->doc = sp_json_doc(&b->arena);
	b->answers = sp_try_new(&b->arena, api_conversion_answer, b->q.n);
	sp_code code = b->doc == NULL || b->answers == NULL
			       ? SP_ETOOLARGE
			       : api_conversion_read(&b->arena, b->doc, &b->q, body, b->answers, &b->why);
	b->is_partial = b->why.len > 0 && sp_str_find(b->why, SP_STR(" objects, expected ")) >= 0;
	if (code != SP_OK && b->why.len == 0)
		b->why = SP_STR("the response of the conversion webhook is too large");
}

static void measure(const batch *b)
{
	api_server *s = b->customs->server;
	bool bad_object = false;
	for (size_t i = 0; b->answers != NULL && b->why.len == 0 && i < b->q.n; i++)
		bad_object = bad_object || b->answers[i].obj == NULL;
	sp_str failure = b->call.failed   ? SP_STR("conversion_webhook_call_failure")
			 : b->is_partial  ? SP_STR("conversion_webhook_partial_response_failure")
			 : b->why.len > 0 ? SP_STR("conversion_webhook_malformed_response_failure")
			 : bad_object     ? SP_STR("conversion_webhook_invalid_converted_object_failure")
					  : SP_STR("");
	const sp_str labels[] = {failure, failure.len > 0 ? SP_STR("failure") : SP_STR("success")};
	sp_metric_add(s->metrics, API_METRIC_CONVERSIONS, labels, 1);
	sp_metric_observe(s->metrics, API_METRIC_CONVERSION_SECONDS, labels,
			  (double)(sp_now_ns(s->world) - b->began_ns) / 1e9);
}

static void on_done(api_webhook_call *call)
{
	batch *b = call->arg;
	custom_conversions *v = b->customs->conversions;
	measure(b);
	if (call->failed)
		b->why = sp_arena_printf(&b->arena, "conversion webhook for " SP_FMT " failed: " SP_FMT,
					 SP_ARG(b->q.from), SP_ARG(call->why));
	if (b->why.len == 0 && call->failed)
		b->why = SP_STR(
			"no room for why the conversion webhook failed"); /* and there are no answers */
	for (size_t i = 0; i < b->q.n; i++) {
		sp_str why = b->why;
		if (why.len == 0 && build(b, i, &why) != SP_OK && why.len == 0)
			why = SP_STR("no room for the object");
		settle(v, b->slots[i], why);
	}
	(void)api_custom_unref(b->to);
	sp_arena_done(&b->arena);
	sp_free(b);
	tell_ready(v);
}

/* ---- questions ---- */

static batch *batch_new(api_convert *c, const sp_record *rec)
{
	batch *b = sp_try_alloc(sizeof *b);
	if (b == NULL)
		return NULL;
	sp_arena_init(&b->arena, BATCH_ARENA_BYTES);
	b->customs = c->customs;
	b->to = api_custom_ref(c->to);
	b->q.v1beta1 = c->to->converter->v1beta1;
	b->q.api_version = c->to->res.api_version;
	b->q.kind = c->to->kind.kind;
	b->q.from = sp_arena_printf(&b->arena, SP_FMT "/" SP_FMT ", Kind=" SP_FMT, SP_ARG(rec->group),
				    SP_ARG(rec->version), SP_ARG(rec->kind));
	b->from_version = sp_arena_try_dup(&b->arena, rec->version);
	b->q.objects = b->objects;
	return b;
}

/* From now on it ends in on_done. */
static void batch_send(batch *b)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_MAX(2 * QUESTION_BYTES_MAX, 2 * OBJECT_TEXT_BYTES_MAX));
	b->began_ns = sp_now_ns(b->customs->server->world);
	b->q.uid = api_random_uuid(b->customs->server->world, &b->arena);
	SP_AUTO_BYTES body =
		api_conversion_write(&text, &b->q) == SP_OK ? sp_bytes_try_dup(sp_buf_view(&text)) : NULL;
	b->call = (api_webhook_call){.client = b->customs->server->webhooks,
				     .at = &b->to->converter->at,
				     .arena = &b->arena,
				     .timeout_s = TIMEOUT_S,
				     .answer_bytes_max = ANSWER_BYTES_MAX,
				     .answered = on_answer,
				     .done = on_done,
				     .arg = b};
	if (body != NULL && b->q.uid.len > 0)
		api_webhook_call_start(&b->call, body);
	else
		api_webhook_call_fail(&b->call, SP_STR("no room for the request"));
}

/* The object as the webhook is to see it: without a revision, in the form of its own version where that is
 * the one that is stored. */
static sp_code write_object(batch *b, const sp_record *rec, sp_str *ret)
{
	const api_custom *stored = b->to->stored == NULL ? b->to : b->to->stored;
	SP_AUTO_BUF text;
	sp_buf_init(&text, OBJECT_TEXT_BYTES_MAX);
	if (sp_str_eq(rec->version, stored->kind.version) && rec->schema_hash != stored->hash)
		SP_TRY(api_custom_json(&text, stored, rec, 0));
	else
		SP_TRY(api_object_raw(&text, rec, 0));
	*ret = sp_arena_try_dup(&b->arena, sp_buf_view(&text));
	return ret->ptr == NULL ? SP_ETOOLARGE : SP_OK;
}

static bool is_known(const api_converter *c, sp_str version)
{
	for (size_t i = 0; i < c->n_versions; i++) {
		if (sp_str_eq(c->versions[i], version))
			return true;
	}
	return false;
}

static void wait_for(api_convert_item *item, slot *s)
{
	item->owner->n_open++;
	sp_list_push_back(&s->waiters, &item->node);
}

/* The slot of an item, new ones with *ret_new. NULL: no room. */
static slot *find_slot(api_convert *c, const api_convert_item *item, bool *ret_new)
{
	char key[SP_LIMIT_STORE_REST_BYTES + 17];
	custom_conversions *v = c->customs->conversions;
	size_t n = write_key(key, c->to, item);
	slot *s = n == 0 ? NULL : sp_map_get(&v->by_key, (sp_str){key, n});
	*ret_new = s == NULL;
	if (s != NULL)
		return s;
	s = sp_try_alloc(sizeof *s + n);
	if (s == NULL)
		return NULL;
	sp_list_init(&s->node);
	sp_list_init(&s->waiters);
	memcpy(s->key, key, n);
	s->key_len = n;
	if (n == 0 || sp_map_put(&v->by_key, (sp_str){s->key, n}, s, NULL) == SP_OK)
		return s;
	sp_free(s);
	return NULL;
}

/* One question is about objects of one version. */
static bool is_full(const batch *b, const sp_record *rec)
{
	return b->q.n == OBJECTS_MAX || !sp_str_eq(b->from_version, rec->version) ||
	       b->n_bytes + rec->object.len > QUESTION_BYTES_MAX;
}

/* Adds a new slot to the questions. False: no room. */
static bool ask(api_convert *c, batch **open, const sp_record *rec, slot *s)
{
	if (*open != NULL && is_full(*open, rec)) {
		batch_send(*open);
		*open = NULL;
	}
	if (*open == NULL)
		*open = batch_new(c, rec);
	batch *b = *open;
	if (b == NULL || write_object(b, rec, &b->objects[b->q.n]) != SP_OK)
		return false;
	b->n_bytes += rec->object.len;
	b->slots[b->q.n++] = s;
	return true;
}

static void take_item(api_convert *c, batch **open, api_convert_item *item)
{
	sp_record rec;
	bool is_new = false;
	item->owner = c;
	sp_list_init(&item->node);
	if (sp_record_decode(sp_bytes_view(item->record), &rec, NULL) != SP_OK) {
		note_failure(c, SP_STR("a stored object can't be read"));
		return;
	}
	if (!api_convert_wanted(c->to, &rec))
		return;
	if (!is_known(c->to->converter, rec.version)) {
		note_failure(c, sp_arena_printf(c->arena,
						"request to convert CR from an invalid group/version: " SP_FMT
						"/" SP_FMT,
						SP_ARG(rec.group), SP_ARG(rec.version)));
		return;
	}
	slot *s = find_slot(c, item, &is_new);
	if (s != NULL && s->record != NULL) {
		sp_list_remove(&s->node);
		sp_list_push_front(&c->customs->conversions->kept, &s->node);
		sp_bytes_unref(item->record);
		item->record = sp_bytes_ref(s->record);
	} else if (s != NULL && (!is_new || ask(c, open, &rec, s))) {
		wait_for(item, s);
	} else {
		note_failure(c, SP_STR("no room for the conversion"));
		if (s != NULL)
			drop(c->customs->conversions, s);
	}
}

bool api_convert_start(api_convert *c)
{
	batch *open = NULL;
	sp_list_init(&c->node);
	c->n_open = 0;
	for (size_t i = 0; i < c->n && !c->failed; i++)
		take_item(c, &open, &c->items[i]);
	if (open != NULL && open->q.n > 0) {
		batch_send(open);
	} else if (open != NULL) {
		(void)api_custom_unref(open->to);
		sp_arena_done(&open->arena);
		sp_free(open);
	}
	if (c->failed)
		api_convert_cancel(c); /* what is asked already is kept for others */
	return c->n_open == 0;
}

void api_convert_cancel(api_convert *c)
{
	for (size_t i = 0; i < c->n && c->n_open > 0; i++) {
		if (c->items[i].owner == c)
			sp_list_remove(&c->items[i].node);
	}
	c->n_open = 0;
	if (c->node.next != NULL)
		sp_list_remove(&c->node);
}

void api_convert_unref(api_convert *c)
{
	for (size_t i = 0; i < c->n; i++)
		c->items[i].record = sp_bytes_unref(c->items[i].record);
}

sp_status api_convert_status(sp_arena *a, const api_convert *c)
{
	return (sp_status){.code = 500, .message = sp_arena_try_dup(a, c->why)};
}
