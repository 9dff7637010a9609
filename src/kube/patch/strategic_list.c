/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/patch/strategic_int.h"

#include "base/limits.h"
#include "kube/patch/members.h"
#include "kube/patch/patch_int.h"

bool sp_smp_list_load(sp_arena *a, sp_smp_list *l, yyjson_mut_val *array)
{
	*l = (sp_smp_list){0};
	size_t n = yyjson_mut_is_arr(array) ? yyjson_mut_arr_size(array) : 0, idx, max;
	yyjson_mut_val *item;
	if (n == 0)
		return true;
	l->items = sp_try_new(a, yyjson_mut_val *, n);
	if (l->items == NULL)
		return false;
	yyjson_mut_arr_foreach(array, idx, max, item)
	{
		l->items[l->n++] = item;
	}
	return true;
}

bool sp_smp_list_keys(smp_run *r, sp_str merge_key, const sp_smp_list *l, sp_smp_list *ret)
{
	*ret = (sp_smp_list){.items = sp_try_new(r->arena, yyjson_mut_val *, l->n + 1)};
	for (size_t i = 0; i < l->n && ret->items != NULL; i++) {
		yyjson_mut_val *id = sp_jmut_get(l->items[i], merge_key), *item = yyjson_mut_obj(r->doc);
		if (item == NULL ||
		    (id != NULL &&
		     !yyjson_mut_obj_add(item, yyjson_mut_strncpy(r->doc, merge_key.ptr, merge_key.len),
					 yyjson_mut_val_mut_copy(r->doc, id))))
			return false;
		ret->items[ret->n++] = item;
	}
	return ret->items != NULL;
}

void sp_smp_list_store(const sp_smp_list *l, yyjson_mut_val *array)
{
	(void)yyjson_mut_arr_clear(array); /* it is an array */
	for (size_t i = 0; i < l->n; i++)
		(void)yyjson_mut_arr_append(array, l->items[i]);
}

/* Types as Go tells them apart after decoding: integers and floats differ. */
static int go_type(yyjson_mut_val *v)
{
	int t = yyjson_mut_get_type(v);
	return yyjson_mut_is_real(v) ? t + 100 : t;
}

sp_code sp_smp_item_type(smp_run *r, const sp_smp_list *x, const sp_smp_list *y, bool *ret_maps)
{
	const sp_smp_list *lists[] = {x, y};
	yyjson_mut_val *first = NULL;
	bool mixed = false;
	for (size_t l = 0; l < 2; l++) {
		for (size_t i = 0; i < lists[l]->n; i++) {
			yyjson_mut_val *v = lists[l]->items[i];
			first = first == NULL ? v : first;
			mixed = mixed || go_type(v) != go_type(first) || yyjson_mut_is_null(v);
		}
	}
	if (yyjson_mut_is_arr(first))
		return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 422, "Invalid",
				     "the server rejected our request due to an error in our request");
	*ret_maps = yyjson_mut_is_obj(first);
	if (!mixed)
		return SP_OK;
	yyjson_mut_val *all = yyjson_mut_arr(r->doc);
	for (size_t l = 0; l < 2 && all != NULL; l++) {
		yyjson_mut_val *copy = yyjson_mut_arr_add_arr(r->doc, all);
		for (size_t i = 0; i < lists[l]->n && copy != NULL; i++)
			(void)yyjson_mut_arr_append(copy,
						    yyjson_mut_val_mut_copy(r->doc, lists[l]->items[i]));
	}
	return sp_smp_fail_value(r, "list element types are not identical: ", all, "", SP_STR(""));
}

/* Text that is equal for equal scalars, as the key of an index; a value of the document. NULL: no room. */
static yyjson_mut_val *index_key(smp_run *r, sp_arena *a, yyjson_mut_val *v)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	(void)r;
	if (yyjson_mut_is_ctn(v) || sp_json_write_mut(&text, v) != SP_OK)
		return NULL;
	if (yyjson_mut_is_real(v))
		(void)sp_buf_char(&text, 'f');
	sp_str copy = sp_arena_try_dup(a, sp_buf_view(&text));
	yyjson_mut_val *key = sp_try_new(a, yyjson_mut_val, 1);
	if (key == NULL || copy.ptr == NULL || sp_buf_code(&text) != SP_OK)
		return NULL;
	key->tag = ((uint64_t)copy.len << YYJSON_TAG_BIT) | YYJSON_TYPE_STR;
	key->uni.str = copy.ptr;
	return key;
}

