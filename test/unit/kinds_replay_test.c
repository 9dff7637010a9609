/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded exchanges with a real API server against the hooks of kinds: creates, updates and patches go
 * through decoding, defaults, preparation and validation; the object, the causes and the warnings must be the
 * recorded ones. What other parts of an API server add (admission, allocation, field ownership) is left out
 * below. Kinds without hooks are passed over, so a kind is tested from the moment it has them.
 */
#include <inttypes.h>

#include "base/map.h"
#include "kube/decode.h"
#include "kube/defaults.h"
#include "kube/encode.h"
#include "kube/kinds/kinds.h"
#include "kube/kinds/service.h"
#include "kube/meta.h"
#include "kube/patch/merge_patch.h"
#include "kube/patch/strategic.h"
#include "lib/t.h"

/* Recorded data are optional and lie beside the checkout, or two levels up for work trees. */
static const char *const roots[] = {"../shared/data/api", "../../shared/data/api"};

/* Members of answers that others set: admission plugins, allocators, the store. */
static const char *const foreign[] = {
	"metadata.resourceVersion",
	"metadata.managedFields",
	"metadata.finalizers", /* storage protection */
	"spec.tolerations",    /* DefaultTolerationSeconds */
	"spec.priority",
	"spec.preemptionPolicy",
	"spec.serviceAccountName",
	"spec.serviceAccount",
	"spec.clusterIP",
	"spec.clusterIPs",
	"spec.ipFamilies",
	"spec.ipFamilyPolicy",
	"spec.healthCheckNodePort",
	"spec.taints", /* TaintNodesByCondition */
	"spec.storageClassName",
	"spec.ingressClassName",
};

/* Errors that come from parts of a server other than validation. */
static const char *const foreign_errors[] = {
	"failed to allocate IP",
	"provided port is",
	"provided IP is",
	"The range of valid ports",
	"must evaluate to string", /* CEL */
	"compilation failed",
	/* blanks in embedded objects: upstream compares the text that was sent */
	"Invalid value: {\"spec\":{\"a\":1}}: field is immutable",
};

/* Kinds whose status is written by parts of the API server itself, and columns that show it. */
static const char *const busy_kinds[] = {"APIService", "FlowSchema", "PriorityLevelConfiguration",
					 "ServiceCIDR", "CustomResourceDefinition"};
static const char *const busy_columns[] = {"Available", "MissingPL"};

typedef struct replay {
	const char *file;
	sp_map objects; /* "collection path/name" to the stored tree */
	sp_map answers; /* step id to tree */
	yyjson_mut_doc *doc;
	yyjson_mut_val *user; /* who made the recorded requests */
	uint8_t dice;
	size_t n_compared, n_skipped, n_wrong;
	const char *scenario;
} replay;

static void dice(void *arg, void *bytes, size_t n)
{
	uint8_t *next = arg;
	for (size_t i = 0; i < n; i++) {
		*next = (uint8_t)(*next + 37);
		((uint8_t *)bytes)[i] = *next;
	}
}

static void wrong(replay *r, yyjson_mut_val *step, const char *fmt, ...) SP_PRINTF(3, 4);
static void wrong(replay *r, yyjson_mut_val *step, const char *fmt, ...)
{
	char text[4000];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	sp_str method = sp_kv_str(step, "method"), path = sp_kv_str(step, "path");
	r->n_wrong++;
	(void)t_fail(__FILE__, __LINE__, "%s %s: " SP_FMT " " SP_FMT "\n%s", r->file, r->scenario,
		     SP_ARG(method), SP_ARG(path), text);
}

/* ${x} becomes a name that may stand anywhere: x without odd characters. */
static sp_str fill(sp_str text)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)8 << 20);
	sp_str rest = text;
	for (;;) {
		ptrdiff_t at = sp_str_find(rest, SP_STR("${"));
		if (at < 0)
			break;
		(void)sp_buf_str(&out, sp_str_sub(rest, 0, (size_t)at));
		rest = sp_str_sub(rest, (size_t)at + 2, rest.len);
		sp_str name;
		if (!sp_str_cut(&rest, '}', &name))
			break;
		bool uid = sp_str_ends(name, SP_STR("uid")), rv = sp_str_ends(name, SP_STR("rv"));
		if (uid)
			(void)sp_buf_str(&out, SP_STR("11111111-1111-4111-8111-111111111111"));
		else if (rv)
			(void)sp_buf_str(&out, SP_STR("1"));
		else if (sp_str_eq(name, SP_STR("ip")))
			(void)sp_buf_str(&out, SP_STR("10.96.0.9"));
		else
			(void)sp_buf_str(&out, name);
	}
	(void)sp_buf_str(&out, rest);
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

