/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/apply/typed.h"

#include "kube/apply/typed_int.h"
#include "kube/patch/members.h"

const sp_schema sp_typed_deduced = {.kind = SP_K_ANY};
const sp_schema sp_typed_atomic = {.kind = SP_K_JSON};
static const sp_schema text_schema = {.kind = SP_K_STRING};

/* How apply walks each kind. */
static const struct {
	bool untyped;
	sp_atom atom;
} kinds[SP_K_COUNT_] = {
	[SP_K_ANY] = {true, SP_ATOM_MAP},
	[SP_K_STRING] = {false, SP_ATOM_SCALAR},
	[SP_K_BOOL] = {false, SP_ATOM_SCALAR},
	[SP_K_I32] = {false, SP_ATOM_SCALAR},
	[SP_K_I64] = {false, SP_ATOM_SCALAR},
	[SP_K_F64] = {false, SP_ATOM_SCALAR},
	[SP_K_BYTES] = {false, SP_ATOM_SCALAR},
	[SP_K_QUANTITY] = {false, SP_ATOM_SCALAR},
	[SP_K_TIME] = {false, SP_ATOM_SCALAR},
	[SP_K_MICROTIME] = {false, SP_ATOM_SCALAR},
	[SP_K_DURATION] = {false, SP_ATOM_SCALAR},
	[SP_K_INT_OR_STRING] = {false, SP_ATOM_SCALAR},
	[SP_K_RAW] = {true, SP_ATOM_MAP},
	[SP_K_FIELDS_V1] = {true, SP_ATOM_MAP},
	[SP_K_JSON] = {true, SP_ATOM_MAP},
	[SP_K_OBJECT] = {false, SP_ATOM_MAP},
	[SP_K_LIST] = {false, SP_ATOM_LIST},
	[SP_K_MAP] = {false, SP_ATOM_MAP},
	[SP_K_PROPS_OR_ARRAY] = {true, SP_ATOM_MAP},
	[SP_K_PROPS_OR_BOOL] = {true, SP_ATOM_MAP},
	[SP_K_PROPS_OR_STRINGS] = {true, SP_ATOM_MAP},
};

sp_atom sp_typed_atom(const sp_schema *s, yyjson_mut_val *v)
{
	if (!kinds[s->kind].untyped || v == NULL || yyjson_mut_is_null(v) || yyjson_mut_is_obj(v))
		return kinds[s->kind].atom;
	return yyjson_mut_is_arr(v) ? SP_ATOM_LIST : SP_ATOM_SCALAR;
}

bool sp_typed_list_atomic(const sp_schema *s)
{
	return s->kind != SP_K_LIST || s->list_type == SP_LIST_ATOMIC;
}

bool sp_typed_map_atomic(const sp_schema *s)
{
	return s->kind == SP_K_ANY ? false : kinds[s->kind].untyped || s->map_type == SP_MAP_ATOMIC;
}

const sp_schema *sp_typed_items(const sp_schema *s)
{
	if (s->kind == SP_K_LIST || s->kind == SP_K_MAP)
		return s->items != NULL ? s->items : &sp_typed_deduced;
	return s->kind == SP_K_ANY ? &sp_typed_deduced : &sp_typed_atomic;
}

const sp_schema *sp_typed_member(const sp_schema *s, sp_str key, bool *ret_named)
{
	*ret_named = false;
	if (s->kind != SP_K_OBJECT)
		return sp_typed_items(s);
	const sp_field *f = sp_schema_field(s, key, NULL);
	if (f != NULL) {
		*ret_named = true;
		return f->schema;
	}
	if (s->items != NULL)
		return s->items;
	return (s->flags & SP_S_PRESERVE_UNKNOWN) != 0 ? &sp_typed_deduced : NULL;
}

/* Type of the object itself stands in every root; tables of kinds need not list it. */
static const sp_schema *root_member(const sp_schema *s, sp_str key, bool *ret_named)
{
	const sp_schema *m = sp_typed_member(s, key, ret_named);
	if (m == NULL && (sp_str_eq(key, SP_STR("apiVersion")) || sp_str_eq(key, SP_STR("kind")))) {
		*ret_named = true;
		return &text_schema;
	}
	return m;
}

