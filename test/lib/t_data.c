/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/t_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static FILE *open_data(const char *path)
{
	static const char *const roots[] = {"../shared/data", "../../shared/data"};
	const char *root = getenv("SAMPAN_TEST_DATA");
	char name[1024];
	FILE *f = NULL;
	if (root != NULL && snprintf(name, sizeof(name), "%s/%s", root, path) < (int)sizeof(name))
		return fopen(name, "re");
	for (size_t i = 0; i < SP_LEN(roots) && f == NULL; i++)
		if (snprintf(name, sizeof(name), "%s/%s", roots[i], path) < (int)sizeof(name))
			f = fopen(name, "re");
	return f;
}

sp_str t_data_read(sp_arena *a, const char *path, bool *ret_there)
{
	FILE *f = open_data(path);
	struct stat st;
	sp_str text = {NULL, 0};
	*ret_there = f != NULL;
	if (f == NULL)
		return text;
	if (fstat(fileno(f), &st) == 0) {
		char *p = sp_try_new(a, char, (size_t)st.st_size + 1);
		if (p != NULL)
			text = (sp_str){p, fread(p, 1, (size_t)st.st_size, f)};
	}
	(void)fclose(f);
	return text;
}

/* Notes the step that led to a difference, outermost first. */
static SP_PRINTF(3, 4) bool differs(char *where, size_t n, const char *fmt, ...)
{
	char step[256], rest[256];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(step, sizeof(step), fmt, ap);
	va_end(ap);
	(void)snprintf(rest, sizeof(rest), "%s", where);
	(void)snprintf(where, n, "/%.200s%.200s", step, rest);
	return false;
}

static bool equal_objects(yyjson_val *got, yyjson_val *want, char *where, size_t n)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(want);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		yyjson_val *mine = sp_json_last(got, sp_json_str(key));
		if (mine == NULL)
			return differs(where, n, "%s (missing)", yyjson_get_str(key));
		if (!t_json_equal(mine, yyjson_obj_iter_get_val(key), where, n))
			return differs(where, n, "%s", yyjson_get_str(key));
	}
	it = yyjson_obj_iter_with(got);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;)
		if (sp_json_last(want, sp_json_str(key)) == NULL)
			return differs(where, n, "%s (not wanted)", yyjson_get_str(key));
	return true;
}

static const char *label_of(yyjson_val *v)
{
	const char *name = yyjson_get_str(yyjson_obj_get(v, "name"));
	return name == NULL ? "" : name;
}

static bool equal_arrays(yyjson_val *got, yyjson_val *want, char *where, size_t n)
{
	size_t len = SP_MAX(yyjson_arr_size(got), yyjson_arr_size(want));
	for (size_t i = 0; i < len; i++) {
		yyjson_val *g = yyjson_arr_get(got, i), *w = yyjson_arr_get(want, i);
		if (g == NULL || w == NULL)
			return differs(where, n, "%zu (%s %s)", i, g == NULL ? "missing" : "not wanted",
				       label_of(g == NULL ? w : g));
		if (!t_json_equal(g, w, where, n))
			return differs(where, n, "%zu:%s", i, label_of(w));
	}
	return true;
}

bool t_json_equal(yyjson_val *got, yyjson_val *want, char *where, size_t where_bytes)
{
	if (yyjson_is_obj(got) && yyjson_is_obj(want))
		return equal_objects(got, want, where, where_bytes);
	if (yyjson_is_arr(got) && yyjson_is_arr(want))
		return equal_arrays(got, want, where, where_bytes);
	if (yyjson_equals(got, want))
		return true;
	sp_str g = sp_json_str(got), w = sp_json_str(want);
	return differs(where, where_bytes, " got %s '" SP_FMT "' want %s '" SP_FMT "'",
		       yyjson_get_type_desc(got), SP_ARG(g), yyjson_get_type_desc(want), SP_ARG(w));
}
