/* SPDX-License-Identifier: Apache-2.0 */
/* Merging a patch over a live tree, and taking fields out of one. */
#include "kube/apply/typed_int.h"
#include "kube/patch/members.h"

typedef struct merge_run {
	sp_arena *arena;
	yyjson_mut_doc *doc;
	sp_str *ret_text;
} merge_run;

/* *ret stays NULL where nothing remains. */
static sp_code merge(merge_run *m, const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r,
		     yyjson_mut_val **ret);

static sp_code merge_map(merge_run *m, const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r,
			 yyjson_mut_val **ret)
{
	sp_members x, y;
	yyjson_mut_val *out = yyjson_mut_obj(m->doc);
	if (out == NULL || !sp_members_load(m->arena, &x, l) || !sp_members_load(m->arena, &y, r))
		return SP_ENOMEM;
	for (size_t i = 0; i < x.n + y.n; i++) {
		bool of_patch = i >= x.n, named = false;
		const sp_member *it = of_patch ? &y.items[i - x.n] : &x.items[i];
		sp_str name = sp_members_key(it->key);
		size_t at = sp_members_find(of_patch ? &x : &y, name);
		if (of_patch && at != SP_MEMBERS_NONE)
			continue;
		yyjson_mut_val *left = of_patch ? NULL : it->val, *val = NULL;
		yyjson_mut_val *right = of_patch ? it->val : at == SP_MEMBERS_NONE ? NULL : y.items[at].val;
		const sp_schema *sub = sp_typed_member(s, name, &named);
		SP_TRY(merge(m, sub == NULL ? &sp_typed_atomic : sub, left, right, &val));
		if (val != NULL && !yyjson_mut_obj_add(out, yyjson_mut_strn(m->doc, name.ptr, name.len), val))
			return SP_ENOMEM;
	}
	*ret = yyjson_mut_obj_size(out) == 0 ? NULL : out;
	return SP_OK;
}

static sp_code merge_item(merge_run *m, const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r,
			  yyjson_mut_val *out)
{
	yyjson_mut_val *val = NULL;
	SP_TRY(merge(m, sp_typed_items(s), l, r, &val));
	return val == NULL || yyjson_mut_arr_append(out, val) ? SP_OK : SP_ENOMEM;
}

/* Where each side of a list merge stands. */
typedef struct weaver {
	merge_run *m;
	const sp_schema *s;
	sp_typed_items_list l, r;
	bool *merged;       /* by index of r.items */
	size_t *in_l;       /* by index of r.items: how many of l have the path element */
	size_t *r_of;       /* by index of l.items: index in r.items, or SIZE_MAX */
	size_t next_shared; /* index in r.items of the next item that both have */
	yyjson_mut_val *out;
} weaver;

static void next_shared(weaver *w, size_t from)
{
	while (from < w->r.n && w->in_l[from] == 0)
		from++;
	w->next_shared = from;
}

static sp_code weave_patch_item(weaver *w, size_t j)
{
	yyjson_mut_val *left = NULL;
	size_t first = 0;
	if (w->in_l[j] == 1) {
		(void)sp_typed_list_find(&w->l, &w->r.items[j].pe, &first);
		left = w->l.sorted[first]->val;
	}
	w->merged[j] = true;
	return merge_item(w->m, w->s, left, w->r.items[j].val, w->out);
}

/* Live order where the patch says nothing, the patch's order for what it lists. */
static sp_code weave(weaver *w)
{
	size_t i = 0, j = 0;
	while (i < w->l.n || j < w->r.n) {
		size_t r_of = i < w->l.n ? w->r_of[i] : SIZE_MAX;
		if (i < w->l.n && j < w->r.n) {
			if (r_of == j) {
				SP_TRY(weave_patch_item(w, j));
				next_shared(w, j + 1 > w->next_shared ? j + 1 : w->next_shared);
				i++;
				j++;
				continue;
			}
			if (r_of != SIZE_MAX && w->next_shared < w->r.n && w->next_shared != r_of) {
				i++;
				continue;
			}
		}
		if (i < w->l.n) {
			if (r_of == SIZE_MAX) {
				SP_TRY(merge_item(w->m, w->s, w->l.items[i].val, NULL, w->out));
				i++;
				continue;
			}
			if (w->merged[r_of])
				i++;
		}
		if (j < w->r.n) {
			SP_TRY(weave_patch_item(w, j));
			if (w->next_shared == j)
				next_shared(w, j + 1);
			j++;
		}
	}
	return SP_OK;
}