static sp_str text_of(yyjson_mut_val *v)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)8 << 20);
	if (v == NULL || sp_json_write_mut(&out, v) != SP_OK)
		return SP_STR("");
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

/* A recorded value that stands for anything: "<uid>", "${a.rv}", a text with such a part. */
static bool is_wildcard(yyjson_mut_val *v)
{
	sp_str s = sp_jmut_str(v);
	ptrdiff_t open = sp_str_index(s, '<');
	return s.len > 0 && ((open >= 0 && sp_str_index(s, '>') > open) || sp_str_find(s, SP_STR("${")) >= 0);
}

static bool only_wildcards(yyjson_mut_val *v)
{
	if (!yyjson_mut_is_arr(v))
		return is_wildcard(v);
	SP_KV_EACH (item, i, v) {
		if (!only_wildcards(item))
			return false;
	}
	return true;
}

static bool same_text(sp_str want, sp_str got)
{
	sp_str filled = fill(want);
	return sp_str_eq(want, got) || sp_str_eq(filled, got);
}

static void drop_token_items(yyjson_mut_val *owner, const char *member)
{
	yyjson_mut_val *list = sp_kv_get(owner, member);
	size_t n = sp_kv_len(list);
	for (size_t i = n; i > 0; i--) {
		if (sp_str_starts(sp_kv_str(yyjson_mut_arr_get(list, i - 1), "name"),
				  SP_STR("kube-api-access-")))
			(void)yyjson_mut_arr_remove(list, i - 1);
	}
	if (sp_kv_len(list) == 0 && n > 0)
		sp_kv_drop(owner, member);
}

/* Admission mounts a token into pods. */
static void drop_token_volumes(yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	drop_token_items(spec, "volumes");
	SP_KV_EACH (container, i, sp_kv_list(spec, "initContainers"))
		drop_token_items(container, "volumeMounts");
	SP_KV_EACH (container, i, sp_kv_list(spec, "containers"))
		drop_token_items(container, "volumeMounts");
}

/* The first difference, as "path: want … got …"; empty when there is none. */
static sp_str differs(sp_str path, yyjson_mut_val *want, yyjson_mut_val *got);

static sp_str object_differs(sp_str path, yyjson_mut_val *want, yyjson_mut_val *got)
{
	SP_KV_EACH_MEMBER (key, val, i, want) {
		sp_str k = fill(sp_jmut_str(key));
		sp_str at = sp_arena_printf(T_ARENA, SP_FMT "%s" SP_FMT, SP_ARG(path),
					    path.len > 0 ? "." : "", SP_ARG(k));
		if (SP_STR_IN(at, foreign))
			continue;
		sp_str d = differs(at, val, sp_jmut_get(got, k));
		if (d.len > 0)
			return d;
	}
	SP_KV_EACH_MEMBER (key, val, i, got) {
		sp_str k = sp_jmut_str(key);
		sp_str at = sp_arena_printf(T_ARENA, SP_FMT "%s" SP_FMT, SP_ARG(path),
					    path.len > 0 ? "." : "", SP_ARG(k));
		bool known = SP_STR_IN(at, foreign);
		SP_KV_EACH_MEMBER (wkey, wval, m, want) {
			(void)wval;
			known = known || sp_str_eq(fill(sp_jmut_str(wkey)), k);
		}
		if (!known && !yyjson_mut_is_null(val)) {
			sp_str text = text_of(val);
			return sp_arena_printf(T_ARENA, SP_FMT ": unwanted " SP_FMT, SP_ARG(at),
					       SP_ARG(text));
		}
	}
	return SP_STR("");
}

