/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status of a definition by its names: which are accepted, whether it is established, whether a protected
 * group is approved. U: apiextensions-apiserver pkg/controller/{status,establish,apiapproval}.
 */
#include "apiserver/custom/custom_int.h"
#include "kube/meta.h"

#define APPROVAL "api-approved.kubernetes.io"
#define APPROVAL_LINK ", see https://github.com/kubernetes/enhancements/pull/1111"

/* ---- conditions ---- */

static yyjson_mut_val *condition(yyjson_mut_val *obj, const char *type)
{
	SP_KV_EACH (cond, i, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
		if (sp_kv_is(cond, "type", type))
			return cond;
	}
	return NULL;
}

void custom_set_condition(sp_kind_ctx *c, yyjson_mut_val *obj, const char *type, bool status,
			  const char *reason, sp_str message)
{
	char now[SP_TIME_TEXT_BYTES];
	sp_str text = status ? SP_STR("True") : SP_STR("False");
	yyjson_mut_val *cond = condition(obj, type);
	bool same = cond != NULL && sp_str_eq(sp_kv_str(cond, "status"), text);
	if (cond == NULL) {
		yyjson_mut_val *holder = sp_kv_need_obj(c->doc, obj, "status");
		yyjson_mut_val *list = holder == NULL ? NULL : sp_kv_need_list(c->doc, holder, "conditions");
		cond = list == NULL ? NULL : yyjson_mut_arr_add_obj(c->doc, list);
		SP_KIND_NEED(c, cond != NULL && sp_kv_set_str(c->doc, cond, "type", sp_str_c(type)));
		if (cond == NULL)
			return;
	}
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, cond, "status", text) &&
				sp_kv_set_str(c->doc, cond, "reason", sp_str_c(reason)) &&
				sp_kv_set_str(c->doc, cond, "message", message));
	if (!same || !sp_kv_has(cond, "lastTransitionTime"))
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, cond, "lastTransitionTime",
					      (sp_str){now, sp_time_print(now, c->now, 0)}));
}

/* ---- names ---- */

typedef struct taken {
	api_customs *customs;
	const custom_crd *self;
} taken;

static bool has_text(const sp_str *list, size_t n, sp_str s)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(list[i], s))
			return true;
	}
	return false;
}

/* Does another definition of the group own the name? Kinds and names of resources are two sets. */
static bool is_taken(const taken *t, sp_str name, bool kinds)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&t->customs->by_name, &i)) != NULL;) {
		const custom_crd *other = e->value;
		const custom_names *n = &other->accepted;
		if (other == t->self || !sp_str_eq(other->group, t->self->group))
			continue;
		if (kinds ? sp_str_eq(n->kind, name) || sp_str_eq(n->list_kind, name)
			  : sp_str_eq(n->plural, name) || sp_str_eq(n->singular, name) ||
				    has_text(n->short_names, n->n_short_names, name))
			return true;
	}
	return false;
}

typedef struct verdict {
	const char *reason; /* NULL: no conflict */
	sp_str message;
} verdict;

static sp_str in_use(sp_kind_ctx *c, sp_str name)
{
	return sp_arena_printf(c->arena, "\"" SP_FMT "\" is already in use", SP_ARG(name));
}

/* Upstream goes through all names and remembers the last conflict. */
static void settle_name(sp_kind_ctx *c, const taken *t, yyjson_mut_val *wanted, yyjson_mut_val *accepted,
			const char *member, bool kinds, const char *reason, verdict *v)
{
	sp_str name = sp_kv_str(wanted, member);
	if (!sp_str_eq(name, sp_kv_str(accepted, member)) && is_taken(t, name, kinds))
		*v = (verdict){reason, in_use(c, name)};
	else
		SP_KIND_NEED(c, sp_kv_copy(c->doc, accepted, wanted, member));
}

static bool list_has(yyjson_mut_val *list, sp_str s)
{
	SP_KV_EACH (item, i, list) {
		if (sp_str_eq(sp_jmut_str(item), s))
			return true;
	}
	return false;
}