static sp_code duplicate(merge_run *m, const sp_pe *pe)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 1 << 16);
	(void)sp_buf_str(&text, SP_STR("duplicate entries for key "));
	(void)sp_pe_text(&text, pe);
	if (m->ret_text != NULL)
		*m->ret_text = sp_arena_try_dup(m->arena, sp_buf_view(&text));
	return SP_EINVAL;
}

static sp_code merge_list(merge_run *m, const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r,
			  yyjson_mut_val **ret)
{
	weaver w = {.m = m, .s = s, .out = yyjson_mut_arr(m->doc)};
	SP_TRY(sp_typed_list_load(m->arena, s, l, &w.l));
	SP_TRY(sp_typed_list_load(m->arena, s, r, &w.r));
	w.merged = sp_try_new(m->arena, bool, w.r.n + 1);
	w.in_l = sp_try_new(m->arena, size_t, w.r.n + 1);
	w.r_of = sp_try_new(m->arena, size_t, w.l.n + 1);
	if (w.out == NULL || w.merged == NULL || w.in_l == NULL || w.r_of == NULL)
		return SP_ENOMEM;
	size_t first = 0;
	for (size_t j = 0; j < w.r.n; j++) {
		if (sp_typed_list_find(&w.r, &w.r.items[j].pe, &first) > 1)
			return duplicate(m, &w.r.items[j].pe);
		w.in_l[j] = sp_typed_list_find(&w.l, &w.r.items[j].pe, &first);
	}
	for (size_t i = 0; i < w.l.n; i++) {
		size_t n = sp_typed_list_find(&w.r, &w.l.items[i].pe, &first);
		w.r_of[i] = n == 0 ? SIZE_MAX : (size_t)(w.r.sorted[first] - w.r.items);
	}
	next_shared(&w, 0);
	SP_TRY(weave(&w));
	*ret = yyjson_mut_arr_size(w.out) == 0 ? NULL : w.out;
	return SP_OK;
}

static sp_code merge(merge_run *m, const sp_schema *s, yyjson_mut_val *l, yyjson_mut_val *r,
		     yyjson_mut_val **ret)
{
	yyjson_mut_val *lead = r != NULL ? r : l;
	sp_atom atom = sp_typed_atom(s, lead);
	bool whole = atom == SP_ATOM_SCALAR || r == NULL;
	if (atom == SP_ATOM_LIST) {
		bool empty = (!yyjson_mut_is_arr(l) || yyjson_mut_arr_size(l) == 0) &&
			     (!yyjson_mut_is_arr(r) || yyjson_mut_arr_size(r) == 0);
		whole = whole || empty || sp_typed_list_atomic(s);
	} else if (atom == SP_ATOM_MAP) {
		bool empty = (!yyjson_mut_is_obj(l) || yyjson_mut_obj_size(l) == 0) &&
			     (!yyjson_mut_is_obj(r) || yyjson_mut_obj_size(r) == 0);
		whole = whole || empty || sp_typed_map_atomic(s);
	}
	if (whole) {
		*ret = sp_typed_copy(m->doc, lead);
		return *ret != NULL ? SP_OK : SP_ENOMEM;
	}
	return atom == SP_ATOM_LIST ? merge_list(m, s, l, r, ret) : merge_map(m, s, l, r, ret);
}

