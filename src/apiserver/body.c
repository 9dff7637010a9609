/* SPDX-License-Identifier: Apache-2.0 */
/* A request's body to an object of the resource, with upstream's refusals.
 * U: apiserver pkg/endpoints/handlers/{create,update,rest}.go, apimachinery pkg/runtime. */
#include "apiserver/audit/audit.h"
#include "apiserver/custom/custom.h"
#include "apiserver/write.h"
#include "base/limits.h"
#include "base/yaml.h"
#include "kube/decode.h"
#include "kube/defaults.h"
#include "kube/meta.h"
#include "kube/protobuf.h"

#define JSON_BYTES_MAX ((size_t)16 << 20)
#define SUMMARY_BYTES 30u
#define SCHEME "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"

/* The front of a body that could not be read at all. */
static sp_str summary(sp_arena *a, sp_str body)
{
	static const char hex[] = "0123456789abcdef";
	const char *more = body.len > SUMMARY_BYTES ? " ..." : "";
	sp_str front = sp_str_sub(body, 0, SUMMARY_BYTES);
	char text[2 * SUMMARY_BYTES];
	if (body.len == 0)
		return SP_STR("<empty>");
	if (body.ptr[0] == '{')
		return sp_arena_printf(a, SP_FMT "%s", SP_ARG(front), more);
	for (size_t i = 0; i < front.len; i++) {
		text[2 * i] = hex[(uint8_t)front.ptr[i] >> 4];
		text[2 * i + 1] = hex[(uint8_t)front.ptr[i] & 15];
	}
	return sp_arena_printf(a, "%.*s%s", (int)(2 * front.len), text, more);
}

static bool refuse(api_write *w, sp_str message)
{
	sp_status s = sp_status_bad_request(message);
	api_write_refuse(w, &s);
	return false;
}

static bool refuse_unrecognized(api_write *w, const char *why, sp_str body)
{
	return refuse(w, sp_arena_printf(&w->arena,
					 "the object provided is unrecognized (must be of type " SP_FMT
					 "): %s (" SP_FMT ")",
					 SP_ARG(w->body_res->kind->kind), why,
					 SP_ARG(summary(&w->arena, body))));
}

typedef struct type_meta {
	sp_str api_version, version, kind;
} type_meta;

static bool refuse_kind(api_write *w, const type_meta *t, sp_str why)
{
	return refuse(w, sp_arena_printf(&w->arena,
					 SP_FMT " in version \"" SP_FMT "\" cannot be handled as a " SP_FMT
						": " SP_FMT,
					 SP_ARG(t->kind), SP_ARG(t->version), SP_ARG(w->body_res->kind->kind),
					 SP_ARG(why)));
}

/* What an apply merged is no object of the kind. U: apimachinery
 * pkg/util/managedfields/internal/structuredmerge.go */
static bool refuse_applied(api_write *w, sp_str why)
{
	yyjson_mut_val *meta = sp_meta(w->applied);
	sp_str version = w->body_res->api_version, kind = w->body_res->kind->kind;
	const char *slash = sp_str_index(version, '/') < 0 ? "/" : "";
	const sp_status s = {
		.code = 500,
		.message = sp_arena_printf(
			&w->arena,
			"failed to convert new object (" SP_FMT "/" SP_FMT "; %s" SP_FMT ", Kind=" SP_FMT
			") to proper version: unable to convert unstructured object to %s" SP_FMT
			", Kind=" SP_FMT ": " SP_FMT,
			SP_ARG(sp_kv_str(meta, "namespace")), SP_ARG(sp_kv_str(meta, "name")), slash,
			SP_ARG(version), SP_ARG(kind), slash, SP_ARG(version), SP_ARG(kind), SP_ARG(why))};
	api_write_refuse(w, &s);
	return false;
}

static bool refuse_patched(api_write *w, sp_str json, sp_str why)
{
	json = w->patched(w, json, &why);
	if (w->applied != NULL)
		return refuse_applied(w, why);
	sp_violations v;
	sp_violations_init(&v, &w->arena);
	sp_v_invalid(&v, SP_PATH("patch"), json, SP_FMT, SP_ARG(why));
	sp_status s = sp_status_invalid(&w->arena, (sp_group_resource){0}, SP_STR(""), &v);
	api_write_refuse(w, &s);
	return false;
}

