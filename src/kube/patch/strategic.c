/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/patch/strategic.h"

#include "base/limits.h"
#include "kube/patch/members.h"
#include "kube/patch/patch_int.h"
#include "kube/patch/strategic_int.h"

#define DELETE_PREFIX SP_STR("$deleteFromPrimitiveList")
#define ORDER_PREFIX SP_STR("$setElementOrder")
#define RETAIN_KEYS SP_STR("$retainKeys")
#define MARKER SP_STR("$patch")

static bool is_text(yyjson_mut_val *v, sp_str want)
{
	return yyjson_mut_is_str(v) && sp_str_eq(sp_jmut_str(v), want);
}

/* Errors that upstream knows by name are 400. */
static sp_code bad_format(smp_run *r, const char *text)
{
	return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 400, "BadRequest", "%s", text);
}

static sp_code no_room(smp_run *r)
{
	return sp_patch_no_room(r->arena, r->perr);
}

sp_code sp_smp_fail_value(smp_run *r, const char *before, yyjson_mut_val *v, const char *after, sp_str tail)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	if (v == NULL)
		return no_room(r);
	if (sp_json_write_go(&text, v) != SP_OK)
		sp_buf_clear(&text);
	return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "", "%s" SP_FMT "%s" SP_FMT, before,
			     SP_ARG(sp_buf_view(&text)), after, SP_ARG(tail));
}

sp_code sp_smp_bad_directive(smp_run *r, yyjson_mut_val *directive, yyjson_mut_val *map)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	(void)sp_buf_str(&text, SP_STR("unknown patch type: "));
	(void)sp_json_write_go(&text, directive);
	(void)sp_buf_str(&text, SP_STR(" in map: "));
	(void)sp_buf_char(&text, '\0');
	return sp_smp_fail_value(r, text.ptr != NULL ? text.ptr : "", map, "", SP_STR(""));
}

/* The last part of a definition's name is the name of the Go type. */
static sp_str type_name(const sp_schema *s)
{
	static const char *const names[SP_K_COUNT_] = {
		[SP_K_QUANTITY] = "Quantity",         [SP_K_TIME] = "Time",
		[SP_K_MICROTIME] = "MicroTime",       [SP_K_DURATION] = "Duration",
		[SP_K_INT_OR_STRING] = "IntOrString", [SP_K_RAW] = "RawExtension",
		[SP_K_FIELDS_V1] = "FieldsV1",        [SP_K_JSON] = "JSON"};
	if (names[s->kind] != NULL)
		return sp_str_c(names[s->kind]);
	ptrdiff_t dot = sp_str_rindex(s->name, '.');
	return dot < 0 ? s->name : sp_str_sub(s->name, (size_t)dot + 1, s->name.len);
}

/* What a value of a scalar kind is in Go, for the message only. */
static const char *go_kind(const sp_schema *s)
{
	switch ((sp_schema_kind)s->kind) {
	case SP_K_BOOL:
		return "bool";
	case SP_K_I32:
		return "int32";
	case SP_K_I64:
		return "int64";
	case SP_K_F64:
		return "float64";
	case SP_K_BYTES:
	case SP_K_LIST:
		return "slice";
	case SP_K_STRING:
		return "string";
	case SP_K_ANY:
	case SP_K_QUANTITY:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_DURATION:
	case SP_K_INT_OR_STRING:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_OBJECT:
	case SP_K_MAP:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
		break;
	}
	return "struct";
}

/* Merge rules of a member: its schema and its field's flags and key. */
typedef struct smp_rule {
	const sp_schema *schema;
	uint32_t flags;
	sp_str merge_key;
} smp_rule;

static const sp_schema any_schema = {.kind = SP_K_ANY};

static sp_code lookup(smp_run *r, const sp_schema *s, sp_str key, smp_rule *ret)
{
	*ret = (smp_rule){0};
	if (s->kind == SP_K_ANY) {
		ret->schema = s;
		return SP_OK;
	}
	if (s->kind == SP_K_MAP) {
		ret->schema = s->items != NULL ? s->items : &any_schema;
		return SP_OK;
	}
	const char *kind = go_kind(s);
	if (s->kind != SP_K_OBJECT && !sp_str_eq(sp_str_c(kind), SP_STR("struct")))
		return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "",
				     "merging an object in json but data type is not struct, instead is: %s",
				     kind);
	const sp_field *f = s->kind == SP_K_OBJECT ? sp_schema_field(s, key, NULL) : NULL;
	if (f == NULL)
		return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "",
				     "unable to find api field in struct " SP_FMT
				     " for the json field \"" SP_FMT "\"",
				     SP_ARG(type_name(s)), SP_ARG(key));
	*ret = (smp_rule){f->schema, f->flags, f->merge_key};
	return SP_OK;
}