static sp_str differs(sp_str path, yyjson_mut_val *want, yyjson_mut_val *got)
{
	if (only_wildcards(want))
		return SP_STR("");
	if (yyjson_mut_is_obj(want) && yyjson_mut_is_obj(got))
		return object_differs(path, want, got);
	if (yyjson_mut_is_arr(want) && yyjson_mut_is_arr(got) && sp_kv_len(want) == sp_kv_len(got)) {
		yyjson_mut_val *other = yyjson_mut_arr_get_first(got);
		SP_KV_EACH (item, i, want) {
			sp_str d = differs(sp_arena_printf(T_ARENA, SP_FMT "[%zu]", SP_ARG(path), i), item,
					   other);
			if (d.len > 0)
				return d;
			other = other->next;
		}
		return SP_STR("");
	}
	if (yyjson_mut_is_str(want) && yyjson_mut_is_str(got) &&
	    same_text(sp_jmut_str(want), sp_jmut_str(got)))
		return SP_STR("");
	if (want != NULL && got != NULL && sp_jmut_equal(want, got))
		return SP_STR("");
	sp_str w = text_of(want), g = text_of(got);
	return sp_arena_printf(T_ARENA, SP_FMT ": want " SP_FMT " got " SP_FMT, SP_ARG(path), SP_ARG(w),
			       SP_ARG(g));
}

/* What a request's path names. */
typedef struct target {
	const sp_kind *kind;
	sp_str collection, ns, name, sub;
} target;

static bool parse_path(sp_str raw, target *t)
{
	sp_str path = fill(raw), query = path, rest, part[10];
	size_t n = 0, at;
	if (sp_str_cut(&query, '?', &rest))
		path = rest;
	rest = path;
	while (n < SP_LEN(part) && sp_str_cut(&rest, '/', &part[n]))
		n += part[n].len > 0;
	if (rest.len > 0 && n < SP_LEN(part))
		part[n++] = rest;
	*t = (target){.kind = NULL};
	sp_str group = {NULL, 0}, version;
	if (n >= 3 && sp_str_eq(part[0], SP_STR("api"))) {
		version = part[1];
		at = 2;
	} else if (n >= 4 && sp_str_eq(part[0], SP_STR("apis"))) {
		group = part[1];
		version = part[2];
		at = 3;
	} else {
		return false;
	}
	if (sp_str_eq(part[at], SP_STR("namespaces")) && n > at + 2 &&
	    !sp_str_eq(part[at + 2], SP_STR("status")) && !sp_str_eq(part[at + 2], SP_STR("finalize"))) {
		t->ns = part[at + 1];
		at += 2;
	}
	t->kind = sp_kind_by_plural(group, version, part[at]);
	size_t end = (size_t)(part[at].ptr - path.ptr) + part[at].len;
	t->collection = sp_str_sub(path, 0, end);
	t->name = n > at + 1 ? part[at + 1] : (sp_str){NULL, 0};
	t->sub = n > at + 2 ? part[at + 2] : (sp_str){NULL, 0};
	return t->kind != NULL;
}

static sp_str key_of(const target *t, sp_str name)
{
	return sp_arena_printf(T_ARENA, SP_FMT "/" SP_FMT, SP_ARG(t->collection), SP_ARG(name));
}

static size_t index_of(sp_str digits)
{
	size_t n = 0;
	for (size_t i = 0; i < digits.len && i < 6; i++)
		n = n * 10 + (size_t)(digits.ptr[i] - '0');
	return n;
}

/* RFC 6901; sets (value not NULL) or removes. */
static void edit(yyjson_mut_doc *doc, yyjson_mut_val *root, sp_str pointer, yyjson_mut_val *value)
{
	yyjson_mut_val *at = root;
	sp_str rest = sp_str_sub(pointer, 1, pointer.len), step;
	while (sp_str_cut(&rest, '/', &step)) {
		if (yyjson_mut_is_arr(at)) {
			at = yyjson_mut_arr_get(at, index_of(step));
			continue;
		}
		yyjson_mut_val *next = sp_jmut_get(at, step);
		if (next == NULL && value != NULL && yyjson_mut_is_obj(at)) {
			next = yyjson_mut_obj(doc);
			if (next == NULL || !sp_jmut_set(doc, at, step, next))
				return;
		}
		at = next;
	}
	/* "~1" is a slash */
	char name[512];
	size_t n = 0;
	for (size_t i = 0; i < rest.len && n < sizeof name; i++) {
		bool escaped = rest.ptr[i] == '~' && i + 1 < rest.len;
		name[n++] = escaped ? (rest.ptr[i + 1] == '1' ? '/' : '~') : rest.ptr[i];
		i += escaped;
	}
	if (yyjson_mut_is_arr(at)) {
		size_t index = index_of(rest);
		if (value == NULL)
			(void)yyjson_mut_arr_remove(at, index);
		else if (sp_str_eq(rest, SP_STR("-")) || index >= sp_kv_len(at))
			(void)yyjson_mut_arr_append(at, value);
		else
			(void)yyjson_mut_arr_replace(at, index, value);
	} else if (yyjson_mut_is_obj(at)) {
		if (value == NULL)
			(void)sp_jmut_remove(at, (sp_str){name, n});
		else
			(void)!sp_jmut_set(doc, at, (sp_str){name, n}, value);
	}
}