sp_code sp_typed_merge(sp_arena *a, yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *live,
		       yyjson_mut_val *patch, yyjson_mut_val **ret, sp_str *ret_text)
{
	merge_run m = {a, doc, ret_text};
	yyjson_mut_val *out = NULL;
	SP_TRY(merge(&m, schema == NULL ? &sp_typed_deduced : schema, live, patch, &out));
	*ret = out != NULL ? out : yyjson_mut_obj(doc);
	return *ret != NULL ? SP_OK : SP_ENOMEM;
}

/* -- removal
 * ------------------------------------------------------------------------------------------------- */

static yyjson_mut_val *take_out(merge_run *m, const sp_schema *s, yyjson_mut_val *v, const sp_fieldset *set);

/* What loses something below it stays, though it be empty. */
static yyjson_mut_val *take_from(merge_run *m, const sp_schema *s, yyjson_mut_val *v, const sp_fieldset *set)
{
	yyjson_mut_val *left = take_out(m, s, v, set);
	if (!yyjson_mut_is_null(left) || yyjson_mut_is_null(v))
		return left;
	return yyjson_mut_is_obj(v)   ? yyjson_mut_obj(m->doc)
	       : yyjson_mut_is_arr(v) ? yyjson_mut_arr(m->doc)
				      : left;
}

static yyjson_mut_val *take_out(merge_run *m, const sp_schema *s, yyjson_mut_val *v, const sp_fieldset *set)
{
	size_t idx, max;
	yyjson_mut_val *key, *val, *out = NULL;
	sp_atom atom = sp_typed_atom(s, v);
	if (atom == SP_ATOM_SCALAR)
		return sp_typed_copy(m->doc, v);
	if (atom == SP_ATOM_LIST && yyjson_mut_is_arr(v) && !sp_typed_list_atomic(s)) {
		out = yyjson_mut_arr(m->doc);
		yyjson_mut_arr_foreach(v, idx, max, val)
		{
			sp_pe pe;
			const sp_fs_entry *e = NULL;
			if (sp_typed_item_pe(m->arena, s, val, &pe, NULL) == SP_OK)
				e = sp_fieldset_find(set, &pe);
			if (e != NULL && e->member)
				continue;
			yyjson_mut_val *left = e != NULL && e->child != NULL
						       ? take_from(m, sp_typed_items(s), val, e->child)
						       : sp_typed_copy(m->doc, val);
			if (!yyjson_mut_arr_append(out, left))
				return NULL;
		}
		return yyjson_mut_arr_size(out) > 0 ? out : yyjson_mut_null(m->doc);
	}
	if (atom != SP_ATOM_MAP || !yyjson_mut_is_obj(v) || sp_typed_map_atomic(s))
		return yyjson_mut_null(m->doc); /* the node lost what it consisted of */
	out = yyjson_mut_obj(m->doc);
	yyjson_mut_obj_foreach(v, idx, max, key, val)
	{
		bool named = false;
		sp_pe pe = {.kind = SP_PE_FIELD, .name = sp_jmut_str(key)};
		const sp_fs_entry *e = sp_fieldset_find(set, &pe);
		const sp_schema *sub = sp_typed_member(s, pe.name, &named);
		if (e != NULL && e->member)
			continue;
		yyjson_mut_val *left =
			e != NULL && e->child != NULL
				? take_from(m, sub == NULL ? &sp_typed_atomic : sub, val, e->child)
				: sp_typed_copy(m->doc, val);
		if (!yyjson_mut_obj_add(out, yyjson_mut_strn(m->doc, pe.name.ptr, pe.name.len), left))
			return NULL;
	}
	return yyjson_mut_obj_size(out) > 0 ? out : yyjson_mut_null(m->doc);
}

yyjson_mut_val *sp_typed_remove(sp_arena *a, yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *v,
				const sp_fieldset *set)
{
	merge_run m = {a, doc, NULL};
	return take_out(&m, schema == NULL ? &sp_typed_deduced : schema, v, set);
}