/* What identifies an item: its merge key's value, or the scalar itself. NULL: it has none. */
static yyjson_mut_val *identity(yyjson_mut_val *item, sp_str merge_key)
{
	return merge_key.len == 0 ? item : sp_jmut_get(item, merge_key);
}

/* Positions by identity; the first of several wins. The index's values are the items' array slots. */
typedef struct position_index {
	sp_members m;
	size_t *at; /* by member */
} position_index;

static bool index_add(sp_arena *a, position_index *x, yyjson_mut_val *id, size_t at)
{
	if (id == NULL || yyjson_mut_is_ctn(id))
		return true;
	yyjson_mut_val *key = index_key(NULL, a, id);
	if (key == NULL)
		return false;
	if (sp_members_find(&x->m, sp_members_key(key)) != SP_MEMBERS_NONE)
		return true;
	if (!sp_members_put(&x->m, key, key))
		return false;
	x->at[x->m.n - 1] = at;
	return true;
}

/* Room for `extra` positions more than the list has. */
static bool index_list(sp_arena *a, position_index *x, const sp_smp_list *l, sp_str merge_key, size_t extra)
{
	*x = (position_index){.m = {.arena = a}};
	x->at = sp_try_new(a, size_t, l->n + extra + 1);
	if (x->at == NULL)
		return false;
	for (size_t i = 0; i < l->n; i++) {
		if (!index_add(a, x, identity(l->items[i], merge_key), i))
			return false;
	}
	return true;
}

/* Position of an identity or SIZE_MAX; *ok becomes false without room. */
static size_t index_find(sp_arena *a, const position_index *x, yyjson_mut_val *id, bool *ok)
{
	if (id == NULL || yyjson_mut_is_ctn(id))
		return SIZE_MAX;
	yyjson_mut_val *key = index_key(NULL, a, id);
	if (key == NULL) {
		*ok = false;
		return SIZE_MAX;
	}
	size_t i = sp_members_find(&x->m, sp_members_key(key));
	return i == SP_MEMBERS_NONE ? SIZE_MAX : x->at[i];
}

bool sp_smp_subtract(sp_arena *a, sp_smp_list *l, const sp_smp_list *gone)
{
	position_index x;
	bool ok = index_list(a, &x, gone, SP_STR(""), 0);
	size_t n = 0;
	for (size_t i = 0; i < l->n && ok; i++) {
		if (index_find(a, &x, l->items[i], &ok) == SIZE_MAX)
			l->items[n++] = l->items[i];
	}
	l->n = n;
	return ok;
}

bool sp_smp_union(sp_arena *a, sp_smp_list *l, const sp_smp_list *more)
{
	sp_smp_list out = {.items = sp_try_new(a, yyjson_mut_val *, l->n + more->n + 1)};
	position_index x = {.m = {.arena = a}};
	x.at = sp_try_new(a, size_t, l->n + more->n + 1);
	bool ok = out.items != NULL && x.at != NULL;
	const sp_smp_list *lists[] = {l, more};
	for (size_t k = 0; k < 2 && ok; k++) {
		for (size_t i = 0; i < lists[k]->n && ok; i++) {
			yyjson_mut_val *v = lists[k]->items[i];
			if (index_find(a, &x, v, &ok) != SIZE_MAX || !ok)
				continue;
			ok = index_add(a, &x, v, out.n);
			out.items[out.n++] = v;
		}
	}
	*l = out;
	return ok;
}

static sp_code no_merge_key(smp_run *r, yyjson_mut_val *item, sp_str merge_key)
{
	return sp_smp_fail_value(r, "map: ", item, " does not contain declared merge key: ", merge_key);
}

