/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/audit/policy.h"

#include "base/alloc.h"
#include "base/yaml.h"
#include "kube/names.h"

#define POLICY_BYTES_MAX ((size_t)32 << 20)
#define ERRORS_BYTES_MAX ((size_t)512)

const sp_str api_audit_levels[API_AUDIT_LEVEL_COUNT_] = {
	SP_STR_INIT("None"), SP_STR_INIT("Metadata"), SP_STR_INIT("Request"), SP_STR_INIT("RequestResponse")};
const sp_str api_audit_stages[API_AUDIT_STAGE_COUNT_] = {
	SP_STR_INIT("RequestReceived"), SP_STR_INIT("ResponseStarted"), SP_STR_INIT("ResponseComplete"),
	SP_STR_INIT("Panic")};

typedef struct group {
	sp_str name;
	api_strs resources, names;
} group;

typedef struct rule {
	api_audit_config config;
	api_strs users, groups, verbs, namespaces, urls;
	group *resources;
	size_t n_resources;
} rule;

struct api_audit_policy {
	sp_arena arena;
	rule *rules;
	size_t n_rules;
	api_audit_config config; /* without a rule that matches */
};

/* ---- reading ---- */

typedef struct reader {
	sp_arena *arena;
	sp_buf errors;
	bool no_room;
} reader;

static void complain(reader *r, const char *fmt, ...) SP_PRINTF(2, 3);
static void complain(reader *r, const char *fmt, ...)
{
	char text[256];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (r->errors.len < ERRORS_BYTES_MAX) /* what is said first is enough to begin with */
		(void)sp_buf_printf(&r->errors, "%s%s", r->errors.len > 0 ? ", " : "", text);
}

static void strs(reader *r, yyjson_val *obj, const char *key, api_strs *ret)
{
	yyjson_val *list = yyjson_obj_get(obj, key);
	if (list != NULL && !yyjson_is_null(list) && !yyjson_is_arr(list))
		complain(r, "%s: a list of texts is expected", key);
	r->no_room = r->no_room || !api_strs_read(r->arena, yyjson_is_arr(list) ? list : NULL, ret);
}

static size_t index_of(const sp_str *list, size_t n, sp_str s)
{
	size_t i = 0;
	while (i < n && !sp_str_eq(list[i], s))
		i++;
	return i;
}

static uint8_t stages(reader *r, yyjson_val *obj, const char *where)
{
	api_strs list = {NULL, 0};
	uint8_t bits = 0;
	strs(r, obj, "omitStages", &list);
	for (size_t i = 0; list.items != NULL && i < list.n; i++) {
		size_t s = index_of(api_audit_stages, API_AUDIT_STAGE_COUNT_, list.items[i]);
		if (s < API_AUDIT_STAGE_COUNT_)
			bits |= (uint8_t)(1u << s);
		else
			complain(r,
				 "%somitStages[%zu]: Invalid value: \"" SP_FMT "\": allowed stages are "
				 "RequestReceived,ResponseStarted,ResponseComplete,Panic",
				 where, i, SP_ARG(list.items[i]));
	}
	return bits;
}

static void read_urls(reader *r, yyjson_val *v, const char *where, rule *ret)
{
	strs(r, v, "nonResourceURLs", &ret->urls);
	for (size_t i = 0; ret->urls.items != NULL && i < ret->urls.n; i++) {
		sp_str url = ret->urls.items[i];
		ptrdiff_t star = sp_str_index(url, '*');
		if (sp_str_eq(url, SP_STR("*")))
			continue;
		if (url.len == 0 || url.ptr[0] != '/')
			complain(r,
				 "%snonResourceURLs[%zu]: Invalid value: \"" SP_FMT
				 "\": non-resource URL rules must begin with a '/' character",
				 where, i, SP_ARG(url));
		if (star >= 0 && (size_t)star + 1 < url.len)
			complain(r,
				 "%snonResourceURLs[%zu]: Invalid value: \"" SP_FMT
				 "\": non-resource URL wildcards '*' must be the final character of the rule",
				 where, i, SP_ARG(url));
	}
	if (ret->urls.n > 0 && (ret->n_resources > 0 || ret->namespaces.n > 0))
		complain(r,
			 "%snonResourceURLs: Invalid value: rules cannot apply to both regular resources and "
			 "non-resource URLs",
			 where);
}

