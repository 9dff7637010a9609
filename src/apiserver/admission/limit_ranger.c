/* SPDX-License-Identifier: Apache-2.0 */
/* LimitRanger: what containers, pods and claims may ask for in a namespace, and what they ask for when they
 * don't say. U: kubernetes plugin/pkg/admission/limitranger/admission.go */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "apiserver/admission/admission.h"
#include "kube/kinds/amounts.h"
#include "kube/meta.h"

#define LIMIT_RANGES "/registry/limitranges/"
#define ANNOTATION SP_STR("kubernetes.io/limit-ranger")
#define NANOS_PER_ONE 1000000000
/* Beyond this upstream counts in whole units. U: resource.MaxMilliValue */
#define MILLI_MAX (INT64_MAX / 1000)
#define TEXT_BYTES_MAX ((size_t)64 << 10)

typedef struct ranger {
	const api_admit *a;
	sp_buf text; /* of the annotation, or of what is wrong */
	size_t n;    /* parts in it */
	bool failed;
} ranger;

/* ---- defaults ---- */

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

/* Fills the names that are missing; says which. */
static void fill(ranger *r, yyjson_mut_val *container, const char *kind, const char *what, const char *one,
		 const sp_amounts *defaults)
{
	sp_kind_ctx *c = &r->a->w->ctx;
	sp_str *names = sp_try_new(c->arena, sp_str, defaults->n + 1);
	size_t n = 0;
	yyjson_mut_val *resources = sp_kv_need_obj(c->doc, container, "resources");
	for (size_t i = 0; i < defaults->n && names != NULL && resources != NULL; i++) {
		yyjson_mut_val *map = sp_kv_need_obj(c->doc, resources, what);
		sp_str name = defaults->items[i].name;
		if (map != NULL && sp_jmut_get(map, name) != NULL)
			continue;
		SP_KIND_NEED(c,
			     map != NULL && sp_jmut_set_str(c->doc, map, name,
							    sp_qty_print(c->arena, defaults->items[i].qty)));
		names[n++] = name;
	}
	SP_KIND_NEED(c, names != NULL && resources != NULL);
	if (n == 0)
		return;
	qsort(names, n, sizeof *names, by_text);
	(void)sp_buf_str(&r->text, r->n++ == 0 ? SP_STR("LimitRanger plugin set: ") : SP_STR("; "));
	for (size_t i = 0; i < n; i++)
		(void)sp_buf_printf(&r->text, "%s" SP_FMT, i == 0 ? "" : ", ", SP_ARG(names[i]));
	(void)sp_buf_printf(&r->text, " %s for %s " SP_FMT, one, kind, SP_ARG(sp_kv_str(container, "name")));
}

static void collect(yyjson_mut_val *range, const char *member, sp_amounts *out)
{
	SP_KV_EACH (limit, i, sp_kv_list(sp_kv_get(range, "spec"), "limits")) {
		if (!sp_kv_is(limit, "type", "Container"))
			continue;
		SP_KV_EACH_MEMBER (key, value, k, sp_kv_map(limit, member)) {
			sp_qty qty = sp_kv_qty(value);
			sp_amounts_set(out, sp_jmut_str(key), &qty);
		}
	}
}

static bool fill_pod(void *arg, yyjson_mut_val *range)
{
	static const struct {
		const char *list, *kind;
	} lists[] = {{"containers", "container"}, {"initContainers", "init container"}};
	ranger *r = arg;
	sp_amounts requests, limits;
	sp_amounts_init(&requests, r->a->w->ctx.arena);
	sp_amounts_init(&limits, r->a->w->ctx.arena);
	collect(range, "defaultRequest", &requests);
	collect(range, "default", &limits);
	r->failed = r->failed || requests.failed || limits.failed;
	yyjson_mut_val *spec = sp_kv_get(r->a->obj, "spec");
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		SP_KV_EACH (c, i, sp_kv_list(spec, lists[k].list)) {
			fill(r, c, lists[k].kind, "requests", "request", &requests);
			fill(r, c, lists[k].kind, "limits", "limit", &limits);
		}
	}
	return !r->failed;
}

static bool is_leaving(const api_admit *a)
{
	return a->old != NULL && sp_kv_has(sp_meta(a->old), "deletionTimestamp");
}

static bool is_new_pod(const api_admit *a)
{
	return a->op == API_OP_CREATE && api_admit_is(a, "", "pods", "");
}

static bool is_resize(const api_admit *a)
{
	return a->op == API_OP_UPDATE && api_admit_is(a, "", "pods", "resize");
}

static bool each_range(ranger *r, bool (*fn)(void *, yyjson_mut_val *))
{
	if (api_admit_each(r->a, LIMIT_RANGES, sp_meta_namespace(r->a->obj), fn, r) && !r->failed &&
	    sp_buf_code(&r->text) == SP_OK)
		return true;
	api_write_fail(r->a->w, r->failed ? SP_ETOOLARGE : SP_EIO, NULL);
	return false;
}