/* The same for a list: the rule's schema becomes that of the items. */
static sp_code lookup_list(smp_run *r, const sp_schema *s, sp_str key, smp_rule *ret)
{
	SP_TRY(lookup(r, s, key, ret));
	if (ret->schema->kind == SP_K_ANY)
		return SP_OK;
	if (ret->schema->kind == SP_K_LIST) {
		ret->schema = ret->schema->items;
		return SP_OK;
	}
	return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "",
			     "expected slice or array type, but got: %s",
			     s->kind == SP_K_MAP ? "map" : go_kind(s));
}

/* A value that is newly set: nulls go where members are null, items and members with $patch go. */
static bool settle(smp_run *r, yyjson_mut_val *v, bool drop_nulls, bool *ret_keep)
{
	size_t idx, max;
	yyjson_mut_val *key, *val;
	*ret_keep = true;
	if (yyjson_mut_is_arr(v)) {
		sp_smp_list out;
		if (!sp_smp_list_load(r->arena, &out, v))
			return false;
		size_t n = 0;
		for (size_t i = 0; i < out.n; i++) {
			bool keep = true;
			if (!settle(r, out.items[i], drop_nulls, &keep))
				return false;
			if (keep)
				out.items[n++] = out.items[i];
		}
		out.n = n;
		sp_smp_list_store(&out, v);
		return true;
	}
	if (!yyjson_mut_is_obj(v))
		return true;
	if (sp_jmut_get(v, MARKER) != NULL) {
		*ret_keep = false;
		return true;
	}
	bool any = false;
	yyjson_mut_obj_foreach(v, idx, max, key, val)
	{
		(void)key;
		any = any || yyjson_mut_is_ctn(val) || yyjson_mut_is_null(val);
	}
	if (!any)
		return true;
	sp_members m;
	if (!sp_members_load(r->arena, &m, v))
		return false;
	for (size_t i = 0; i < m.n; i++) {
		bool keep = true;
		if (!settle(r, m.items[i].val, drop_nulls, &keep))
			return false;
		if (!keep || (drop_nulls && yyjson_mut_is_null(m.items[i].val)))
			m.items[i].val = NULL;
	}
	sp_members_store(&m, v);
	return true;
}

/* $retainKeys: what the object has beside the listed keys goes; the patch may set listed keys only. */
static sp_code retain_keys(smp_run *r, sp_members *object, sp_members *patch)
{
	size_t at = sp_members_find(patch, RETAIN_KEYS);
	if (at == SP_MEMBERS_NONE)
		return SP_OK;
	yyjson_mut_val *list = patch->items[at].val, *item;
	patch->items[at].val = NULL;
	if (!yyjson_mut_is_arr(list))
		return bad_format(r, "invalid patch format of retainKeys");
	sp_members keys = {.arena = r->arena};
	size_t idx, max;
	yyjson_mut_arr_foreach(list, idx, max, item)
	{
		if (yyjson_mut_is_str(item) && !sp_members_put(&keys, item, item))
			return no_room(r);
	}
	for (size_t i = 0; i < patch->n; i++) {
		sp_str key = sp_members_key(patch->items[i].key);
		yyjson_mut_val *val = patch->items[i].val;
		if (val == NULL || yyjson_mut_is_null(val) || sp_str_starts(key, DELETE_PREFIX) ||
		    sp_str_starts(key, ORDER_PREFIX))
			continue;
		if (sp_members_find(&keys, key) == SP_MEMBERS_NONE)
			return bad_format(r, "invalid patch format of retainKeys");
	}
	for (size_t i = 0; i < object->n; i++) {
		if (sp_members_find(&keys, sp_members_key(object->items[i].key)) == SP_MEMBERS_NONE)
			object->items[i].val = NULL;
	}
	return SP_OK;
}

/* The key behind "$prefix/"; the empty string when there is none. */
static sp_str key_behind(sp_str key, sp_str prefix)
{
	sp_str rest = key;
	return sp_str_take(&rest, prefix) && sp_str_take(&rest, SP_STR("/")) ? rest : SP_STR("");
}

static sp_code merge_map(smp_run *r, const sp_schema *s, yyjson_mut_val *object, yyjson_mut_val *patch,
			 yyjson_mut_val **ret);