/* The request's body as JSON text; empty: not known here. */
static sp_str body_text(replay *r, yyjson_mut_val *step)
{
	yyjson_mut_val *body = sp_kv_get(step, "body"), *from;
	if (sp_kv_has(body, "json"))
		return fill(text_of(sp_kv_get(body, "json")));
	if (!sp_kv_has(body, "from"))
		return SP_STR("");
	from = sp_map_get(&r->answers, sp_kv_str(body, "from"));
	if (from == NULL)
		return SP_STR("");
	from = yyjson_mut_val_mut_copy(r->doc, from);
	SP_KV_EACH (pointer, i, sp_kv_get(body, "remove"))
		edit(r->doc, from, sp_jmut_str(pointer), NULL);
	SP_KV_EACH_MEMBER (pointer, val, i, sp_kv_get(body, "set"))
		edit(r->doc, from, sp_jmut_str(pointer), yyjson_mut_val_mut_copy(r->doc, val));
	return fill(text_of(from));
}

/* One write on its way. */
typedef struct write {
	sp_kind_ctx c;
	sp_violations errors;
	yyjson_mut_val *obj;
} write;

static sp_code decode(replay *r, const target *t, sp_str text, write *w)
{
	sp_violations_init(&w->errors, T_ARENA);
	w->c = (sp_kind_ctx){.arena = T_ARENA,
			     .doc = r->doc,
			     .kind = t->kind,
			     .errors = &w->errors,
			     .now = {.seconds = 1700000000},
			     .random = dice,
			     .random_arg = &r->dice,
			     .user = SP_STR("admin"),
			     .user_info = r->user,
			     .subresource = t->sub};
	SP_TRY(sp_decode_json(T_ARENA, t->kind->schema, text, r->doc, NULL, &w->obj, T_ERR));
	SP_TRY(sp_default(r->doc, t->kind->schema, w->obj, T_ERR));
	return sp_kind_defaults(&w->c, w->obj);
}

/* The result in canonical form, as it would be stored and read back. */
static yyjson_mut_val *canonical(replay *r, const target *t, yyjson_mut_val *obj)
{
	SP_AUTO_BUF out = {.len = 0};
	yyjson_mut_val *back = NULL;
	const sp_kind_hooks *h = t->kind->hooks;
	if (h->to_stored != NULL &&
	    (!h->to_stored(T_ARENA, r->doc, obj) || !h->from_stored(T_ARENA, r->doc, obj)))
		return NULL;
	sp_buf_init(&out, (size_t)8 << 20);
	if (sp_default(r->doc, t->kind->schema, obj, T_ERR) != SP_OK ||
	    sp_encode_json(&out, t->kind->schema, obj) != SP_OK)
		return NULL;
	if (sp_json_parse_mut(T_ARENA, sp_buf_view(&out), r->doc, &back, T_ERR) != SP_OK)
		return NULL;
	return back;
}

/* Cuts what upstream's diff adds. */
static sp_str first_line(sp_str s)
{
	sp_str head, rest = s;
	return sp_str_cut(&rest, '\n', &head) ? head : s;
}