sp_code sp_smp_special_items(smp_run *r, sp_str merge_key, sp_smp_list *old, sp_smp_list *patch)
{
	sp_smp_list gone = {.items = sp_try_new(r->arena, yyjson_mut_val *, patch->n + 1)};
	bool replace = false, ok = gone.items != NULL;
	size_t n = 0;
	for (size_t i = 0; i < patch->n && ok; i++) {
		yyjson_mut_val *item = patch->items[i], *marker = sp_jmut_get(item, SP_STR("$patch"));
		sp_str what = sp_jmut_str(marker);
		if (marker == NULL) {
			patch->items[n++] = item;
		} else if (sp_str_eq(what, SP_STR("delete"))) {
			if (sp_jmut_get(item, merge_key) == NULL)
				return no_merge_key(r, item, merge_key);
			gone.items[gone.n++] = item;
		} else if (sp_str_eq(what, SP_STR("replace"))) {
			replace = true;
		} else if (sp_str_eq(what, SP_STR("merge"))) {
			return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "",
					     "merging lists cannot yet be specified in the patch");
		} else {
			return sp_smp_bad_directive(r, marker, item);
		}
	}
	patch->n = n;
	position_index x;
	ok = ok && index_list(r->arena, &x, &gone, merge_key, 0);
	size_t kept = 0;
	for (size_t i = 0; i < old->n && ok && gone.n > 0; i++) {
		if (index_find(r->arena, &x, identity(old->items[i], merge_key), &ok) == SIZE_MAX)
			old->items[kept++] = old->items[i];
	}
	if (!ok)
		return sp_patch_no_room(r->arena, r->perr);
	if (gone.n > 0)
		old->n = kept;
	if (replace) {
		*old = *patch;
		patch->n = 0;
	}
	return SP_OK;
}

sp_code sp_smp_merge_items(smp_run *r, const sp_schema *s, sp_str merge_key, sp_smp_list *merged,
			   const sp_smp_list *patch, sp_smp_merge_fn merge)
{
	sp_smp_list out = {.items = sp_try_new(r->arena, yyjson_mut_val *, merged->n + patch->n + 1)};
	position_index x;
	bool ok = out.items != NULL && index_list(r->arena, &x, merged, merge_key, patch->n);
	for (size_t i = 0; i < merged->n && ok; i++)
		out.items[out.n++] = merged->items[i];
	for (size_t i = 0; i < patch->n && ok; i++) {
		yyjson_mut_val *item = patch->items[i], *id = sp_jmut_get(item, merge_key);
		if (id == NULL)
			return no_merge_key(r, item, merge_key);
		size_t at = index_find(r->arena, &x, id, &ok);
		if (at != SIZE_MAX) {
			SP_TRY(merge(r, s, out.items[at], item, &out.items[at]));
			continue;
		}
		ok = ok && index_add(r->arena, &x, id, out.n);
		out.items[out.n++] = item;
	}
	*merged = out;
	return ok ? SP_OK : sp_patch_no_room(r->arena, r->perr);
}

