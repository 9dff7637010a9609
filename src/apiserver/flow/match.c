/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/flow/config.h"
#include "base/hash.h"

/* An asterisk counts only alone: validation sees to that. */
static bool lists(const api_strs *list, sp_str s)
{
	if (list->n == 1 && sp_str_eq(list->items[0], SP_STR("*")))
		return true;
	for (size_t i = 0; i < list->n; i++) {
		if (sp_str_eq(list->items[i], s))
			return true;
	}
	return false;
}

static bool is_account(const api_flow_subject *s, sp_str user)
{
	if (!sp_str_take(&user, SP_STR("system:serviceaccount:")) || !sp_str_take(&user, s->ns) ||
	    !sp_str_take(&user, SP_STR(":")))
		return false;
	return sp_str_eq(s->name, SP_STR("*")) || sp_str_eq(s->name, user);
}

static bool is_subject(const api_flow_subject *s, const api_user *u)
{
	bool all = sp_str_eq(s->name, SP_STR("*"));
	switch ((api_flow_subject_kind)s->kind) {
	case API_FLOW_USER:
		return all || sp_str_eq(s->name, u->name);
	case API_FLOW_GROUP:
		return all || api_user_is_in(u, s->name);
	case API_FLOW_ACCOUNT:
		return is_account(s, u->name);
	case API_FLOW_NOBODY:
		break;
	}
	return false;
}

static bool names_resource(const api_strs *list, const api_reqinfo *i)
{
	if (list->n == 1 && sp_str_eq(list->items[0], SP_STR("*")))
		return true;
	for (size_t k = 0; k < list->n; k++) {
		sp_str item = list->items[k];
		if (sp_str_take(&item, i->resource) &&
		    (i->subresource.len == 0
			     ? item.len == 0
			     : sp_str_take(&item, SP_STR("/")) && sp_str_eq(item, i->subresource)))
			return true;
	}
	return false;
}

static bool is_for_resource(const api_flow_resource_rule *r, const api_reqinfo *i)
{
	return lists(&r->verbs, i->verb) && names_resource(&r->resources, i) && lists(&r->groups, i->group) &&
	       (i->ns.len == 0 ? r->cluster_scope : lists(&r->namespaces, i->ns));
}

/* "/healthz" is also all that is below it. */
static bool is_for_path(const api_rule *r, const api_reqinfo *i)
{
	if (!lists(&r->verbs, i->verb))
		return false;
	for (size_t k = 0; k < r->urls.n; k++) {
		sp_str url = r->urls.items[k], path = i->path;
		if (sp_str_eq(url, SP_STR("*")) || sp_str_eq(url, path))
			return true;
		if (url.len > 0 && url.ptr[url.len - 1] == '*')
			url.len--;
		if (sp_str_take(&path, url) &&
		    ((url.len > 0 && url.ptr[url.len - 1] == '/') || (path.len > 0 && path.ptr[0] == '/')))
			return true;
	}
	return false;
}

static bool is_for(const api_flow_rule *r, const api_user *u, const api_reqinfo *i)
{
	bool ok = false;
	for (size_t k = 0; k < r->n_subjects && !ok; k++)
		ok = is_subject(&r->subjects[k], u);
	if (!ok)
		return false;
	for (size_t k = 0; k < r->n_resources && i->is_resource; k++) {
		if (is_for_resource(&r->resources[k], i))
			return true;
	}
	for (size_t k = 0; k < r->paths.n && !i->is_resource; k++) {
		if (is_for_path(&r->paths.items[k], i))
			return true;
	}
	return false;
}

const api_flow_schema *api_flow_match(const api_flow_config *c, const api_user *u, const api_reqinfo *i)
{
	const api_flow_schema *last = NULL;
	for (size_t k = 0; k < c->n_schemas; k++) {
		last = &c->schemas[k];
		for (size_t n = 0; n < last->n_rules; n++) {
			if (is_for(&last->rules[n], u, i))
				return last;
		}
	}
	return last; /* catch-all */
}

uint64_t api_flow_hash(const api_flow_schema *s, const api_user *u, const api_reqinfo *i)
{
	sp_hash_key key = sp_hash_seed();
	sp_str by = s->by == API_FLOW_BY_USER ? u->name : s->by == API_FLOW_BY_NAMESPACE ? i->ns : SP_STR("");
	key.k1 ^= sp_siphash13(key, s->name.ptr, s->name.len);
	return sp_siphash13(key, by.ptr, by.len);
}