static void compare_causes(replay *r, yyjson_mut_val *step, const sp_violations *got)
{
	yyjson_mut_val *want = sp_kv_path(step, "expect", "body", "details", "causes", NULL);
	bool used[SP_VIOLATIONS_MAX] = {false};
	SP_KV_EACH (cause, i, want) {
		sp_str reason = sp_kv_str(cause, "reason"), field = sp_kv_str(cause, "field");
		sp_str message = first_line(fill(sp_kv_str(cause, "message")));
		bool found = false, anything = is_wildcard(sp_kv_get(cause, "message"));
		for (size_t k = 0; k < got->n && !found; k++) {
			if (used[k] || !sp_str_eq(sp_v_reason(got->items[k].type), reason) ||
			    !sp_str_eq(got->items[k].field, field))
				continue;
			found = anything || sp_str_eq(first_line(got->items[k].message), message);
			used[k] = found;
		}
		if (found)
			continue;
		bool elsewhere = false;
		for (size_t k = 0; k < SP_LEN(foreign_errors); k++)
			elsewhere = elsewhere || sp_str_find(message, sp_str_c(foreign_errors[k])) >= 0;
		sp_str all = sp_violations_text(T_ARENA, got);
		if (!elsewhere)
			wrong(r, step, "  lacks " SP_FMT " " SP_FMT ": " SP_FMT "\n  has   " SP_FMT,
			      SP_ARG(reason), SP_ARG(field), SP_ARG(message), SP_ARG(all));
	}
	for (size_t k = 0; k < got->n; k++) {
		if (!used[k])
			wrong(r, step, "  unwanted " SP_FMT ": " SP_FMT, SP_ARG(got->items[k].field),
			      SP_ARG(got->items[k].message));
	}
}

static void compare_warnings(replay *r, yyjson_mut_val *step, const sp_warnings *got)
{
	yyjson_mut_val *want = sp_kv_path(step, "expect", "headers", "Warning", NULL);
	size_t n = 0;
	SP_KV_EACH (header, i, want) {
		sp_str s = sp_jmut_str(header);
		if (sp_str_find(s, SP_STR("is deprecated in v1")) >= 0 ||
		    sp_str_find(s, SP_STR("unknown field")) >= 0 ||
		    sp_str_find(s, SP_STR("ownerReferences contains")) >= 0 ||
		    sp_str_find(s, SP_STR("duplicate field")) >= 0)
			continue;
		bool found = false;
		for (size_t k = 0; k < got->n && !found; k++)
			found = sp_str_find(s, got->items[k]) >= 0;
		n++;
		if (!found)
			wrong(r, step, "  lacks the warning " SP_FMT, SP_ARG(s));
	}
	if (n < got->n)
		wrong(r, step, "  unwanted warning " SP_FMT, SP_ARG(got->items[0]));
}

static void remember(replay *r, yyjson_mut_val *step, const target *t, yyjson_mut_val *obj)
{
	sp_str id = sp_kv_str(step, "id");
	yyjson_mut_val *meta = sp_meta(obj);
	if (meta != NULL && sp_kv_str(meta, "resourceVersion").len == 0 &&
	    !sp_kv_set_str(r->doc, meta, "resourceVersion", SP_STR("1")))
		return;
	write w;
	if (decode(r, t, text_of(obj), &w) != SP_OK ||
	    sp_map_put(&r->objects, key_of(t, sp_meta_name(obj)), w.obj, NULL) != SP_OK)
		return;
	if (id.len > 0)
		(void)!sp_map_put(&r->answers, id, obj, NULL);
}

/* Judges the outcome of a write and keeps the object of one that passes. */
static void judge(replay *r, yyjson_mut_val *step, const target *t, write *w, sp_code code)
{
	int64_t status = sp_kv_i64(sp_kv_get(step, "expect"), "status", 0);
	bool setup = !sp_kv_has(step, "expect");
	if (code != SP_OK) {
		wrong(r, step, "  failed: %s", sp_code_lookup(code)->name);
		return;
	}
	if (!setup)
		r->n_compared++;
	if (status == 422) {
		compare_causes(r, step, &w->errors);
		return;
	}
	if (w->errors.n > 0) {
		sp_str text = sp_violations_text(T_ARENA, &w->errors);
		wrong(r, step, "  refused: " SP_FMT, SP_ARG(text));
		return;
	}
	yyjson_mut_val *stored = canonical(r, t, w->obj);
	if (stored == NULL) {
		wrong(r, step, "  cannot be written: %s", T_ERR->msg);
		return;
	}
	if (!setup && SP_STR_IN(t->kind->kind, busy_kinds)) {
		sp_kv_drop(stored, "status");
		sp_kv_drop(sp_kv_path(step, "expect", "body", NULL), "status");
	}
	if (!setup) {
		drop_token_volumes(sp_kv_path(step, "expect", "body", NULL));
		sp_str d = differs(SP_STR(""), sp_kv_path(step, "expect", "body", NULL), stored);
		if (d.len > 0)
			wrong(r, step, "  " SP_FMT, SP_ARG(d));
		compare_warnings(r, step, &w->c.warnings);
	}
	remember(r, step, t, stored);
}

