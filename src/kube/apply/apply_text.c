/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "kube/apply/apply_int.h"
#include "kube/apply/typed_int.h"
#include "kube/patch/members.h"
#include "kube/patch/patch_int.h"

/* -- conflicts
 * ------------------------------------------------------------------------------------------------ */

typedef struct conflict_walk {
	sp_arena *arena;
	sp_str owner; /* "name" with subresource "status" using v1 */
	sp_buf *message;
	sp_patch_cause *causes;
	size_t n, n_max;
} conflict_walk;

static bool conflict_path(void *arg, sp_str path)
{
	conflict_walk *w = arg;
	sp_patch_cause *c = &w->causes[w->n++];
	(void)sp_buf_str(w->message, SP_STR("\n- "));
	(void)sp_buf_str(w->message, path);
	c->reason = SP_STR("FieldManagerConflict");
	c->message = sp_arena_printf(w->arena, "conflict with " SP_FMT, SP_ARG(w->owner));
	c->field = sp_arena_try_dup(w->arena, path);
	return w->n < w->n_max;
}

static int by_name(const void *x, const void *y)
{
	const sp_manager *a = x, *b = y;
	int c = sp_str_cmp(a->name, b->name);
	if (c == 0)
		c = (int)b->applied - (int)a->applied;
	if (c == 0)
		c = sp_str_cmp(a->api_version, b->api_version);
	return c != 0 ? c : sp_str_cmp(a->subresource, b->subresource);
}

static sp_str owner_text(sp_arena *a, const sp_manager *m)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 1 << 16);
	(void)sp_json_write_str(&text, m->name);
	if (m->subresource.len > 0) {
		(void)sp_buf_str(&text, SP_STR(" with subresource "));
		(void)sp_json_write_str(&text, m->subresource);
	}
	if (!m->applied) {
		(void)sp_buf_str(&text, SP_STR(" using "));
		(void)sp_buf_str(&text, m->api_version);
	}
	return sp_arena_try_dup(a, sp_buf_view(&text));
}

sp_code sp_apply_conflict(sp_arena *a, sp_managers *conflicts, sp_patch_error *perr)
{
	size_t n = 0;
	for (size_t i = 0; i < conflicts->n; i++)
		n += sp_fieldset_count(conflicts->items[i].set);
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	conflict_walk w = {.arena = a, .message = &text, .n_max = n};
	w.causes = sp_try_new(a, sp_patch_cause, n + 1);
	if (w.causes == NULL)
		return SP_ENOMEM;
	qsort(conflicts->items, conflicts->n, sizeof(*conflicts->items), by_name);
	for (size_t i = 0; i < conflicts->n; i++) {
		w.owner = owner_text(a, &conflicts->items[i]);
		(void)sp_buf_str(&text, i == 0 ? SP_STR("conflicts with ") : SP_STR("\nconflicts with "));
		(void)sp_buf_str(&text, w.owner);
		(void)sp_buf_char(&text, ':');
		SP_TRY(sp_fieldset_each(conflicts->items[i].set, conflict_path, &w));
	}
	sp_str all = sp_buf_view(&text);
	if (n == 1)
		(void)sp_patch_fail(a, perr, SP_ECONFLICT, 409, "Conflict",
				    "Apply failed with 1 conflict: " SP_FMT ": " SP_FMT,
				    SP_ARG(w.causes[0].message), SP_ARG(w.causes[0].field));
	else
		(void)sp_patch_fail(a, perr, SP_ECONFLICT, 409, "Conflict",
				    "Apply failed with %zu conflicts: " SP_FMT, n, SP_ARG(all));
	if (perr != NULL) {
		perr->causes = w.causes;
		perr->n_causes = w.n;
	}
	return SP_ECONFLICT;
}

/* -- kubectl's annotation
 * ------------------------------------------------------------------------------------- */

static int by_key(const void *x, const void *y)
{
	const sp_member *a = x, *b = y;
	return sp_str_cmp(sp_members_key(a->key), sp_members_key(b->key));
}

/* Go writes maps by key. */
static bool sort_members(sp_arena *a, yyjson_mut_val *v)
{
	size_t idx, max;
	yyjson_mut_val *item;
	sp_members m;
	if (yyjson_mut_is_arr(v)) {
		yyjson_mut_arr_foreach(v, idx, max, item)
		{
			if (!sort_members(a, item))
				return false;
		}
	}
	if (!yyjson_mut_is_obj(v))
		return true;
	if (!sp_members_load(a, &m, v))
		return false;
	for (size_t i = 0; i < m.n; i++) {
		if (!sort_members(a, m.items[i].val))
			return false;
	}
	if (m.n > 0)
		qsort(m.items, m.n, sizeof(*m.items), by_key);
	sp_members_store(&m, v);
	return true;
}

sp_code sp_apply_set_last_applied(const sp_apply_request *q, yyjson_mut_val *object, yyjson_mut_val *patch)
{
	static const char name[] = "kubectl.kubernetes.io/last-applied-configuration";
	yyjson_mut_val *copy = sp_typed_copy(q->doc, patch);
	if (copy == NULL || !sort_members(q->arena, copy))
		return SP_ENOMEM;
	(void)sp_jmut_remove(sp_jmut_path(copy, "metadata", "annotations", NULL), sp_str_c(name));
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	(void)sp_json_write_mut(&text, copy);
	if (sp_buf_char(&text, '\n') != SP_OK)
		return sp_buf_code(&text);
	return sp_jmut_set_str(q->doc, sp_jmut_path(object, "metadata", "annotations", NULL), sp_str_c(name),
			       sp_buf_view(&text))
		       ? SP_OK
		       : SP_ENOMEM;
}
