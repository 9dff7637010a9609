/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/event_rate.h"

#include "apiserver/admission/admission.h"
#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "kube/meta.h"

#define NS_PER_EVENT UINT64_C(1000000000)
#define KEPT_BY_DEFAULT 4096u
#define WHY_BYTES_MAX ((size_t)64 << 10)

/* Filled in order of use: the front of the list was used last. */
typedef struct bucket {
	sp_list link;
	uint64_t held; /* events in billionths: those of a nanosecond are as many as come in a second */
	uint64_t at_ns;
	size_t n_key;
	char key[];
} bucket;

typedef struct limit {
	api_event_limit type;
	uint64_t per_second, burst;
	size_t max;
	sp_map buckets;
	sp_list used;
} limit;

struct api_event_rate {
	size_t n;
	limit *limits;
};

static const char *const type_names[] = {[API_EVENTS_SERVER] = "Server",
					 [API_EVENTS_NAMESPACE] = "Namespace",
					 [API_EVENTS_USER] = "User",
					 [API_EVENTS_SOURCE_AND_OBJECT] = "SourceAndObject"};

/* ---- buckets ---- */

static void forget(limit *l, bucket *b)
{
	sp_list_remove(&b->link);
	(void)sp_map_remove(&l->buckets, (sp_str){b->key, b->n_key});
	sp_free(b);
}

/* NULL: no room for one more. */
static bucket *make(limit *l, sp_str key, uint64_t now_ns)
{
	bucket *b = sp_try_alloc(sizeof *b + key.len);
	if (b == NULL)
		return NULL;
	*b = (bucket){.held = l->burst * NS_PER_EVENT, .at_ns = now_ns, .n_key = key.len};
	if (key.len > 0)
		memcpy(b->key, key.ptr, key.len);
	if (sp_map_put(&l->buckets, (sp_str){b->key, key.len}, b, NULL) != SP_OK) {
		sp_free(b);
		return NULL;
	}
	sp_list_push_front(&l->used, &b->link);
	if (sp_map_count(&l->buckets) > l->max)
		forget(l, SP_CONTAINER_OF(l->used.prev, bucket, link));
	return b;
}

static bucket *find(limit *l, sp_str key, uint64_t now_ns)
{
	bucket *b = sp_map_get(&l->buckets, key);
	if (b == NULL)
		return make(l, key, now_ns);
	sp_list_remove(&b->link);
	sp_list_push_front(&l->used, &b->link);
	return b;
}

static bool take(limit *l, bucket *b, uint64_t now_ns)
{
	uint64_t full = l->burst * NS_PER_EVENT, missing = full - b->held, passed = now_ns - b->at_ns;
	b->held = passed > missing / l->per_second ? full : b->held + passed * l->per_second;
	b->at_ns = now_ns;
	if (b->held < NS_PER_EVENT)
		return false;
	b->held -= NS_PER_EVENT;
	return true;
}

/* ---- the limits ---- */

static void init(limit *l, yyjson_mut_val *config)
{
	int64_t kept = sp_kv_i64(config, "cacheSize", 0);
	*l = (limit){.per_second = (uint64_t)sp_kv_i64(config, "qps", 1),
		     .burst = (uint64_t)sp_kv_i64(config, "burst", 1),
		     .max = kept > 0 ? (size_t)kept : KEPT_BY_DEFAULT};
	for (size_t i = 0; i < SP_LEN(type_names); i++) {
		if (sp_kv_is(config, "type", type_names[i]))
			l->type = (api_event_limit)i;
	}
	sp_map_init(&l->buckets);
	sp_list_init(&l->used);
}

api_event_rate *api_event_rate_new(yyjson_mut_val *config)
{
	yyjson_mut_val *list = sp_kv_list(config, "limits");
	api_event_rate *e = SP_NEW(api_event_rate);
	e->limits = sp_alloc(sizeof *e->limits * (sp_kv_len(list) + 1));
	SP_KV_EACH (one, i, list)
		init(&e->limits[e->n++], one);
	return e;
}

void api_event_rate_free(api_event_rate *e)
{
	if (e == NULL)
		return;
	for (size_t i = 0; i < e->n; i++)
		sp_map_done_values(&e->limits[i].buckets);
	sp_free(e->limits);
	sp_free(e);
}

size_t api_event_rate_take(api_event_rate *e, const sp_str keys[API_EVENT_LIMIT_COUNT_], uint64_t now_ns,
			   sp_buf *why)
{
	size_t n = 0;
	for (size_t i = 0; i < e->n; i++) {
		limit *l = &e->limits[i];
		sp_str key = keys[l->type];
		bucket *b = find(l, key, now_ns);
		if (b != NULL && take(l, b, now_ns))
			continue;
		(void)sp_buf_printf(why, "%slimit reached on type %s for key " SP_FMT, n++ > 0 ? ", " : "",
				    type_names[l->type], SP_ARG(key));
	}
	return n;
}

/* ---- the plugin ---- */

static sp_str source_and_object(const api_admit *a)
{
	yyjson_mut_val *source = sp_kv_get(a->obj, "source"), *of = sp_kv_get(a->obj, "involvedObject");
	return SP_CONCAT(&a->w->arena, sp_kv_str(source, "component"), sp_kv_str(source, "host"),
			 sp_kv_str(of, "kind"), sp_kv_str(of, "namespace"), sp_kv_str(of, "name"),
			 sp_kv_str(of, "uid"), sp_kv_str(of, "apiVersion"));
}

/* events.k8s.io is another kind to upstream's plugin. */
bool api_admit_event_rate(const api_admit *a)
{
	if ((a->op != API_OP_CREATE && a->op != API_OP_UPDATE) || !api_admit_is(a, "", "events", "") ||
	    a->w->o.dry_run)
		return true;
	const sp_str keys[API_EVENT_LIMIT_COUNT_] = {[API_EVENTS_SERVER] = SP_STR(""),
						     [API_EVENTS_NAMESPACE] = api_admit_namespace(a),
						     [API_EVENTS_USER] = a->w->r->user.name,
						     [API_EVENTS_SOURCE_AND_OBJECT] = source_and_object(a)};
	api_server *s = a->w->server;
	SP_AUTO_BUF why;
	sp_buf_init(&why, WHY_BYTES_MAX);
	size_t n = api_event_rate_take(s->event_rate, keys, sp_clock_ns(s->world), &why);
	if (n == 0)
		return true;
	const sp_status refusal = {
		.code = 429,
		.reason = SP_STR("TooManyRequests"),
		.message = sp_arena_printf(&a->w->arena, "Too many requests: %s" SP_FMT "%s",
					   n > 1 ? "[" : "", SP_ARG(sp_buf_view(&why)), n > 1 ? "]" : "")};
	return api_admit_refuse(a, &refusal);
}
