/* SPDX-License-Identifier: Apache-2.0 */
/* Views against the built-in schema. */
#include "kube/view.h"

/* The linker's names of the section that SP_VIEW fills; weak: a program may have no views. */
extern const sp_view_desc *const sp_views_begin_[] __asm__("__start_sp_views") __attribute__((weak));
extern const sp_view_desc *const sp_views_end_[] __asm__("__stop_sp_views") __attribute__((weak));

const sp_view_desc *const *sp_view_all(size_t *ret_n)
{
	*ret_n = sp_views_begin_ == NULL ? 0 : (size_t)(sp_views_end_ - sp_views_begin_);
	return sp_views_begin_;
}

static const sp_schema *root_of(const char *name)
{
	sp_str path = sp_str_c(name);
	ptrdiff_t slash = sp_str_rindex(path, '/');
	if (slash < 0)
		return sp_schema_by_name(path);
	sp_str kind = sp_str_sub(path, (size_t)slash + 1, path.len);
	sp_str version = sp_str_sub(path, 0, (size_t)slash);
	sp_str group = {0};
	(void)sp_str_cut(&version, '/', &group);
	const sp_kind *k = sp_kind_by_kind(group, version, kind);
	return k == NULL ? NULL : k->schema;
}

/* The kinds of node whose value a C type can take, as bits. */
#define K(kind_) (UINT32_C(1) << SP_K_##kind_)
static const uint32_t takes[] = {
	[SP_VIEW_STR] = K(STRING) | K(BYTES) | K(QUANTITY) | K(TIME) | K(MICROTIME) | K(DURATION),
	[SP_VIEW_I32] = K(I32),
	[SP_VIEW_I64] = K(I32) | K(I64),
	[SP_VIEW_BOOL] = K(BOOL),
	[SP_VIEW_F64] = K(F64),
	[SP_VIEW_TIME] = K(TIME) | K(MICROTIME),
	[SP_VIEW_LIST] = K(LIST),
	[SP_VIEW_MAP] = K(MAP) | K(OBJECT),
	[SP_VIEW_VAL] = UINT32_MAX,
};

static sp_code check_field(const sp_view_desc *d, const sp_view_field *f, const sp_schema *s, sp_err *err)
{
	sp_str path = sp_str_c(f->path);
	while (path.len != 0) {
		sp_str step;
		if (!sp_str_cut(&path, '.', &step)) {
			step = path;
			path = (sp_str){0};
		}
		const sp_field *field = s->kind == SP_K_OBJECT ? sp_schema_field(s, step, NULL) : NULL;
		if (field == NULL)
			return sp_fail(err, SP_EINVAL, "%s: '%s' has no field '%s' ('" SP_FMT "')", d->name,
				       d->schema, f->path, SP_ARG(step));
		s = field->schema;
	}
	if ((takes[f->type] & UINT32_C(1) << s->kind) == 0)
		return sp_fail(err, SP_EINVAL, "%s: field '%s' of '%s' has another type", d->name, f->path,
			       d->schema);
	return SP_OK;
}

sp_code sp_view_check(const sp_view_desc *d, sp_err *err)
{
	const sp_schema *root = root_of(d->schema);
	if (root == NULL)
		return sp_fail(err, SP_EINVAL, "%s: no schema '%s'", d->name, d->schema);
	for (size_t i = 0; i < d->n_fields; i++)
		SP_TRY(check_field(d, &d->fields[i], root, err));
	return SP_OK;
}