/* -- list items ---------------------------------------------------------------------------------------------
 */

static sp_code item_fail(sp_str *ret_text, sp_str text)
{
	if (ret_text != NULL)
		*ret_text = text;
	return SP_EINVAL;
}

static bool zero_key(const sp_field *f, sp_pe_value *ret)
{
	sp_schema_kind kind = (sp_schema_kind)f->schema->kind;
	if ((f->flags & (SP_F_POINTER | SP_F_OMITEMPTY)) != 0 || (f->schema->flags & SP_S_CRD) != 0)
		return false;
	if (kind == SP_K_STRING)
		*ret = (sp_pe_value){.kind = SP_PV_STR, .s = SP_STR("")};
	else if (kind == SP_K_I32 || kind == SP_K_I64)
		*ret = (sp_pe_value){.kind = SP_PV_INT, .i = 0};
	else
		return false;
	return true;
}

/* The default of a key field, a scalar in JSON text. */
static bool key_default(sp_arena *a, const sp_schema *item, sp_str key, sp_pe_value *ret)
{
	const sp_field *f =
		item != NULL && item->kind == SP_K_OBJECT ? sp_schema_field(item, key, NULL) : NULL;
	/* Upstream's apply knows no other defaults than those of OpenAPI, which has the zero value of every
	 * scalar that Go always writes. */
	if (f != NULL && f->def.len == 0)
		return zero_key(f, ret);
	if (f == NULL || (f->flags & SP_F_DEF_UNPUBLISHED) != 0)
		return false;
	if (f->def.len >= 2 && f->def.ptr[0] == '"' && sp_str_index(f->def, '\\') < 0) {
		*ret = (sp_pe_value){.kind = SP_PV_STR, .s = sp_str_sub(f->def, 1, f->def.len - 1)};
		return true;
	}
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *v = NULL;
	return doc != NULL && sp_json_parse_mut(a, f->def, doc, &v, NULL) == SP_OK && sp_pe_value_of(v, ret);
}

/* U: structured-merge-diff value/value.go, ToString. */
static void show(sp_buf *out, yyjson_mut_val *v)
{
	size_t idx, max;
	yyjson_mut_val *key, *val;
	if (yyjson_mut_is_obj(v)) {
		yyjson_mut_obj_foreach(v, idx, max, key, val)
		{
			(void)sp_buf_str(out, sp_jmut_str(key));
			(void)sp_buf_char(out, '=');
			show(out, val);
		}
		return;
	}
	if (!yyjson_mut_is_arr(v)) {
		(void)sp_json_write_mut(out, v);
		return;
	}
	(void)sp_buf_char(out, '[');
	yyjson_mut_arr_foreach(v, idx, max, val)
	{
		if (idx > 0)
			(void)sp_buf_char(out, ',');
		show(out, val);
	}
	(void)sp_buf_char(out, ']');
}

/* A key that no schema allows is one all the same, until it is checked. */
static sp_code key_value(sp_arena *a, yyjson_mut_val *v, sp_pe_value *ret)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, a->limit_bytes);
	if (sp_pe_value_of(v, ret))
		return SP_OK;
	show(&text, v);
	*ret = (sp_pe_value){.kind = SP_PV_NO_SCALAR, .s = sp_arena_try_dup(a, sp_buf_view(&text))};
	return sp_buf_code(&text) != SP_OK ? SP_ETOOLARGE : ret->s.ptr == NULL ? SP_ENOMEM : SP_OK;
}