/* Merges two lists by the rule; *ret is the object's list or the patch's. */
static sp_code merge_list(smp_run *r, const smp_rule *rule, yyjson_mut_val *list, yyjson_mut_val *patch,
			  bool is_delete, yyjson_mut_val **ret)
{
	if ((rule->flags & SP_F_SMP_MERGE) == 0 && !is_delete) {
		*ret = patch;
		return SP_OK;
	}
	sp_smp_list old, new, order;
	if (!sp_smp_list_load(r->arena, &old, list) || !sp_smp_list_load(r->arena, &new, patch))
		return no_room(r);
	*ret = list;
	if (old.n == 0 && new.n == 0)
		return SP_OK;
	bool maps = false;
	SP_TRY(sp_smp_item_type(r, &old, &new, &maps));
	sp_smp_list merged = old;
	if (!maps && is_delete) {
		if (!sp_smp_subtract(r->arena, &merged, &new))
			return no_room(r);
		sp_smp_list_store(&merged, list);
		return SP_OK;
	}
	if (!maps) {
		if (!sp_smp_union(r->arena, &merged, &new))
			return no_room(r);
		return sp_smp_order(r, SP_STR(""), &merged, &new, &old, list);
	}
	if (rule->merge_key.len == 0)
		return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "",
				     "cannot merge lists without merge key for %s", go_kind(rule->schema));
	SP_TRY(sp_smp_special_items(r, rule->merge_key, &old, &new));
	merged = old;
	if (!sp_smp_list_keys(r, rule->merge_key, &new, &order)) /* merging takes members out of the items */
		return no_room(r);
	SP_TRY(sp_smp_merge_items(r, rule->schema, rule->merge_key, &merged, &new, merge_map));
	return sp_smp_order(r, rule->merge_key, &merged, &order, &old, list);
}

/* Both stand in lists: the one before goes out of the patch, and the list gets the order asked for. */
static sp_code set_element_order(smp_run *r, const sp_schema *s, sp_members *object, sp_members *patch,
				 size_t i)
{
	sp_str key = sp_members_key(patch->items[i].key);
	yyjson_mut_val *order = patch->items[i].val, *both = NULL;
	patch->items[i].val = NULL;
	if (!yyjson_mut_is_arr(order))
		return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "",
				     "expected a []interface {}, but received a %s", sp_patch_go_type(order));
	sp_str name = key_behind(key, ORDER_PREFIX);
	if (key.len <= ORDER_PREFIX.len || key.ptr[ORDER_PREFIX.len] != '/')
		return bad_format(r, "invalid patch format of setElementOrder list");
	size_t at = sp_members_find(object, name), from = sp_members_find(patch, name);
	yyjson_mut_val *list = at == SP_MEMBERS_NONE ? NULL : object->items[at].val;
	yyjson_mut_val *change = from == SP_MEMBERS_NONE ? NULL : patch->items[from].val;
	yyjson_mut_val *pair[] = {list, change};
	for (size_t j = 0; j < SP_LEN(pair); j++) {
		if (pair[j] != NULL && !yyjson_mut_is_arr(pair[j]))
			return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "",
					     "expected a []interface {}, but received a %s",
					     sp_patch_go_type(pair[j]));
	}
	smp_rule rule;
	SP_TRY(lookup_list(r, s, name, &rule));
	sp_smp_list wanted, old, new, merged;
	if (!sp_smp_list_load(r->arena, &wanted, order) || !sp_smp_list_load(r->arena, &old, list) ||
	    !sp_smp_list_load(r->arena, &new, change))
		return no_room(r);
	SP_TRY(sp_smp_check_order(r, rule.merge_key, &new, &wanted));
	if (list == NULL && change == NULL)
		return SP_OK;
	both = list;
	if (list == NULL) {
		bool keep = true;
		if (!settle(r, change, false, &keep))
			return no_room(r);
		both = change;
	} else if (change != NULL) {
		SP_TRY(merge_list(r, &rule, list, change, false, &both));
	}
	if (!sp_smp_list_load(r->arena, &merged, both))
		return no_room(r);
	bool maps = false;
	if (old.n + new.n == 0)
		return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "",
				     "no elements in any of the given slices");
	SP_TRY(sp_smp_item_type(r, &old, &new, &maps));
	SP_TRY(sp_smp_order(r, rule.merge_key, &merged, &wanted, &old, both));
	if (from != SP_MEMBERS_NONE)
		patch->items[from].val = NULL;
	if (at == SP_MEMBERS_NONE) {
		yyjson_mut_val *name_val = yyjson_mut_strncpy(r->doc, name.ptr, name.len);
		return name_val != NULL && sp_members_put(object, name_val, both) ? SP_OK : no_room(r);
	}
	object->items[at].val = both;
	return SP_OK;
}