bool api_admit_limit_ranger(const api_admit *a)
{
	ranger r = {.a = a};
	if (!(is_new_pod(a) || is_resize(a)) || is_leaving(a))
		return true;
	SP_AUTO_BUF keep;
	sp_buf_init(&keep, TEXT_BYTES_MAX);
	r.text = keep;
	bool ok = each_range(&r, fill_pod);
	keep = r.text;
	if (!ok || r.n == 0)
		return ok;
	yyjson_mut_val *annotations = sp_kv_need_obj(a->w->doc, sp_meta(a->obj), "annotations");
	SP_KIND_NEED(&a->w->ctx, annotations != NULL && sp_jmut_set_str(a->w->doc, annotations, ANNOTATION,
									sp_buf_view(&keep)));
	return true;
}

/* ---- limits ---- */

static void wrong(ranger *r, const char *fmt, ...) SP_PRINTF(2, 3);
static void wrong(ranger *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	(void)sp_buf_printf(&r->text, "%s%s", r->n++ == 0 ? "" : ", ", text);
}

/* One limit on one thing. */
typedef struct check {
	ranger *r;
	sp_str type, name; /* "Container", "cpu" */
	sp_qty enforced;
	const sp_qty *request, *limit;
	bool whole; /* compared in whole units: thousandths of one of them would not fit */
} check;

static sp_str print(const check *c, const sp_qty *q)
{
	return sp_qty_print(c->r->a->w->ctx.arena, *q);
}

/* Amounts as upstream compares them: rounded up to thousandths, or to whole ones when one is very large. */
static __int128 level(const check *c, const sp_qty *q)
{
	return c->whole ? (__int128)sp_qty_value(q) : (__int128)sp_qty_milli(q);
}

static bool is_large(const sp_qty *q)
{
	return q != NULL && q->nanos / NANOS_PER_ONE > MILLI_MAX;
}

static void check_min(check *c)
{
	sp_str e = print(c, &c->enforced);
	if (c->request == NULL)
		wrong(c->r, "minimum " SP_FMT " usage per " SP_FMT " is " SP_FMT ".  No request is specified",
		      SP_ARG(c->name), SP_ARG(c->type), SP_ARG(e));
	else if (level(c, c->request) < level(c, &c->enforced))
		wrong(c->r, "minimum " SP_FMT " usage per " SP_FMT " is " SP_FMT ", but request is " SP_FMT,
		      SP_ARG(c->name), SP_ARG(c->type), SP_ARG(e), SP_ARG(print(c, c->request)));
	else if (c->limit != NULL && level(c, c->limit) < level(c, &c->enforced))
		wrong(c->r, "minimum " SP_FMT " usage per " SP_FMT " is " SP_FMT ", but limit is " SP_FMT,
		      SP_ARG(c->name), SP_ARG(c->type), SP_ARG(e), SP_ARG(print(c, c->limit)));
}

static void check_max_request(check *c)
{
	sp_str e = print(c, &c->enforced);
	if (c->request == NULL)
		wrong(c->r, "maximum " SP_FMT " usage per " SP_FMT " is " SP_FMT ".  No request is specified",
		      SP_ARG(c->name), SP_ARG(c->type), SP_ARG(e));
	else if (level(c, c->request) > level(c, &c->enforced))
		wrong(c->r, "maximum " SP_FMT " usage per " SP_FMT " is " SP_FMT ", but request is " SP_FMT,
		      SP_ARG(c->name), SP_ARG(c->type), SP_ARG(e), SP_ARG(print(c, c->request)));
}

static void check_max(check *c)
{
	sp_str e = print(c, &c->enforced);
	if (c->limit == NULL)
		wrong(c->r, "maximum " SP_FMT " usage per " SP_FMT " is " SP_FMT ".  No limit is specified",
		      SP_ARG(c->name), SP_ARG(c->type), SP_ARG(e));
	else if (level(c, c->limit) > level(c, &c->enforced))
		wrong(c->r, "maximum " SP_FMT " usage per " SP_FMT " is " SP_FMT ", but limit is " SP_FMT,
		      SP_ARG(c->name), SP_ARG(c->type), SP_ARG(e), SP_ARG(print(c, c->limit)));
	else if (c->request != NULL)
		check_max_request(c);
}

static void check_ratio(check *c)
{
	sp_str e = print(c, &c->enforced);
	if (c->request == NULL || c->request->nanos == 0) {
		wrong(c->r,
		      SP_FMT " max limit to request ratio per " SP_FMT " is " SP_FMT
			     ", but no request is specified or request is 0",
		      SP_ARG(c->name), SP_ARG(c->type), SP_ARG(e));
		return;
	}
	if (c->limit == NULL || c->limit->nanos == 0) {
		wrong(c->r,
		      SP_FMT " max limit to request ratio per " SP_FMT " is " SP_FMT
			     ", but no limit is specified or limit is 0",
		      SP_ARG(c->name), SP_ARG(c->type), SP_ARG(e));
		return;
	}
	double ratio = (double)level(c, c->limit) / (double)level(c, c->request);
	double max = is_large(&c->enforced) ? (double)sp_qty_value(&c->enforced)
					    : (double)sp_qty_milli(&c->enforced) / 1000;
	if (ratio > max)
		wrong(c->r,
		      SP_FMT " max limit to request ratio per " SP_FMT " is " SP_FMT
			     ", but provided ratio is %f",
		      SP_ARG(c->name), SP_ARG(c->type), SP_ARG(e), ratio);
}