static sp_code keyed_pe(sp_arena *a, const sp_schema *list, yyjson_mut_val *item, sp_pe *ret,
			sp_str *ret_text)
{
	if (yyjson_mut_is_null(item))
		return item_fail(ret_text, SP_STR("associative list with keys may not have a null element"));
	if (!yyjson_mut_is_obj(item))
		return item_fail(ret_text,
				 SP_STR("associative list with keys may not have non-map elements"));
	sp_pe_key *keys = sp_try_new(a, sp_pe_key, list->n_list_keys + 1u);
	uint32_t n = 0;
	if (keys == NULL)
		return SP_ENOMEM;
	for (uint16_t i = 0; i < list->n_list_keys; i++) {
		sp_pe_key k = {.name = list->list_keys[i]};
		yyjson_mut_val *v = sp_jmut_get(item, k.name);
		if (v == NULL && !key_default(a, list->items, k.name, &k.value))
			continue;
		if (v != NULL)
			SP_TRY(key_value(a, v, &k.value));
		uint32_t at = n++;
		while (at > 0 && sp_str_cmp(keys[at - 1].name, k.name) > 0) {
			keys[at] = keys[at - 1];
			at--;
		}
		keys[at] = k;
	}
	if (n == 0) {
		SP_AUTO_BUF text;
		sp_buf_init(&text, 4096);
		(void)sp_buf_str(
			&text,
			SP_STR("associative list with keys has an element that omits all key fields ["));
		for (uint16_t i = 0; i < list->n_list_keys; i++)
			(void)sp_buf_printf(&text, "%s\"" SP_FMT "\"", i == 0 ? "" : " ",
					    SP_ARG(list->list_keys[i]));
		(void)sp_buf_str(&text, SP_STR("] (and doesn't have default values for any key fields)"));
		return item_fail(ret_text, sp_arena_try_dup(a, sp_buf_view(&text)));
	}
	*ret = (sp_pe){.kind = SP_PE_KEY, .keys = keys, .n_keys = n};
	return SP_OK;
}

sp_code sp_typed_item_pe(sp_arena *a, const sp_schema *list, yyjson_mut_val *item, sp_pe *ret,
			 sp_str *ret_text)
{
	if (list->n_list_keys > 0)
		return keyed_pe(a, list, item, ret, ret_text);
	if (yyjson_mut_is_obj(item))
		return item_fail(ret_text,
				 SP_STR("associative list without keys has an element that's a map type"));
	if (yyjson_mut_is_arr(item))
		return item_fail(ret_text, SP_STR("not supported: associative list with lists as elements"));
	if (yyjson_mut_is_null(item))
		return item_fail(
			ret_text,
			SP_STR("associative list without keys has an element that's an explicit null"));
	*ret = (sp_pe){.kind = SP_PE_VALUE};
	(void)sp_pe_value_of(item, &ret->value); /* it is a scalar */
	return SP_OK;
}

static int item_cmp(const void *x, const void *y)
{
	const sp_typed_item *a = *(sp_typed_item *const *)x, *b = *(sp_typed_item *const *)y;
	int c = sp_pe_cmp(&a->pe, &b->pe);
	if (c != 0)
		return c;
	return a->at < b->at ? -1 : a->at > b->at;
}

sp_code sp_typed_list_load(sp_arena *a, const sp_schema *list, yyjson_mut_val *v, sp_typed_items_list *ret)
{
	*ret = (sp_typed_items_list){0};
	size_t n = yyjson_mut_is_arr(v) ? yyjson_mut_arr_size(v) : 0, idx, max;
	yyjson_mut_val *item;
	if (n == 0)
		return SP_OK;
	ret->items = sp_try_new(a, sp_typed_item, n);
	ret->sorted = sp_try_new(a, sp_typed_item *, n);
	if (ret->items == NULL || ret->sorted == NULL)
		return SP_ENOMEM;
	yyjson_mut_arr_foreach(v, idx, max, item)
	{
		sp_typed_item *it = &ret->items[ret->n];
		sp_code code = sp_typed_item_pe(a, list, item, &it->pe, NULL);
		if (code == SP_EINVAL) {
			ret->left_out = true;
			continue;
		}
		SP_TRY(code);
		it->val = item;
		it->at = idx;
		ret->sorted[ret->n++] = it;
	}
	qsort(ret->sorted, ret->n, sizeof(sp_typed_item *), item_cmp);
	return SP_OK;
}