/* "[a, b]" of several, as upstream's aggregate of errors. */
static void settle_short_names(sp_kind_ctx *c, const taken *t, yyjson_mut_val *wanted,
			       yyjson_mut_val *accepted, verdict *v)
{
	sp_str text = {"", 0};
	size_t n = 0;
	SP_KV_EACH (item, i, sp_kv_list(wanted, "shortNames")) {
		sp_str name = sp_jmut_str(item);
		if (list_has(sp_kv_list(accepted, "shortNames"), name) || !is_taken(t, name, false))
			continue;
		text = sp_arena_printf(c->arena, SP_FMT "%s" SP_FMT, SP_ARG(text), n > 0 ? ", " : "",
				       SP_ARG(in_use(c, name)));
		n++;
	}
	if (n > 1)
		text = sp_arena_printf(c->arena, "[" SP_FMT "]", SP_ARG(text));
	if (n > 0)
		*v = (verdict){"ShortNamesConflict", text};
	else
		SP_KIND_NEED(c, sp_kv_copy(c->doc, accepted, wanted, "shortNames"));
}

static void settle_names(sp_kind_ctx *c, const taken *t, yyjson_mut_val *obj)
{
	verdict v = {NULL, {NULL, 0}};
	yyjson_mut_val *wanted = sp_kv_path(obj, "spec", "names", NULL);
	yyjson_mut_val *status = sp_kv_need_obj(c->doc, obj, "status");
	yyjson_mut_val *accepted = status == NULL ? NULL : sp_kv_need_obj(c->doc, status, "acceptedNames");
	SP_KIND_NEED(c, accepted != NULL);
	if (accepted == NULL)
		return;
	settle_name(c, t, wanted, accepted, "plural", false, "PluralConflict", &v);
	settle_name(c, t, wanted, accepted, "singular", false, "SingularConflict", &v);
	settle_short_names(c, t, wanted, accepted, &v);
	settle_name(c, t, wanted, accepted, "kind", true, "KindConflict", &v);
	settle_name(c, t, wanted, accepted, "listKind", true, "ListKindConflict", &v);
	SP_KIND_NEED(c, sp_kv_copy(c->doc, accepted, wanted, "categories"));
	custom_set_condition(c, obj, "NamesAccepted", v.reason == NULL,
			     v.reason == NULL ? "NoConflicts" : v.reason,
			     v.reason == NULL ? SP_STR("no conflicts found") : v.message);
	if (sp_kv_is(condition(obj, "Established"), "status", "True"))
		return; /* for good */
	if (v.reason != NULL)
		custom_set_condition(c, obj, "Established", false, "NotAccepted",
				     SP_STR("not all names are accepted"));
	else
		custom_set_condition(c, obj, "Established", true, "InitialNamesAccepted",
				     SP_STR("the initial names have been accepted"));
}

/* ---- protected groups ---- */

static bool is_protected(sp_str group)
{
	return sp_str_eq(group, SP_STR("k8s.io")) || sp_str_ends(group, SP_STR(".k8s.io")) ||
	       sp_str_eq(group, SP_STR("kubernetes.io")) || sp_str_ends(group, SP_STR(".kubernetes.io"));
}

/* "scheme://host…". */
static bool is_url(sp_str text)
{
	ptrdiff_t at = sp_str_find(text, SP_STR("://"));
	return at > 0 && (size_t)at + 3 < text.len && text.ptr[at + 3] != '/';
}

static void settle_approval(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char type[] = "KubernetesAPIApprovalPolicyConformant";
	sp_str text = sp_meta_annotation(obj, APPROVAL);
	if (!is_protected(sp_kv_str(sp_kv_get(obj, "spec"), "group")))
		return;
	if (text.len == 0)
		custom_set_condition(c, obj, type, false, "MissingAnnotation",
				     SP_STR("protected groups must have approval annotation \"" APPROVAL
					    "\"" APPROVAL_LINK));
	else if (sp_str_starts(text, SP_STR("unapproved")))
		custom_set_condition(c, obj, type, false, "UnapprovedAnnotation",
				     sp_arena_printf(c->arena, "not approved: \"" SP_FMT "\"", SP_ARG(text)));
	else if (is_url(text))
		custom_set_condition(c, obj, type, true, "ApprovedAnnotation",
				     sp_arena_printf(c->arena, "approved in " SP_FMT, SP_ARG(text)));
	else
		custom_set_condition(c, obj, type, false, "InvalidAnnotation",
				     SP_STR("protected groups must have approval annotation \"" APPROVAL
					    "\" with either a URL or a reason starting with "
					    "\"unapproved\"" APPROVAL_LINK));
}

bool custom_settle_status(sp_kind_ctx *c, api_customs *customs, const custom_crd *crd, yyjson_mut_val *obj)
{
	const taken t = {customs, crd};
	yyjson_mut_val *before = yyjson_mut_val_mut_copy(c->doc, sp_kv_get(obj, "status"));
	settle_names(c, &t, obj);
	settle_approval(c, obj);
	return !sp_kv_equal(before, sp_kv_get(obj, "status"));
}