/* What an API server allocates for services before the rules. */
static void allocate(write *w, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_get(w->obj, "spec");
	if (!sp_str_eq(w->c.kind->kind, SP_STR("Service")))
		return;
	sp_service_begin(&w->c, w->obj, old);
	sp_service_families(&w->c, w->obj, old, SP_STR("IPv4"), false);
	if (w->errors.n > 0 || sp_kv_is(spec, "type", "ExternalName") || sp_kv_has(spec, "clusterIP"))
		return;
	yyjson_mut_val *ips = sp_kv_need_list(w->c.doc, spec, "clusterIPs");
	if (!sp_kv_set_str(w->c.doc, spec, "clusterIP", SP_STR("10.96.0.9")) ||
	    !yyjson_mut_arr_add_str(w->c.doc, ips, "10.96.0.9"))
		T_FAIL("no room");
}

static void create(replay *r, yyjson_mut_val *step, const target *t, sp_str text)
{
	write w;
	if (decode(r, t, text, &w) != SP_OK) {
		wrong(r, step, "  cannot be read: %s", T_ERR->msg);
		return;
	}
	(void)sp_meta_dedup_owners(&w.c, w.obj);
	sp_meta_wipe_deletion(w.obj);
	sp_meta_fill_create(&w.c, w.obj);
	sp_kv_drop(sp_meta(w.obj), "managedFields");
	if (!sp_meta_set_namespace(&w.c, w.obj, t->kind->namespaced ? t->ns : SP_STR("")))
		return;
	allocate(&w, NULL);
	judge(r, step, t, &w, w.errors.n > 0 ? SP_OK : sp_kind_before_create(&w.c, w.obj));
}

static void update(replay *r, yyjson_mut_val *step, const target *t, sp_str text, yyjson_mut_val *old)
{
	write w;
	if (decode(r, t, text, &w) != SP_OK) {
		/* a patch that makes it unreadable is refused by other words */
		if (sp_kv_i64(sp_kv_get(step, "expect"), "status", 0) != 422)
			wrong(r, step, "  cannot be read: %s", T_ERR->msg);
		return;
	}
	yyjson_mut_val *meta = sp_kv_need_obj(r->doc, w.obj, "metadata");
	(void)sp_meta_dedup_owners(&w.c, w.obj);
	if (!sp_meta_set_namespace(&w.c, w.obj, sp_meta_namespace(old)))
		return;
	if (sp_kv_str(meta, "resourceVersion").len == 0) {
		if ((t->kind->hooks->flags & SP_KIND_UNCONDITIONAL_UPDATE) == 0)
			sp_v_invalid(&w.errors, SP_PATH("metadata.resourceVersion"), 0,
				     "must be specified for an update");
		if (!sp_kv_set_str(r->doc, meta, "resourceVersion", SP_STR("1")))
			return;
	}
	sp_kv_drop(meta, "managedFields");
	sp_kv_drop(meta, "selfLink");
	if (t->sub.len == 0)
		allocate(&w, old);
	judge(r, step, t, &w, w.errors.n > 0 ? SP_OK : sp_kind_before_update(&w.c, w.obj, old));
}

static void patch(replay *r, yyjson_mut_val *step, const target *t, sp_str text, yyjson_mut_val *old)
{
	sp_str type = sp_kv_str(sp_kv_get(step, "headers"), "Content-Type");
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(r->doc, old), *patched = NULL;
	sp_code code = SP_EUNSUPPORTED;
	if (sp_str_eq(type, SP_STR("application/merge-patch+json")))
		code = sp_merge_patch_apply(T_ARENA, r->doc, copy, text, &patched, NULL);
	else if (sp_str_eq(type, SP_STR("application/strategic-merge-patch+json")))
		code = sp_strategic_apply(T_ARENA, r->doc, t->kind->schema, copy, text, &patched, NULL);
	if (code == SP_OK) {
		update(r, step, t, text_of(patched), old);
		return;
	}
	r->n_skipped++;
	/* what became of the object is not known here */
	(void)sp_map_remove(&r->objects, key_of(t, t->name));
}

/* The cell of a column: by the hooks, or by its path. */
static yyjson_mut_val *cell(sp_kind_ctx *c, yyjson_mut_val *obj, const sp_column *col)
{
	yyjson_mut_val *made = sp_kind_cell(c, obj, col->name);
	if (made != NULL || col->path.len == 0)
		return made;
	sp_str path = sp_str_sub(col->path, 1, col->path.len), step;
	yyjson_mut_val *v = obj;
	bool more = true;
	while (more && v != NULL) {
		more = sp_str_cut(&path, '.', &step);
		v = sp_jmut_get(v, more ? step : path);
	}
	return v;
}