/* What is left out of a body is the resource's own. */
static type_meta complete(api_write *w, sp_str api_version, sp_str kind)
{
	type_meta t = {api_version.len > 0 ? api_version : w->body_res->api_version,
		       {NULL, 0},
		       kind.len > 0 ? kind : w->body_res->kind->kind};
	ptrdiff_t slash = sp_str_rindex(t.api_version, '/');
	t.version = sp_str_sub(t.api_version, (size_t)(slash + 1), t.api_version.len);
	return t;
}

/* Versions that are gone but for the bodies of a subresource. U: kubernetes
 * pkg/registry/core/pod/storage/eviction.go */
static bool is_old_body(const type_meta *t)
{
	return sp_str_eq(t->kind, SP_STR("Eviction")) && sp_str_eq(t->api_version, SP_STR("policy/v1beta1"));
}

/* The kind is for validation to check. */
static bool check_custom_type(api_write *w, const type_meta *t)
{
	if (sp_str_eq(t->api_version, w->res->api_version))
		return true;
	return refuse(w, sp_arena_printf(&w->arena,
					 "the API version in the data (" SP_FMT
					 ") does not match the expected API version (" SP_FMT ")",
					 SP_ARG(t->api_version), SP_ARG(w->res->api_version)));
}

/* "v1.Secret" as Go names a type of an API package, and "core" for the internal one. */
static bool check_type(api_write *w, const type_meta *t)
{
	const sp_kind *k = w->body_res->kind;
	if (sp_str_eq(t->kind, k->kind) &&
	    (sp_str_eq(t->api_version, w->body_res->api_version) || is_old_body(t)))
		return true;
	sp_str group = sp_str_sub(t->api_version, 0, t->api_version.len - t->version.len);
	if (group.len > 0)
		group.len--;
	if (w->res->custom != NULL)
		return check_custom_type(w, t);
	if (sp_kind_by_kind(group, t->version, t->kind) == NULL)
		return refuse_kind(w, t,
				   sp_arena_printf(&w->arena,
						   "no kind \"" SP_FMT
						   "\" is registered for version \"" SP_FMT
						   "\" in scheme \"" SCHEME "\"",
						   SP_ARG(t->kind), SP_ARG(t->api_version)));
	if (sp_str_eq(t->kind, k->kind))
		return refuse(w, sp_arena_printf(&w->arena,
						 "the API version in the data (" SP_FMT
						 ") does not match the expected API version (" SP_FMT ")",
						 SP_ARG(t->api_version), SP_ARG(w->body_res->api_version)));
	sp_str first;
	sp_str internal = k->group.len == 0 ? SP_STR("core") : k->group;
	sp_str rest = internal;
	if (sp_str_cut(&rest, '.', &first))
		internal = first;
	return refuse_kind(w, t,
			   sp_arena_printf(&w->arena,
					   "converting (" SP_FMT "." SP_FMT ") to (" SP_FMT "." SP_FMT
					   "): unknown conversion",
					   SP_ARG(t->version), SP_ARG(t->kind), SP_ARG(internal),
					   SP_ARG(k->kind)));
}

/* Unknown and repeated fields: refused, warned of or passed over. */
static bool report(api_write *w, const type_meta *t, sp_str json, const sp_strict *strict)
{
	if (strict->n == 0 || w->o.fields == API_FV_IGNORE)
		return true;
	if (w->o.fields == API_FV_STRICT)
		return w->patched != NULL ? refuse_patched(w, json, sp_strict_text(&w->arena, strict))
					  : refuse_kind(w, t, sp_strict_text(&w->arena, strict));
	for (size_t i = 0; i < strict->n && w->r != NULL; i++)
		api_warn(w->r, sp_arena_try_dup(w->r->arena, strict->items[i]));
	return true;
}

static bool fill_defaults(api_write *w)
{
	sp_err err = {0};
	const api_resource *res = w->body_res;
	sp_code code = res->custom == NULL ? sp_default(w->doc, res->kind->schema, w->obj, &err) : SP_OK;
	w->ctx.kind = w->body_res->kind;
	if (code == SP_OK)
		code = sp_kind_defaults(&w->ctx, w->obj);
	w->ctx.kind = w->res->kind;
	if (code != SP_OK)
		api_write_fail(w, code, &err);
	return code == SP_OK;
}