size_t sp_typed_list_find(const sp_typed_items_list *l, const sp_pe *pe, size_t *ret_first)
{
	size_t lo = 0, hi = l->n, n = 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (sp_pe_cmp(&l->sorted[mid]->pe, pe) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_first = lo;
	while (lo + n < l->n && sp_pe_cmp(&l->sorted[lo + n]->pe, pe) == 0)
		n++;
	return n;
}

/* -- values -------------------------------------------------------------------------------------------------
 */

yyjson_mut_val *sp_typed_copy(yyjson_mut_doc *doc, yyjson_mut_val *v)
{
	size_t idx, max;
	yyjson_mut_val *key, *val, *out = NULL;
	if (yyjson_mut_is_obj(v)) {
		out = yyjson_mut_obj(doc);
		yyjson_mut_obj_foreach(v, idx, max, key, val)
		{
			sp_str k = sp_jmut_str(key);
			if (!yyjson_mut_obj_add(out, yyjson_mut_strn(doc, k.ptr, k.len),
						sp_typed_copy(doc, val)))
				return NULL;
		}
	} else if (yyjson_mut_is_arr(v)) {
		out = yyjson_mut_arr(doc);
		yyjson_mut_arr_foreach(v, idx, max, val)
		{
			if (!yyjson_mut_arr_append(out, sp_typed_copy(doc, val)))
				return NULL;
		}
	} else {
		out = yyjson_mut_null(doc);
		if (out != NULL) {
			out->tag = v->tag;
			out->uni = v->uni;
		}
	}
	return out;
}

static bool scalar_equal(yyjson_mut_val *a, yyjson_mut_val *b)
{
	sp_pe_value x, y;
	if (!sp_pe_value_of(a, &x) || !sp_pe_value_of(b, &y))
		return false;
	sp_pe px = {.kind = SP_PE_VALUE, .value = x}, py = {.kind = SP_PE_VALUE, .value = y};
	return sp_pe_cmp(&px, &py) == 0;
}

bool sp_typed_equal(yyjson_mut_val *a, yyjson_mut_val *b)
{
	if (yyjson_mut_is_arr(a)) {
		size_t n = yyjson_mut_arr_size(a);
		if (!yyjson_mut_is_arr(b) || yyjson_mut_arr_size(b) != n)
			return false;
		yyjson_mut_val *x = yyjson_mut_arr_get_first(a), *y = yyjson_mut_arr_get_first(b);
		for (size_t i = 0; i < n; i++, x = x->next, y = y->next) {
			if (!sp_typed_equal(x, y))
				return false;
		}
		return true;
	}
	if (!yyjson_mut_is_obj(a))
		return scalar_equal(a, b);
	size_t idx, max;
	yyjson_mut_val *key, *val;
	if (!yyjson_mut_is_obj(b) || yyjson_mut_obj_size(a) != yyjson_mut_obj_size(b))
		return false;
	yyjson_mut_obj_foreach(a, idx, max, key, val)
	{
		yyjson_mut_val *other = sp_jmut_get(b, sp_jmut_str(key));
		if (other == NULL || !sp_typed_equal(val, other))
			return false;
	}
	return true;
}

/* -- the set of a tree
 * --------------------------------------------------------------------------------------- */

typedef struct outcome {
	bool member;
	const sp_fieldset *child;
} outcome;

static sp_code set_of(sp_arena *a, const sp_schema *s, yyjson_mut_val *v, bool root, outcome *ret);

static sp_code set_of_list(sp_arena *a, const sp_schema *s, yyjson_mut_val *v, sp_fieldset *out)
{
	sp_typed_items_list l;
	SP_TRY(sp_typed_list_load(a, s, v, &l));
	for (size_t i = 0; i < l.n;) {
		size_t same = 1;
		while (i + same < l.n && sp_pe_cmp(&l.sorted[i]->pe, &l.sorted[i + same]->pe) == 0)
			same++;
		outcome o = {0};
		if (same == 1)
			SP_TRY(set_of(a, sp_typed_items(s), l.sorted[i]->val, false, &o));
		sp_fs_entry e = {.pe = l.sorted[i]->pe, .member = true, .child = o.child};
		if (!sp_fieldset_append(a, out, &e))
			return SP_ENOMEM;
		i += same;
	}
	return SP_OK;
}

static sp_code set_of_map(sp_arena *a, const sp_schema *s, yyjson_mut_val *v, bool root, sp_fieldset *out)
{
	size_t idx, max;
	yyjson_mut_val *key, *val;
	yyjson_mut_obj_foreach(v, idx, max, key, val)
	{
		bool named = false;
		sp_str name = sp_jmut_str(key);
		const sp_schema *m = root ? root_member(s, name, &named) : sp_typed_member(s, name, &named);
		outcome o = {0};
		if (m != NULL)
			SP_TRY(set_of(a, m, val, false, &o));
		bool empty =
			yyjson_mut_is_null(val) || (yyjson_mut_is_obj(val) && yyjson_mut_obj_size(val) == 0);
		sp_fs_entry e = {.pe = {.kind = SP_PE_FIELD, .name = name},
				 .member = o.member || empty || !named,
				 .child = o.child};
		if ((e.member || e.child != NULL) && !sp_fieldset_append(a, out, &e))
			return SP_ENOMEM;
	}
	return SP_OK;
}

static sp_code set_of(sp_arena *a, const sp_schema *s, yyjson_mut_val *v, bool root, outcome *ret)
{
	*ret = (outcome){0};
	sp_atom atom = sp_typed_atom(s, v);
	if (atom == SP_ATOM_SCALAR ||
	    (atom == SP_ATOM_LIST ? sp_typed_list_atomic(s) : sp_typed_map_atomic(s))) {
		ret->member = true;
		return SP_OK;
	}
	sp_fieldset *out = sp_fieldset_new(a);
	if (out == NULL)
		return SP_ENOMEM;
	if (atom == SP_ATOM_LIST && yyjson_mut_is_arr(v))
		SP_TRY(set_of_list(a, s, v, out));
	if (atom == SP_ATOM_MAP && yyjson_mut_is_obj(v))
		SP_TRY(set_of_map(a, s, v, root, out));
	sp_fieldset_seal(out);
	ret->child = out->n == 0 ? NULL : out;
	return SP_OK;
}

sp_code sp_typed_fieldset(sp_arena *a, const sp_schema *schema, yyjson_mut_val *v, const sp_fieldset **ret)
{
	outcome o;
	SP_TRY(set_of(a, schema == NULL ? &sp_typed_deduced : schema, v, true, &o));
	*ret = o.child;
	return SP_OK;
}

/* -- comparison
 * ---------------------------------------------------------------------------------------------- */

/* How to walk a node. */
static const unsigned AT_ROOT = 1u, AS_WRITTEN = 2u;

/* Added, modified, removed: of one node while its members are walked. */
enum { ADDED, MODIFIED, REMOVED, N_OUT };
typedef struct changes {
	bool member[N_OUT];
	sp_fieldset *child[N_OUT];
} changes;

static sp_code compare(sp_arena *a, const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r, unsigned how,
		       changes *ret);

static sp_code changes_add(sp_arena *a, changes *to, const sp_pe *pe, const changes *from)
{
	for (int i = 0; i < N_OUT; i++) {
		if (!from->member[i] && from->child[i] == NULL)
			continue;
		sp_fs_entry e = {.pe = *pe, .member = from->member[i], .child = from->child[i]};
		if (to->child[i] == NULL)
			to->child[i] = sp_fieldset_new(a);
		if (to->child[i] == NULL || !sp_fieldset_append(a, to->child[i], &e))
			return SP_ENOMEM;
	}
	return SP_OK;
}

static bool same_leaf(const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r, unsigned how)
{
	return (how & AS_WRITTEN) != 0 ? sp_typed_equal_written(s, l, r) : sp_typed_equal(l, r);
}

static void compare_leaf(const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r, unsigned how, changes *ret)
{
	if (l == NULL)
		ret->member[ADDED] = true;
	else if (r == NULL)
		ret->member[REMOVED] = true;
	else if (!same_leaf(s, l, r, how))
		ret->member[MODIFIED] = true;
}

/* Items of one path element on both sides; doubles count as one item that is compared whole. */
static sp_code compare_items(sp_arena *a, const sp_schema *s, sp_typed_item **l, size_t nl, sp_typed_item **r,
			     size_t nr, unsigned how, changes *ret)
{
	changes c = {0};
	const sp_pe *pe = nl > 0 ? &l[0]->pe : &r[0]->pe;
	if (nl >= 2 && nr >= 2) {
		bool same = nl == nr;
		for (size_t i = 0; i < nl && same; i++)
			same = same_leaf(s, l[i]->val, r[i]->val, how);
		c.member[MODIFIED] = !same;
	} else if (nl <= 1 && nr <= 1) {
		SP_TRY(compare(a, s, nl == 0 ? NULL : l[0]->val, nr == 0 ? NULL : r[0]->val, how, &c));
	} else if (nl >= 2) {
		if (nr != 0)
			SP_TRY(compare(a, s, NULL, r[0]->val, how, &c));
		c.member[REMOVED] = true;
	} else {
		if (nl != 0)
			SP_TRY(compare(a, s, l[0]->val, NULL, how, &c));
		c.member[ADDED] = true;
	}
	return changes_add(a, ret, pe, &c);
}

static sp_code compare_list(sp_arena *a, const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r,
			    unsigned how, changes *ret)
{
	sp_typed_items_list x, y;
	SP_TRY(sp_typed_list_load(a, s, l, &x));
	SP_TRY(sp_typed_list_load(a, s, r, &y));
	if ((how & AS_WRITTEN) != 0 && (x.left_out || y.left_out))
		return SP_EINVAL;
	size_t i = 0, j = 0;
	while (i < x.n || j < y.n) {
		int c = i >= x.n ? 1 : j >= y.n ? -1 : sp_pe_cmp(&x.sorted[i]->pe, &y.sorted[j]->pe);
		size_t ni = 0, nj = 0, at = 0;
		if (c <= 0)
			ni = sp_typed_list_find(&x, &x.sorted[i]->pe, &at);
		if (c >= 0)
			nj = sp_typed_list_find(&y, &y.sorted[j]->pe, &at);
		SP_TRY(compare_items(a, sp_typed_items(s), ni > 0 ? x.sorted + i : NULL, ni,
				     nj > 0 ? y.sorted + j : NULL, nj, how, ret));
		i += ni;
		j += nj;
	}
	return SP_OK;
}

static sp_code compare_member(sp_arena *a, const sp_schema *s, sp_str name, yyjson_mut_val *l,
			      yyjson_mut_val *r, unsigned how, changes *ret)
{
	bool named = false;
	changes c = {0};
	const sp_schema *m =
		(how & AT_ROOT) != 0 ? root_member(s, name, &named) : sp_typed_member(s, name, &named);
	if ((how & AS_WRITTEN) != 0) {
		l = l == NULL || sp_typed_is_omitted(s, name, l) ? NULL : l;
		r = r == NULL || sp_typed_is_omitted(s, name, r) ? NULL : r;
		if (l == NULL && r == NULL)
			return SP_OK;
	}
	SP_TRY(compare(a, m == NULL ? &sp_typed_atomic : m, l, r, how & ~AT_ROOT, &c));
	sp_pe pe = {.kind = SP_PE_FIELD, .name = name};
	return changes_add(a, ret, &pe, &c);
}

static sp_code compare_map(sp_arena *a, const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r,
			   unsigned how, changes *ret)
{
	sp_members x, y;
	if (!sp_members_load(a, &x, l) || !sp_members_load(a, &y, r))
		return SP_ENOMEM;
	for (size_t i = 0; i < x.n; i++) {
		sp_str name = sp_members_key(x.items[i].key);
		size_t at = i < y.n && sp_str_eq(sp_members_key(y.items[i].key), name)
				    ? i
				    : sp_members_find(&y, name);
		SP_TRY(compare_member(a, s, name, x.items[i].val,
				      at == SP_MEMBERS_NONE ? NULL : y.items[at].val, how, ret));
	}
	for (size_t i = 0; i < y.n; i++) {
		sp_str name = sp_members_key(y.items[i].key);
		if (i < x.n && sp_str_eq(sp_members_key(x.items[i].key), name))
			continue;
		if (sp_members_find(&x, name) == SP_MEMBERS_NONE)
			SP_TRY(compare_member(a, s, name, NULL, y.items[i].val, how, ret));
	}
	return SP_OK;
}

/* Walks both sides as one kind of value; true in *ret_leaf when the node counted as a whole. */
static sp_code compare_as(sp_arena *a, sp_atom atom, const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r,
			  unsigned how, bool *ret_leaf, changes *ret)
{
	bool empty = false, nothing = false, atomic = false;
	if (atom == SP_ATOM_LIST) {
		bool is_l = yyjson_mut_is_arr(l), is_r = yyjson_mut_is_arr(r);
		empty = (!is_l || yyjson_mut_arr_size(l) == 0) && (!is_r || yyjson_mut_arr_size(r) == 0);
		nothing = !is_l && !is_r;
		atomic = sp_typed_list_atomic(s);
	} else if (atom == SP_ATOM_MAP) {
		bool is_l = yyjson_mut_is_obj(l), is_r = yyjson_mut_is_obj(r);
		empty = (!is_l || yyjson_mut_obj_size(l) == 0) && (!is_r || yyjson_mut_obj_size(r) == 0);
		nothing = !is_l && !is_r;
		atomic = sp_typed_map_atomic(s);
	}
	*ret_leaf = atom == SP_ATOM_SCALAR || atomic || empty;
	if (*ret_leaf) {
		compare_leaf(s, l, r, how, ret);
		return SP_OK;
	}
	if (nothing)
		return SP_OK;
	return atom == SP_ATOM_LIST ? compare_list(a, s, l, r, how & ~AT_ROOT, ret)
				    : compare_map(a, s, l, r, how, ret);
}

static sp_code compare(sp_arena *a, const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r, unsigned how,
		       changes *ret)
{
	sp_atom al = sp_typed_atom(s, l), ar = sp_typed_atom(s, r);
	bool leaf = false;
	if (r == NULL) {
		SP_TRY(compare_as(a, al, s, l, r, how, &leaf, ret));
	} else {
		/* Content that changed its type counts as both. */
		if (l != NULL && al != ar)
			SP_TRY(compare_as(a, al, s, l, r, how, &leaf, ret));
		SP_TRY(compare_as(a, ar, s, l, r, how, &leaf, ret));
	}
	if (!leaf && l == NULL)
		ret->member[ADDED] = true;
	if (!leaf && r == NULL)
		ret->member[REMOVED] = true;
	for (int i = 0; i < N_OUT; i++) {
		if (ret->child[i] != NULL)
			sp_fieldset_seal(ret->child[i]);
	}
	return SP_OK;
}

sp_code sp_typed_compare(sp_arena *a, const sp_schema *schema, yyjson_mut_val *from, yyjson_mut_val *to,
			 bool written, sp_typed_diff *ret)
{
	changes c = {0};
	SP_TRY(compare(a, schema == NULL ? &sp_typed_deduced : schema, from, to,
		       AT_ROOT | (written ? AS_WRITTEN : 0), &c));
	*ret = (sp_typed_diff){c.child[ADDED], c.child[MODIFIED], c.child[REMOVED]};
	return SP_OK;
}

/* -- named members
 * ------------------------------------------------------------------------------------------- */

static sp_code named_members(sp_arena *a, const sp_schema *s, const sp_fieldset *set, bool root,
			     const sp_fieldset **ret)
{
	*ret = NULL;
	if (set == NULL)
		return SP_OK;
	sp_fieldset *out = sp_fieldset_new(a);
	if (out == NULL)
		return SP_ENOMEM;
	for (uint32_t i = 0; i < set->n; i++) {
		sp_fs_entry e = set->entries[i];
		bool named = false;
		const sp_schema *m = &sp_typed_deduced;
		if (e.pe.kind == SP_PE_FIELD)
			m = root ? root_member(s, e.pe.name, &named) : sp_typed_member(s, e.pe.name, &named);
		else if (s->kind == SP_K_LIST)
			m = sp_typed_items(s);
		e.member = e.member || named;
		SP_TRY(named_members(a, m == NULL ? &sp_typed_deduced : m, e.child, false, &e.child));
		if (!sp_fieldset_append(a, out, &e))
			return SP_ENOMEM;
	}
	*ret = out;
	return SP_OK;
}

sp_code sp_typed_named_members(sp_arena *a, const sp_schema *schema, const sp_fieldset *s,
			       const sp_fieldset **ret)
{
	return named_members(a, schema == NULL ? &sp_typed_deduced : schema, s, true, ret);
}