static void compare_table(replay *r, yyjson_mut_val *step, const target *t)
{
	sp_kind_ctx c = {.arena = T_ARENA, .doc = r->doc, .kind = t->kind, .now = {.seconds = 1700000300}};
	SP_KV_EACH (row, i, sp_kv_path(step, "expect", "body", "rows", NULL)) {
		yyjson_mut_val *cells = sp_kv_get(row, "cells"), *want = yyjson_mut_arr_get_first(cells);
		yyjson_mut_val *obj = NULL;
		SP_KV_EACH (name, k, cells) { /* events have their name last */
			yyjson_mut_val *found = sp_map_get(&r->objects, key_of(t, fill(sp_jmut_str(name))));
			if (obj == NULL)
				obj = found;
		}
		if (obj == NULL) {
			r->n_skipped++;
			continue;
		}
		r->n_compared++;
		for (size_t k = 0; k < t->kind->n_columns && k < sp_kv_len(cells); k++, want = want->next) {
			const sp_column *col = &t->kind->columns[k];
			yyjson_mut_val *got = cell(&c, obj, col);
			/* the zero value of a path's type */
			bool zero = sp_jmut_str(want).len == 0 && yyjson_mut_is_str(want);
			zero = zero || yyjson_mut_is_false(want) ||
			       (yyjson_mut_is_num(want) && sp_kv_num(want, 1) == 0);
			bool empty = zero && got == NULL;
			if (SP_STR_IN(t->kind->kind, busy_kinds) && SP_STR_IN(col->name, busy_columns))
				continue;
			sp_str d = empty ? SP_STR("") : differs(col->name, want, got);
			if (d.len > 0)
				wrong(r, step, "  row %zu " SP_FMT, i, SP_ARG(d));
		}
	}
}

static void get(replay *r, yyjson_mut_val *step, const target *t)
{
	sp_str id = sp_kv_str(step, "id");
	yyjson_mut_val *obj = sp_map_get(&r->objects, key_of(t, t->name));
	bool table = sp_str_find(sp_kv_str(sp_kv_get(step, "headers"), "Accept"), SP_STR("as=Table")) >= 0;
	if (table && sp_kv_i64(sp_kv_get(step, "expect"), "status", 0) == 200)
		compare_table(r, step, t);
	else if (id.len > 0 && obj != NULL)
		(void)!sp_map_put(&r->answers, id, obj, NULL);
}

static void play_step(replay *r, yyjson_mut_val *step)
{
	int64_t status = sp_kv_i64(sp_kv_get(step, "expect"), "status", 200);
	sp_str method = sp_kv_str(step, "method");
	target t;
	if (!parse_path(sp_kv_str(step, "path"), &t))
		return;
	if (sp_str_eq(method, SP_STR("GET"))) {
		get(r, step, &t);
		return;
	}
	if (sp_str_eq(method, SP_STR("DELETE"))) { /* what is left of it is not known here */
		(void)sp_map_remove(&r->objects, key_of(&t, t.name));
		return;
	}
	sp_str text = body_text(r, step);
	yyjson_mut_val *old = sp_map_get(&r->objects, key_of(&t, t.name));
	bool refusal = status == 422 &&
		       sp_kv_is(sp_kv_path(step, "expect", "body", NULL), "reason", "Invalid") &&
		       sp_kv_list(sp_kv_path(step, "expect", "body", "details", NULL), "causes") != NULL;
	if (t.kind->hooks == NULL || text.len == 0 || (status != 200 && status != 201 && !refusal) ||
	    sp_kv_has(step, "as") ||
	    sp_str_find(text, SP_STR("\"nodePort\":\"")) >= 0 || /* "${port}": a number in truth */
	    (t.kind->verbs & SP_VERB_GET) == 0) {
		r->n_skipped++;
		return;
	}
	if (sp_str_eq(method, SP_STR("POST")) && t.sub.len == 0)
		create(r, step, &t, text);
	else if (sp_str_eq(method, SP_STR("PUT")) && old != NULL && !sp_str_eq(t.sub, SP_STR("scale")))
		update(r, step, &t, text, old);
	else if (sp_str_eq(method, SP_STR("PATCH")) && old != NULL && !sp_str_eq(t.sub, SP_STR("scale")))
		patch(r, step, &t, text, old);
	else if (sp_str_eq(method, SP_STR("PUT")) && t.sub.len == 0 && status == 201)
		create(r, step, &t, text);
	else {
		r->n_skipped++;
		(void)sp_map_remove(&r->objects, key_of(&t, t.name));
	}
}