static bool decode_json(api_write *w, sp_str json, sp_str raw, sp_strict *strict)
{
	sp_str api_version, kind;
	sp_err err;
	sp_code code = sp_decode_type_meta(&w->arena, json, &api_version, &kind, &err);
	if (code == SP_EINVAL)
		return refuse_unrecognized(w, err.msg, raw);
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return false;
	}
	type_meta t = complete(w, api_version, kind);
	if (w->res->custom != NULL && kind.len == 0)
		return refuse_kind(
			w, &t,
			sp_arena_printf(&w->arena, "Object 'Kind' is missing in '" SP_FMT "'", SP_ARG(json)));
	if (!check_type(w, &t))
		return false;
	code = sp_decode_json(&w->arena, w->body_res->kind->schema, json, w->doc, strict, &w->obj, &err);
	if (code == SP_OK && w->body_res->custom != NULL)
		code = api_custom_coerce(w, strict, &err);
	if (code == SP_EINVAL)
		return w->patched != NULL ? refuse_patched(w, json, sp_str_c(err.msg))
					  : refuse_kind(w, &t, sp_str_c(err.msg));
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return false;
	}
	SP_KIND_NEED(&w->ctx, sp_kv_set_str(w->doc, w->obj, "kind", t.kind));
	SP_KIND_NEED(&w->ctx, sp_kv_set_str(w->doc, w->obj, "apiVersion", t.api_version));
	return report(w, &t, json, strict) && fill_defaults(w);
}

static bool decode_protobuf(api_write *w, sp_str body)
{
	sp_protobuf_envelope envelope;
	sp_err err;
	if (sp_protobuf_open(body, &envelope, &err) != SP_OK)
		return refuse_unrecognized(w, err.msg, body);
	type_meta t = complete(w, envelope.api_version, envelope.kind);
	if (!check_type(w, &t))
		return false;
	sp_code code = sp_protobuf_decode(&w->arena, w->body_res->kind->schema, envelope.raw, t.api_version,
					  t.kind, w->doc, &w->obj, &err);
	if (code == SP_EINVAL)
		return refuse_kind(w, &t, sp_str_c(err.msg));
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return false;
	}
	return fill_defaults(w);
}

/* "line 2: key "a" already set in map", one complaint a line of Go's error. */
static bool next_yaml_complaint(sp_str *text, sp_str *ret)
{
	(void)sp_str_take(text, SP_STR("yaml: unmarshal errors:\n"));
	if (text->len == 0)
		return false;
	if (!sp_str_cut(text, '\n', ret)) {
		*ret = *text;
		text->len = 0;
	}
	*ret = sp_str_trim(*ret);
	return true;
}

void api_warn_yaml(api_request *r, sp_str complaints)
{
	sp_str line;
	while (next_yaml_complaint(&complaints, &line))
		api_warn(r, sp_arena_try_dup(r->arena, line));
}

static bool decode_yaml(api_write *w, sp_str body)
{
	sp_strict strict = {0};
	yyjson_mut_val *tree = NULL;
	sp_str complaints;
	sp_err err;
	SP_AUTO_BUF json;
	sp_buf_init(&json, JSON_BYTES_MAX);
	sp_code code = sp_yaml_parse(&w->arena, body, w->doc, &complaints, &tree, &err);
	if (code == SP_EINVAL)
		return refuse_unrecognized(w, err.msg, body);
	if (code == SP_OK)
		code = sp_json_write_mut(&json, tree);
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return false;
	}
	sp_str line;
	while (strict.n < SP_STRICT_MAX && next_yaml_complaint(&complaints, &line))
		strict.items[strict.n++] = line;
	return decode_json(w, sp_buf_view(&json), body, &strict);
}

static bool decode(api_write *w, sp_str body)
{
	api_media media;
	sp_strict strict = {0};
	w->body = body;
	if (!api_content_type(sp_http_get(&w->r->ex->headers, SP_HTTP_CONTENT_TYPE),
			      w->res->custom == NULL
				      ? API_MEDIA_ALL
				      : API_MEDIA_BIT(API_MEDIA_JSON) | API_MEDIA_BIT(API_MEDIA_YAML),
			      &media)) {
		sp_status s =
			sp_status_unsupported_media_type(w->r->arena, api_media_types, API_MEDIA_COUNT_);
		api_write_refuse(w, &s);
		return false;
	}
	switch (media) {
	case API_MEDIA_YAML:
		return decode_yaml(w, body);
	case API_MEDIA_PROTOBUF:
		return decode_protobuf(w, body);
	case API_MEDIA_JSON:
	case API_MEDIA_COUNT_:
		break;
	}
	return decode_json(w, body, body, &strict);
}

bool api_write_decode(api_write *w, sp_str body)
{
	if (!decode(w, body))
		return false;
	api_audit_object(w->r, w->body_res->kind->schema, w->obj);
	return true;
}

bool api_write_decode_json(api_write *w, sp_str json)
{
	sp_strict strict = {0};
	return decode_json(w, json, json, &strict);
}