/* One member of the patch that is no order or retain directive. */
static sp_code merge_member(smp_run *r, const sp_schema *s, sp_members *object, yyjson_mut_val *key_val,
			    yyjson_mut_val *val)
{
	sp_str key = sp_members_key(key_val);
	bool is_delete = sp_str_starts(key, DELETE_PREFIX);
	if (is_delete) {
		if (key.len <= DELETE_PREFIX.len || key.ptr[DELETE_PREFIX.len] != '/')
			return bad_format(r, "invalid patch format of primitive list");
		key = key_behind(key, DELETE_PREFIX);
	}
	if (yyjson_mut_is_null(val)) {
		sp_members_remove(object, key);
		return SP_OK;
	}
	size_t at = sp_members_find(object, key);
	yyjson_mut_val *was = at == SP_MEMBERS_NONE ? NULL : object->items[at].val;
	bool same = was != NULL && yyjson_mut_get_type(was) == yyjson_mut_get_type(val);
	if (!same || !yyjson_mut_is_ctn(val)) {
		bool keep = true;
		if (is_delete && !same)
			return SP_OK;
		if (!settle(r, val, true, &keep))
			return no_room(r);
		if (!keep) {
			sp_members_remove(object, key);
			return SP_OK;
		}
		return sp_members_put(object, key_val, val) ? SP_OK : no_room(r);
	}
	smp_rule rule;
	if (yyjson_mut_is_arr(val)) {
		SP_TRY(lookup_list(r, s, key, &rule));
		return merge_list(r, &rule, was, val, is_delete, &object->items[at].val);
	}
	SP_TRY(lookup(r, s, key, &rule));
	if ((rule.flags & SP_F_SMP_REPLACE) != 0) {
		object->items[at].val = val;
		return SP_OK;
	}
	return merge_map(r, rule.schema, was, val, &object->items[at].val);
}

static sp_code merge_map(smp_run *r, const sp_schema *s, yyjson_mut_val *object, yyjson_mut_val *patch,
			 yyjson_mut_val **ret)
{
	yyjson_mut_val *marker = sp_jmut_get(patch, MARKER);
	if (marker != NULL) {
		if (is_text(marker, SP_STR("replace"))) {
			(void)sp_jmut_remove(patch, MARKER);
			*ret = patch;
			return SP_OK;
		}
		if (!is_text(marker, SP_STR("delete")))
			return sp_smp_bad_directive(r, marker, patch);
		(void)yyjson_mut_obj_clear(object);
		*ret = object;
		return SP_OK;
	}
	sp_members to, from;
	if (!sp_members_load(r->arena, &to, object) || !sp_members_load(r->arena, &from, patch))
		return no_room(r);
	SP_TRY(retain_keys(r, &to, &from));
	for (size_t i = 0; i < from.n; i++) {
		if (from.items[i].val != NULL &&
		    sp_str_starts(sp_members_key(from.items[i].key), ORDER_PREFIX))
			SP_TRY(set_element_order(r, s, &to, &from, i));
	}
	for (size_t i = 0; i < from.n; i++) {
		if (from.items[i].val != NULL)
			SP_TRY(merge_member(r, s, &to, from.items[i].key, from.items[i].val));
	}
	sp_members_store(&to, object);
	*ret = object;
	return SP_OK;
}

sp_code sp_strategic_tree(sp_arena *a, yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *object,
			  yyjson_mut_val *patch, yyjson_mut_val **ret, sp_patch_error *perr)
{
	smp_run r = {.arena = a, .doc = doc, .perr = perr};
	return merge_map(&r, schema, object, patch, ret);
}

sp_code sp_strategic_apply(sp_arena *a, yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *object,
			   sp_str patch, yyjson_mut_val **ret, sp_patch_error *perr)
{
	yyjson_mut_val *tree = NULL;
	SP_TRY(sp_patch_parse_object(a, doc, patch, "", &tree, perr));
	if (yyjson_mut_is_null(tree)) {
		*ret = object;
		return SP_OK;
	}
	return sp_strategic_tree(a, doc, schema, object, tree, ret, perr);
}