static sp_str load(const char *name)
{
	for (size_t i = 0; i < SP_LEN(roots); i++) {
		char path[256];
		(void)snprintf(path, sizeof path, "%s/%s.json", roots[i], name);
		FILE *f = fopen(path, "r");
		if (f == NULL)
			continue;
		(void)fclose(f);
		return t_file(path);
	}
	t_skip("no recorded exchanges");
}

static void replay_file(const char *name, size_t n_least)
{
	replay r = {.file = name, .doc = sp_json_doc(T_ARENA)};
	yyjson_mut_val *all = NULL;
	sp_str text = load(name);
	T_TRUE(r.doc != NULL);
	T_OK(sp_json_parse_mut(T_ARENA, text, r.doc, &all, T_ERR));
	T_OK(sp_json_parse_mut(
		T_ARENA,
		SP_STR("{\"groups\":[\"system:masters\",\"system:authenticated\"],\"extra\":"
		       "{\"authentication.kubernetes.io/credential-id\":[\"X509SHA256=<hash>\"]}}"),
		r.doc, &r.user, T_ERR));
	SP_KV_EACH (scenario, i, sp_kv_get(all, "scenarios")) {
		if (t_torture() && i > 0)
			break;
		r.scenario = sp_arena_try_dup(T_ARENA, sp_kv_str(scenario, "name")).ptr;
		if (r.scenario == NULL)
			break;
		SP_KV_EACH (step, k, sp_kv_get(scenario, "steps"))
			play_step(&r, step);
	}
	sp_map_done(&r.objects);
	sp_map_done(&r.answers);
	if (r.n_wrong == 0 && !t_torture() && r.n_compared < n_least)
		T_FAIL("only %zu steps of %s compared, %zu passed over", r.n_compared, name, r.n_skipped);
}

/* The least number of steps that must have been compared, so that the harness can't pass by doing nothing. */
SP_TEST(kinds_replay, core)
{
	replay_file("kinds-core", 150);
}

SP_TEST(kinds_replay, pods)
{
	replay_file("pods", 10);
}

SP_TEST(kinds_replay, services)
{
	replay_file("services", 4);
}

SP_TEST(kinds_replay, metadata)
{
	replay_file("metadata", 30);
}

SP_TEST(kinds_replay, tables)
{
	replay_file("tables", 5);
}

SP_TEST(kinds_replay, groups)
{
	static const struct {
		const char *file;
		size_t n_least;
	} rows[] = {
		{"kinds-admissionregistration-k8s-io", 55},
		{"kinds-apiregistration-k8s-io", 10},
		{"kinds-apps", 78},
		{"kinds-autoscaling", 29},
		{"kinds-batch", 33},
		{"kinds-certificates-k8s-io", 16},
		{"kinds-coordination-k8s-io", 11},
		{"kinds-discovery-k8s-io", 14},
		{"kinds-events-k8s-io", 14},
		{"kinds-flowcontrol-apiserver-k8s-io", 20},
		{"kinds-networking-k8s-io", 65},
		{"kinds-node-k8s-io", 13},
		{"kinds-policy", 15},
		{"kinds-rbac-authorization-k8s-io", 47},
		{"kinds-resource-k8s-io", 50},
		{"kinds-scheduling-k8s-io", 13},
		{"kinds-storage-k8s-io", 65},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++)
		replay_file(rows[i].file, rows[i].n_least);
}

/* Files of other parts, in which objects are written too. */
SP_TEST(kinds_replay, others)
{
	/* clang-format off */
	static const char *const files[] = {
		"authentication", "authorization", "bootstrap", "crd", "deletion", "discovery",
		"events", "http", "list", "namespaces", "node-authorization", "patch", "protobuf",
		"rbac", "scale", "server-side-apply", "watch", "webhooks"
	};
	/* clang-format on */
	for (size_t i = 0; i < (t_torture() ? 1 : SP_LEN(files)); i++)
		replay_file(files[i], 0);
}