static void read_groups(reader *r, yyjson_val *v, const char *where, rule *ret)
{
	yyjson_val *list = yyjson_obj_get(v, "resources"), *item;
	size_t i, max;
	ret->resources = sp_try_new(r->arena, group, yyjson_arr_size(list) + 1);
	if (ret->resources == NULL) {
		r->no_room = true;
		return;
	}
	yyjson_arr_foreach(list, i, max, item)
	{
		group *g = &ret->resources[ret->n_resources++];
		g->name = sp_arena_try_dup(r->arena, sp_json_str(yyjson_obj_get(item, "group")));
		r->no_room = r->no_room || (g->name.ptr == NULL && yyjson_obj_get(item, "group") != NULL);
		strs(r, item, "resources", &g->resources);
		strs(r, item, "resourceNames", &g->names);
		if (g->name.len > 0 && !sp_str_eq(g->name, SP_STR("*")) &&
		    sp_name_dns1123_subdomain(g->name).n > 0)
			complain(r,
				 "%sresources.group: Invalid value: \"" SP_FMT
				 "\": a lowercase RFC 1123 subdomain is expected",
				 where, SP_ARG(g->name));
		if (g->names.n > 0 && g->resources.n == 0)
			complain(r,
				 "%sresources.resourceNames: Invalid value: using resourceNames requires at "
				 "least one resource",
				 where);
	}
}

static void read_rule(reader *r, yyjson_val *v, size_t at, const api_audit_config *all, rule *ret)
{
	char where[32];
	yyjson_val *managed = yyjson_obj_get(v, "omitManagedFields");
	sp_str level = sp_json_str(yyjson_obj_get(v, "level"));
	size_t l = index_of(api_audit_levels, API_AUDIT_LEVEL_COUNT_, level);
	(void)snprintf(where, sizeof where, "rules[%zu].", at);
	if (level.len == 0)
		complain(r, "%slevel: Required value", where);
	else if (l == API_AUDIT_LEVEL_COUNT_)
		complain(r,
			 "%slevel: Unsupported value: \"" SP_FMT
			 "\": supported values: \"Metadata\", \"None\", \"Request\", \"RequestResponse\"",
			 where, SP_ARG(level));
	strs(r, v, "users", &ret->users);
	strs(r, v, "userGroups", &ret->groups);
	strs(r, v, "verbs", &ret->verbs);
	strs(r, v, "namespaces", &ret->namespaces);
	read_groups(r, v, where, ret);
	read_urls(r, v, where, ret);
	ret->config =
		(api_audit_config){.level = (uint8_t)l,
				   .omit_stages = stages(r, v, where) | all->omit_stages,
				   .omit_managed_fields = yyjson_is_bool(managed) ? yyjson_get_bool(managed)
										  : all->omit_managed_fields};
}

static void read_policy(reader *r, yyjson_val *root, api_audit_policy *p)
{
	yyjson_val *list = yyjson_obj_get(root, "rules"), *item;
	size_t i, max;
	if (!sp_str_eq(sp_json_str(yyjson_obj_get(root, "kind")), SP_STR("Policy")) ||
	    !sp_str_eq(sp_json_str(yyjson_obj_get(root, "apiVersion")), SP_STR("audit.k8s.io/v1"))) {
		complain(r, "kind Policy in version audit.k8s.io/v1 is expected");
		return;
	}
	p->config.omit_stages = stages(r, root, "");
	p->config.omit_managed_fields = yyjson_get_bool(yyjson_obj_get(root, "omitManagedFields"));
	p->rules = sp_try_new(r->arena, rule, yyjson_arr_size(list) + 1);
	r->no_room = r->no_room || p->rules == NULL;
	if (p->rules == NULL)
		return;
	yyjson_arr_foreach(list, i, max, item) read_rule(r, item, i, &p->config, &p->rules[p->n_rules++]);
	if (p->n_rules == 0)
		complain(r, "loaded illegal policy with 0 rules");
}