typedef struct bounds {
	const char *member;
	void (*fn)(check *c);
} bounds;

static void check_all(ranger *r, yyjson_mut_val *limit, const bounds *b, size_t n, const sp_amounts *requests,
		      const sp_amounts *limits)
{
	for (size_t i = 0; i < n; i++) {
		SP_KV_EACH_MEMBER (key, value, k, sp_kv_map(limit, b[i].member)) {
			check c = {.r = r, .type = sp_kv_str(limit, "type"), .name = sp_jmut_str(key)};
			c.enforced = sp_kv_qty(value);
			c.request = sp_amounts_get(requests, c.name);
			c.limit = sp_amounts_get(limits, c.name);
			c.whole = is_large(&c.enforced) || is_large(c.request) || is_large(c.limit);
			b[i].fn(&c);
		}
	}
	r->failed = r->failed || requests->failed || limits->failed;
}

static const bounds all_bounds[] = {
	{"min", check_min}, {"max", check_max}, {"maxLimitRequestRatio", check_ratio}};
static const bounds claim_bounds[] = {{"min", check_min}, {"max", check_max_request}};

static void check_containers(ranger *r, yyjson_mut_val *limit, const char *list)
{
	SP_KV_EACH (c, i, sp_kv_list(sp_kv_get(r->a->obj, "spec"), list)) {
		sp_amounts requests, limits;
		sp_amounts_init(&requests, r->a->w->ctx.arena);
		sp_amounts_init(&limits, r->a->w->ctx.arena);
		sp_amounts_add_map(&requests, sp_kv_map(sp_kv_get(c, "resources"), "requests"));
		sp_amounts_add_map(&limits, sp_kv_map(sp_kv_get(c, "resources"), "limits"));
		check_all(r, limit, all_bounds, SP_LEN(all_bounds), &requests, &limits);
	}
}

static bool check_pod(void *arg, yyjson_mut_val *range)
{
	ranger *r = arg;
	SP_KV_EACH (limit, i, sp_kv_list(sp_kv_get(range, "spec"), "limits")) {
		if (sp_kv_is(limit, "type", "Container")) {
			check_containers(r, limit, "containers");
			check_containers(r, limit, "initContainers");
		} else if (sp_kv_is(limit, "type", "Pod")) {
			sp_amounts requests, limits;
			sp_amounts_init(&requests, r->a->w->ctx.arena);
			sp_amounts_init(&limits, r->a->w->ctx.arena);
			sp_pod_amounts(&requests, r->a->obj, "requests", false);
			sp_pod_amounts(&limits, r->a->obj, "limits", false);
			check_all(r, limit, all_bounds, SP_LEN(all_bounds), &requests, &limits);
		}
	}
	return r->n == 0; /* the first range that is broken is told of */
}

static bool check_claim(void *arg, yyjson_mut_val *range)
{
	ranger *r = arg;
	SP_KV_EACH (limit, i, sp_kv_list(sp_kv_get(range, "spec"), "limits")) {
		sp_amounts requests, none;
		if (!sp_kv_is(limit, "type", "PersistentVolumeClaim"))
			continue;
		sp_amounts_init(&requests, r->a->w->ctx.arena);
		sp_amounts_init(&none, r->a->w->ctx.arena);
		sp_amounts_add_map(&requests,
				   sp_kv_map(sp_kv_path(r->a->obj, "spec", "resources", NULL), "requests"));
		check_all(r, limit, claim_bounds, SP_LEN(claim_bounds), &requests, &none);
	}
	return r->n == 0;
}

bool api_admit_limit_ranger_validate(const api_admit *a)
{
	ranger r = {.a = a};
	bool pods = is_new_pod(a) || is_resize(a);
	if (a->op == API_OP_DELETE || is_leaving(a) ||
	    !(pods || api_admit_is(a, "", "persistentvolumeclaims", "")))
		return true;
	SP_AUTO_BUF keep;
	sp_buf_init(&keep, TEXT_BYTES_MAX);
	r.text = keep;
	bool ok = each_range(&r, pods ? check_pod : check_claim);
	keep = r.text;
	if (!ok || r.n == 0)
		return ok;
	sp_str text = sp_buf_view(&keep);
	return api_admit_forbid(a, "%s" SP_FMT "%s", r.n > 1 ? "[" : "", SP_ARG(text), r.n > 1 ? "]" : "");
}
