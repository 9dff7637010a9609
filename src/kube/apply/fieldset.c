/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/apply/fieldset.h"

#include "base/limits.h"

/* -- path elements ------------------------------------------------------------------------------------------
 */

static int cmp_i64(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* Numbers before texts before truth values before null, as upstream orders scalars. */
static int value_rank(const sp_pe_value *v)
{
	switch (v->kind) {
	case SP_PV_INT:
	case SP_PV_FLOAT:
		return 0;
	case SP_PV_STR:
		return 1;
	case SP_PV_BOOL:
		return 2;
	case SP_PV_NULL:
		return 3;
	case SP_PV_NO_SCALAR:
		break;
	}
	return 4;
}

static int value_cmp(const sp_pe_value *a, const sp_pe_value *b)
{
	int ra = value_rank(a), rb = value_rank(b);
	if (ra != rb)
		return ra < rb ? -1 : 1;
	if (ra == 1 || ra == 4)
		return sp_str_cmp(a->s, b->s);
	if (ra != 0)
		return cmp_i64(a->i, b->i);
	if (a->kind == SP_PV_INT && b->kind == SP_PV_INT)
		return cmp_i64(a->i, b->i);
	double x = a->kind == SP_PV_INT ? (double)a->i : a->f, y = b->kind == SP_PV_INT ? (double)b->i : b->f;
	return x < y ? -1 : x > y;
}

static int keys_cmp(const sp_pe *a, const sp_pe *b)
{
	for (uint32_t i = 0; i < a->n_keys && i < b->n_keys; i++) {
		int c = sp_str_cmp(a->keys[i].name, b->keys[i].name);
		if (c == 0)
			c = value_cmp(&a->keys[i].value, &b->keys[i].value);
		if (c != 0)
			return c;
	}
	return cmp_i64(a->n_keys, b->n_keys);
}

int sp_pe_cmp(const sp_pe *a, const sp_pe *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	switch (a->kind) {
	case SP_PE_FIELD:
		return sp_str_cmp(a->name, b->name);
	case SP_PE_KEY:
		return keys_cmp(a, b);
	case SP_PE_VALUE:
		return value_cmp(&a->value, &b->value);
	case SP_PE_INDEX:
		return cmp_i64(a->value.i, b->value.i);
	}
	return 0;
}

bool sp_pe_value_of(yyjson_mut_val *v, sp_pe_value *ret)
{
	*ret = (sp_pe_value){.kind = SP_PV_NULL};
	if (yyjson_mut_is_str(v)) {
		ret->kind = SP_PV_STR;
		ret->s = sp_jmut_str(v);
	} else if (yyjson_mut_is_bool(v)) {
		ret->kind = SP_PV_BOOL;
		ret->i = yyjson_mut_get_bool(v);
	} else if (yyjson_mut_is_real(v) || (yyjson_mut_is_uint(v) && yyjson_mut_get_uint(v) > INT64_MAX)) {
		ret->kind = SP_PV_FLOAT;
		ret->f = yyjson_mut_get_num(v);
	} else if (yyjson_mut_is_int(v)) {
		ret->kind = SP_PV_INT;
		ret->i = yyjson_mut_get_sint(v);
	} else {
		return yyjson_mut_is_null(v);
	}
	return true;
}

sp_code sp_pe_value_json(sp_buf *out, const sp_pe_value *v)
{
	switch (v->kind) {
	case SP_PV_NULL:
		return sp_buf_str(out, SP_STR("null"));
	case SP_PV_BOOL:
		return sp_buf_str(out, v->i != 0 ? SP_STR("true") : SP_STR("false"));
	case SP_PV_INT:
		return sp_buf_i64(out, v->i);
	case SP_PV_FLOAT:
		return sp_json_write_f64(out, v->f);
	case SP_PV_STR:
		return sp_json_write_str(out, v->s);
	case SP_PV_NO_SCALAR:
		return sp_buf_str(out, v->s);
	}
	return SP_EINTERNAL;
}

/* In messages texts are quoted as Go's %q does for plain ones, which JSON's form equals. */
sp_code sp_pe_text(sp_buf *out, const sp_pe *pe)
{
	switch (pe->kind) {
	case SP_PE_FIELD:
		(void)sp_buf_char(out, '.');
		return sp_buf_str(out, pe->name);
	case SP_PE_KEY:
		for (uint32_t i = 0; i < pe->n_keys; i++) {
			(void)sp_buf_char(out, i == 0 ? '[' : ',');
			(void)sp_buf_str(out, pe->keys[i].name);
			(void)sp_buf_char(out, '=');
			(void)sp_pe_value_json(out, &pe->keys[i].value);
		}
		return sp_buf_char(out, ']');
	case SP_PE_VALUE:
		(void)sp_buf_str(out, SP_STR("[="));
		(void)sp_pe_value_json(out, &pe->value);
		return sp_buf_char(out, ']');
	case SP_PE_INDEX:
		return sp_buf_printf(out, "[%lld]", (long long)pe->value.i);
	}
	return SP_EINTERNAL;
}

/* -- building -----------------------------------------------------------------------------------------------
 */

sp_fieldset *sp_fieldset_new(sp_arena *a)
{
	return sp_try_new(a, sp_fieldset, 1);
}

static bool reserve(sp_arena *a, sp_fieldset *s, size_t cap)
{
	if (cap <= s->cap)
		return true;
	sp_fs_entry *entries =
		sp_arena_try_grow(a, s->entries, s->cap * sizeof(*entries), cap * sizeof(*entries));
	if (entries == NULL || cap > UINT32_MAX)
		return false;
	s->entries = entries;
	s->cap = (uint32_t)cap;
	return true;
}

/* Where pe is or belongs; *ret_found tells which. */
static size_t lower_bound(const sp_fieldset *s, const sp_pe *pe, bool *ret_found)
{
	size_t lo = 0, hi = s->n;
	*ret_found = false;
	/* Most sets are built and searched in order: look at the end first. */
	if (hi > 0) {
		int c = sp_pe_cmp(&s->entries[hi - 1].pe, pe);
		if (c < 0)
			return hi;
		*ret_found = c == 0;
		if (c == 0)
			return hi - 1;
		hi--;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = sp_pe_cmp(&s->entries[mid].pe, pe);
		if (c == 0) {
			*ret_found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

sp_fs_entry *sp_fieldset_entry(sp_arena *a, sp_fieldset *s, const sp_pe *pe)
{
	bool found = false;
	size_t at = lower_bound(s, pe, &found);
	if (found)
		return &s->entries[at];
	if (s->n == s->cap && !reserve(a, s, s->cap == 0 ? 4 : (size_t)s->cap * 2))
		return NULL;
	memmove(&s->entries[at + 1], &s->entries[at], (s->n - at) * sizeof(*s->entries));
	s->n++;
	s->entries[at] = (sp_fs_entry){.pe = *pe};
	return &s->entries[at];
}

bool sp_fieldset_append(sp_arena *a, sp_fieldset *s, const sp_fs_entry *e)
{
	if (s->n == s->cap && !reserve(a, s, s->cap == 0 ? 4 : (size_t)s->cap * 2))
		return false;
	s->entries[s->n++] = *e;
	return true;
}

static int entry_cmp(const void *x, const void *y)
{
	const sp_fs_entry *a = x, *b = y;
	return sp_pe_cmp(&a->pe, &b->pe);
}

void sp_fieldset_seal(sp_fieldset *s)
{
	bool sorted = true;
	for (uint32_t i = 1; i < s->n && sorted; i++)
		sorted = sp_pe_cmp(&s->entries[i - 1].pe, &s->entries[i].pe) < 0;
	if (sorted)
		return;
	qsort(s->entries, s->n, sizeof(*s->entries), entry_cmp);
	uint32_t n = 1;
	for (uint32_t i = 1; i < s->n; i++) {
		sp_fs_entry *last = &s->entries[n - 1], *e = &s->entries[i];
		if (sp_pe_cmp(&last->pe, &e->pe) != 0) {
			s->entries[n++] = *e;
			continue;
		}
		last->member = last->member || e->member;
		last->child = last->child != NULL ? last->child : e->child;
	}
	s->n = n;
}

const sp_fs_entry *sp_fieldset_find(const sp_fieldset *s, const sp_pe *pe)
{
	bool found = false;
	if (s == NULL)
		return NULL;
	size_t at = lower_bound(s, pe, &found);
	return found ? &s->entries[at] : NULL;
}

bool sp_fieldset_empty(const sp_fieldset *s)
{
	return sp_fieldset_count(s) == 0;
}

size_t sp_fieldset_count(const sp_fieldset *s)
{
	size_t n = 0;
	for (uint32_t i = 0; s != NULL && i < s->n; i++)
		n += (s->entries[i].member ? 1u : 0u) + sp_fieldset_count(s->entries[i].child);
	return n;
}

bool sp_fieldset_equal(const sp_fieldset *x, const sp_fieldset *y)
{
	uint32_t nx = x == NULL ? 0 : x->n, ny = y == NULL ? 0 : y->n;
	if (nx != ny)
		return false;
	for (uint32_t i = 0; i < nx; i++) {
		if (x->entries[i].member != y->entries[i].member ||
		    sp_pe_cmp(&x->entries[i].pe, &y->entries[i].pe) != 0 ||
		    !sp_fieldset_equal(x->entries[i].child, y->entries[i].child))
			return false;
	}
	return true;
}

/* -- algebra ------------------------------------------------------------------------------------------------
 */

typedef enum set_op { OP_UNION, OP_INTERSECTION, OP_DIFFERENCE, OP_RECURSIVE } set_op;

static sp_code combine(sp_arena *a, set_op op, const sp_fieldset *x, const sp_fieldset *y,
		       const sp_fieldset **ret);

/* The entry that two entries of one path element make; nothing is added when it is empty. */
static sp_code combine_entry(sp_arena *a, set_op op, const sp_fs_entry *x, const sp_fs_entry *y,
			     sp_fieldset *out)
{
	sp_fs_entry e = {.pe = x->pe};
	const sp_fieldset *child = NULL;
	switch (op) {
	case OP_UNION:
		e.member = x->member || y->member;
		break;
	case OP_INTERSECTION:
		e.member = x->member && y->member;
		break;
	case OP_RECURSIVE:
		if (y->member)
			return SP_OK;
		e.member = x->member;
		break;
	case OP_DIFFERENCE:
		e.member = x->member && !y->member;
		break;
	}
	SP_TRY(combine(a, op, x->child, y->child, &child));
	e.child = child;
	if (e.member || e.child != NULL)
		out->entries[out->n++] = e;
	return SP_OK;
}

static sp_code combine(sp_arena *a, set_op op, const sp_fieldset *x, const sp_fieldset *y,
		       const sp_fieldset **ret)
{
	if (x == NULL || x->n == 0 || y == NULL || y->n == 0) {
		*ret = x == NULL || x->n == 0 ? (op == OP_UNION ? y : NULL)
					      : (op == OP_INTERSECTION ? NULL : x);
		if (*ret != NULL && (*ret)->n == 0)
			*ret = NULL;
		return SP_OK;
	}
	sp_fieldset *out = sp_fieldset_new(a);
	size_t cap = op == OP_UNION ? (size_t)x->n + y->n : op == OP_INTERSECTION ? SP_MIN(x->n, y->n) : x->n;
	if (out == NULL || !reserve(a, out, cap))
		return SP_ENOMEM;
	uint32_t i = 0, j = 0;
	while (i < x->n || j < y->n) {
		int c = i >= x->n ? 1 : j >= y->n ? -1 : sp_pe_cmp(&x->entries[i].pe, &y->entries[j].pe);
		if (c == 0) {
			SP_TRY(combine_entry(a, op, &x->entries[i++], &y->entries[j++], out));
		} else if (c < 0) {
			if (op != OP_INTERSECTION)
				out->entries[out->n++] = x->entries[i];
			i++;
		} else {
			if (op == OP_UNION)
				out->entries[out->n++] = y->entries[j];
			j++;
		}
	}
	*ret = out->n == 0 ? NULL : out;
	return SP_OK;
}

sp_code sp_fieldset_union(sp_arena *a, const sp_fieldset *x, const sp_fieldset *y, const sp_fieldset **ret)
{
	return combine(a, OP_UNION, x, y, ret);
}

sp_code sp_fieldset_intersection(sp_arena *a, const sp_fieldset *x, const sp_fieldset *y,
				 const sp_fieldset **ret)
{
	return combine(a, OP_INTERSECTION, x, y, ret);
}

sp_code sp_fieldset_difference(sp_arena *a, const sp_fieldset *x, const sp_fieldset *y,
			       const sp_fieldset **ret)
{
	return combine(a, OP_DIFFERENCE, x, y, ret);
}

sp_code sp_fieldset_recursive_difference(sp_arena *a, const sp_fieldset *x, const sp_fieldset *y,
					 const sp_fieldset **ret)
{
	return combine(a, OP_RECURSIVE, x, y, ret);
}

/* -- paths --------------------------------------------------------------------------------------------------
 */

typedef struct walk {
	sp_buf path;
	bool (*fn)(void *arg, sp_str path);
	void *arg;
} walk;

/* The members of a set, then what is below them, as upstream's sets are walked. */
static bool walk_set(walk *w, const sp_fieldset *s)
{
	size_t n = s == NULL ? 0 : s->n, len = w->path.len;
	for (size_t i = 0; i < 2 * n; i++) {
		bool below = i >= n;
		const sp_fs_entry *e = &s->entries[below ? i - n : i];
		if (below ? e->child == NULL : !e->member)
			continue;
		if (sp_pe_text(&w->path, &e->pe) != SP_OK)
			return false;
		if (below ? !walk_set(w, e->child) : !w->fn(w->arg, sp_buf_view(&w->path)))
			return false;
		w->path.len = len;
	}
	return true;
}

sp_code sp_fieldset_each(const sp_fieldset *s, bool (*fn)(void *arg, sp_str path), void *arg)
{
	walk w = {.fn = fn, .arg = arg};
	sp_buf_init(&w.path, SP_LIMIT_REQUEST_BODY_BYTES);
	(void)walk_set(&w, s); /* false: the caller has seen enough, or the buffer tells why */
	sp_code code = sp_buf_code(&w.path);
	sp_buf_done(&w.path);
	return code;
}