/* JSON is read without libyaml, which may not be there. */
static sp_code parse(sp_arena *a, sp_str text, yyjson_val **ret, sp_err *err)
{
	yyjson_mut_val *tree;
	yyjson_mut_doc *doc = sp_json_doc(a);
	sp_str trimmed = sp_str_trim(text);
	SP_AUTO_BUF json;
	sp_buf_init(&json, POLICY_BYTES_MAX);
	if (trimmed.len > 0 && trimmed.ptr[0] == '{')
		return sp_json_parse(a, text, ret, err);
	if (doc == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the audit policy");
	SP_TRY(sp_yaml_parse(a, text, doc, NULL, &tree, err));
	if (sp_json_write_mut(&json, tree) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "the audit policy is too large");
	return sp_json_parse(a, sp_buf_view(&json), ret, err);
}

sp_code api_audit_policy_parse(sp_str text, api_audit_policy **ret, sp_err *err)
{
	yyjson_val *root = NULL;
	if (text.len > API_AUDIT_POLICY_BYTES_MAX)
		return sp_fail(err, SP_ETOOLARGE, "the audit policy is too large");
	api_audit_policy *p = SP_NEW(api_audit_policy);
	sp_arena_init(&p->arena, POLICY_BYTES_MAX);
	reader r = {.arena = &p->arena};
	sp_buf_init(&r.errors, 2 * ERRORS_BYTES_MAX);
	sp_code code = parse(&p->arena, text, &root, err);
	if (code == SP_OK) {
		read_policy(&r, root, p);
		if (r.errors.len > 0)
			code = sp_fail(err, SP_EINVAL, SP_FMT, SP_ARG(sp_buf_view(&r.errors)));
		else if (r.no_room || sp_buf_code(&r.errors) != SP_OK)
			code = sp_fail(err, SP_ENOMEM, "no room for the audit policy");
	}
	sp_buf_done(&r.errors);
	if (code == SP_OK)
		*ret = p;
	else
		api_audit_policy_free(p);
	return code;
}

void api_audit_policy_free(api_audit_policy *p)
{
	if (p == NULL)
		return;
	sp_arena_done(&p->arena);
	sp_free(p);
}

/* ---- matching ---- */

static bool lists(const api_strs *list, sp_str s)
{
	return index_of(list->items, list->n, s) < list->n;
}

static bool is_in_a_group(const rule *r, const api_user *u)
{
	for (size_t i = 0; i < u->n_groups; i++) {
		if (lists(&r->groups, u->groups[i]))
			return true;
	}
	return false;
}

/* "pods", "pods/log", "*", "pods" with all below, and one subresource of everything. */
static bool names_resource(sp_str item, const api_reqinfo *i)
{
	sp_str head, tail = item;
	if (sp_str_eq(item, SP_STR("*")))
		return true;
	if (!sp_str_cut(&tail, '/', &head))
		return i->subresource.len == 0 && sp_str_eq(item, i->resource);
	if (sp_str_eq(head, SP_STR("*")) && i->subresource.len > 0 && sp_str_eq(tail, i->subresource))
		return true;
	return sp_str_eq(head, i->resource) &&
	       (sp_str_eq(tail, SP_STR("*")) || (i->subresource.len > 0 && sp_str_eq(tail, i->subresource)));
}

static bool is_of_group(const group *g, const api_reqinfo *i)
{
	if (!sp_str_eq(g->name, SP_STR("*")) && !sp_str_eq(g->name, i->group))
		return false;
	if (g->resources.n == 0)
		return true;
	if (g->names.n > 0 && !lists(&g->names, i->name))
		return false;
	for (size_t k = 0; k < g->resources.n; k++) {
		if (names_resource(g->resources.items[k], i))
			return true;
	}
	return false;
}

static bool is_for_resource(const rule *r, const api_reqinfo *i)
{
	if (!i->is_resource || (r->namespaces.n > 0 && !lists(&r->namespaces, i->ns)))
		return false;
	for (size_t k = 0; k < r->n_resources; k++) {
		if (is_of_group(&r->resources[k], i))
			return true;
	}
	return r->n_resources == 0;
}

static bool is_for_path(const rule *r, const api_reqinfo *i)
{
	for (size_t k = 0; k < r->urls.n && !i->is_resource; k++) {
		sp_str url = r->urls.items[k];
		if (sp_str_eq(url, SP_STR("*")) || sp_str_eq(url, i->path))
			return true;
		if (!sp_str_ends(url, SP_STR("*")))
			continue;
		while (url.len > 0 && url.ptr[url.len - 1] == '*')
			url.len--;
		if (sp_str_starts(i->path, url))
			return true;
	}
	return false;
}

static bool matches(const rule *r, const api_user *u, const api_reqinfo *i)
{
	if ((r->users.n > 0 && !lists(&r->users, u->name)) || (r->groups.n > 0 && !is_in_a_group(r, u)) ||
	    (r->verbs.n > 0 && !lists(&r->verbs, i->verb)))
		return false;
	if (r->namespaces.n > 0 || r->n_resources > 0)
		return is_for_resource(r, i);
	return r->urls.n == 0 || is_for_path(r, i);
}

api_audit_config api_audit_policy_find(const api_audit_policy *p, const api_user *u, const api_reqinfo *i)
{
	for (size_t k = 0; k < p->n_rules; k++) {
		if (matches(&p->rules[k], u, i))
			return p->rules[k].config;
	}
	return p->config;
}