sp_code sp_smp_check_order(smp_run *r, sp_str merge_key, const sp_smp_list *patch, const sp_smp_list *wanted)
{
	if (patch->n == 0 || wanted->n == 0)
		return SP_OK;
	size_t i = 0, j = 0;
	while (i < patch->n && j < wanted->n) {
		yyjson_mut_val *item = patch->items[i];
		if (merge_key.len > 0 && !yyjson_mut_is_obj(item))
			return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "",
					     "expected a map[string]interface {}, but received a %s",
					     sp_patch_go_type(item));
		if (yyjson_mut_is_obj(item) && sp_jmut_get(item, SP_STR("$patch")) != NULL) {
			i++;
			continue;
		}
		yyjson_mut_val *want = wanted->items[j++];
		if (merge_key.len > 0 && !yyjson_mut_is_obj(want))
			return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "",
					     "expected a map[string]interface {}, but received a %s",
					     sp_patch_go_type(want));
		yyjson_mut_val *x = identity(item, merge_key), *y = identity(want, merge_key);
		if (x == NULL || y == NULL)
			return no_merge_key(r, x == NULL ? item : want, merge_key);
		if (sp_jmut_equal(x, y))
			i++;
	}
	while (i < patch->n && yyjson_mut_is_obj(patch->items[i]) &&
	       sp_jmut_get(patch->items[i], SP_STR("$patch")) != NULL)
		i++;
	if (i >= patch->n)
		return SP_OK;
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	(void)sp_buf_str(&text, SP_STR("The order in patch list:\n["));
	for (size_t k = 0; k < patch->n; k++) {
		if (k > 0)
			(void)sp_buf_char(&text, ' ');
		(void)sp_json_write_go(&text, patch->items[k]);
	}
	(void)sp_buf_str(&text, SP_STR("]\n doesn't match $setElementOrder list:\n["));
	for (size_t k = 0; k < wanted->n; k++) {
		if (k > 0)
			(void)sp_buf_char(&text, ' ');
		(void)sp_json_write_go(&text, wanted->items[k]);
	}
	(void)sp_buf_str(&text, SP_STR("]\n"));
	sp_str all = sp_buf_view(&text);
	return sp_patch_fail(r->arena, r->perr, SP_EINVAL, 500, "", SP_FMT, SP_ARG(all));
}

/* An item with its places in the wanted order and in the server's; SIZE_MAX = not there. */
typedef struct placed {
	yyjson_mut_val *item;
	size_t wanted, server, seq;
} placed;

static int by_place(const void *x, const void *y)
{
	const placed *a = x, *b = y;
	size_t pa = a->wanted != SIZE_MAX ? a->wanted : a->server,
	       pb = b->wanted != SIZE_MAX ? b->wanted : b->server;
	if (pa != pb)
		return pa < pb ? -1 : 1;
	return a->seq < b->seq ? -1 : 1;
}

/* Weaves the two sorted runs: a server item goes first where it stood before the patch's next item. */
static size_t weave(placed *server, size_t n_server, placed *wanted, size_t n_wanted, yyjson_mut_val **out)
{
	size_t i = 0, j = 0, n = 0;
	while (i < n_server || j < n_wanted) {
		bool take_server = j >= n_wanted;
		if (i < n_server && j < n_wanted)
			take_server = server[i].server != SIZE_MAX && wanted[j].server != SIZE_MAX &&
				      server[i].server < wanted[j].server;
		out[n++] = take_server ? server[i++].item : wanted[j++].item;
	}
	return n;
}

sp_code sp_smp_order(smp_run *r, sp_str merge_key, const sp_smp_list *merged, const sp_smp_list *wanted,
		     const sp_smp_list *server, yyjson_mut_val *array)
{
	sp_arena *a = r->arena;
	position_index want_at, server_at;
	size_t n_wanted = 0, n_server = 0;
	placed *first = sp_try_new(a, placed, merged->n + 1), *rest = sp_try_new(a, placed, merged->n + 1);
	sp_smp_list out = {.items = sp_try_new(a, yyjson_mut_val *, merged->n + 1)};
	bool ok = first != NULL && rest != NULL && out.items != NULL &&
		  index_list(a, &want_at, wanted, merge_key, 0) &&
		  index_list(a, &server_at, server, merge_key, 0);
	for (size_t i = 0; i < merged->n && ok; i++) {
		yyjson_mut_val *item = merged->items[i], *id = identity(item, merge_key);
		if (id == NULL)
			return no_merge_key(r, item, merge_key);
		placed p = {item, index_find(a, &want_at, id, &ok), index_find(a, &server_at, id, &ok), i};
		if (p.wanted != SIZE_MAX)
			first[n_wanted++] = p;
		else
			rest[n_server++] = p;
	}
	if (!ok)
		return sp_patch_no_room(a, r->perr);
	qsort(first, n_wanted, sizeof(*first), by_place);
	qsort(rest, n_server, sizeof(*rest), by_place);
	out.n = weave(rest, n_server, first, n_wanted, out.items);
	sp_smp_list_store(&out, array);
	return SP_OK;
}
