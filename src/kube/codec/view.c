/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/view.h"

#include "base/num.h"

static yyjson_type type_of(const yyjson_val *v)
{
	return (yyjson_type)(v->tag & YYJSON_TYPE_MASK);
}

static sp_str text_of(const yyjson_val *v)
{
	return (sp_str){v->uni.str, (size_t)(v->tag >> YYJSON_TAG_BIT)};
}

static bool whole_number(yyjson_val *v, int64_t *ret)
{
	if (!yyjson_is_int(v) || (yyjson_is_uint(v) && unsafe_yyjson_get_uint(v) > INT64_MAX))
		return false;
	*ret = unsafe_yyjson_get_sint(v);
	return true;
}

static bool set_number(const sp_view_field *f, yyjson_val *v, char *at)
{
	int64_t n;
	if (f->type == SP_VIEW_F64 && yyjson_is_num(v)) {
		double d = unsafe_yyjson_get_num(v);
		memcpy(at, &d, sizeof d);
		return true;
	}
	if (f->type == SP_VIEW_F64 || !whole_number(v, &n))
		return false;
	int32_t narrow = (int32_t)n;
	if (f->type == SP_VIEW_I64)
		memcpy(at, &n, sizeof n);
	else if (narrow == n)
		memcpy(at, &narrow, sizeof narrow);
	return f->type == SP_VIEW_I64 || narrow == n;
}

static bool set_container(const sp_view_field *f, yyjson_val *v, char *at)
{
	if (f->type == SP_VIEW_LIST && type_of(v) == YYJSON_TYPE_ARR) {
		sp_vlist list = {unsafe_yyjson_get_first(v), unsafe_yyjson_get_len(v)};
		memcpy(at, &list, sizeof list);
		return true;
	}
	if (f->type == SP_VIEW_MAP && type_of(v) == YYJSON_TYPE_OBJ) {
		sp_vmap map = {v};
		memcpy(at, &map, sizeof map);
		return true;
	}
	return false;
}

static bool set_text(const sp_view_field *f, yyjson_val *v, char *at)
{
	sp_str text = text_of(v);
	sp_time t;
	if (type_of(v) != YYJSON_TYPE_STR)
		return false;
	if (f->type == SP_VIEW_STR)
		memcpy(at, &text, sizeof text);
	else if (sp_time_parse(text, &t, NULL) == SP_OK)
		memcpy(at, &t, sizeof t);
	else
		return false;
	return true;
}

static bool set(const sp_view_field *f, yyjson_val *v, char *at)
{
	bool truth;
	switch ((sp_view_type)f->type) {
	case SP_VIEW_STR:
	case SP_VIEW_TIME:
		return set_text(f, v, at);
	case SP_VIEW_I32:
	case SP_VIEW_I64:
	case SP_VIEW_F64:
		return set_number(f, v, at);
	case SP_VIEW_BOOL:
		truth = unsafe_yyjson_is_true(v);
		if (type_of(v) != YYJSON_TYPE_BOOL)
			return false;
		memcpy(at, &truth, sizeof truth);
		return true;
	case SP_VIEW_LIST:
	case SP_VIEW_MAP:
		return set_container(f, v, at);
	case SP_VIEW_VAL:
	default:
		if (type_of(v) == YYJSON_TYPE_NULL)
			return false;
		memcpy(at, (void *)&v, sizeof(void *));
		return true;
	}
}

/* The first step of a path. */
static size_t step_len(const char *path)
{
	size_t n = 0;
	while (path[n] != '.' && path[n] != '\0')
		n++;
	return n;
}

/* Members are looked for behind the last one found: views are declared in the order of objects, mostly. */
typedef struct cursor {
	yyjson_val *first, *next;
	size_t n, left; /* members in all, and from `next` on */
} cursor;

static yyjson_val *find(cursor *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->left == 0) {
			c->next = c->first;
			c->left = c->n;
		}
		yyjson_val *key = c->next;
		c->next = unsafe_yyjson_get_next(key + 1);
		c->left--;
		if ((key->tag >> YYJSON_TAG_BIT) == len && memcmp(key->uni.str, name, len) == 0)
			return key + 1;
	}
	return NULL;
}

/* Fields [i, end) whose paths are alike up to `skip`, in the object they lead to. */
static void fill(yyjson_val *object, const sp_view_field *fields, size_t n, size_t skip, char *out)
{
	cursor c = {.n = unsafe_yyjson_get_len(object), .left = unsafe_yyjson_get_len(object)};
	c.first = c.next = unsafe_yyjson_get_first(object);
	for (size_t i = 0; i < n;) {
		const char *path = fields[i].path + skip;
		size_t len = step_len(path);
		size_t end = i + 1;
		yyjson_val *v = find(&c, path, len);
		bool last = path[len] == '\0';
		while (!last && end < n && strncmp(fields[end].path + skip, path, len + 1) == 0)
			end++;
		if (v != NULL && last) {
			bool is_set = set(&fields[i], v, out + fields[i].offset);
			if (fields[i].has_offset != SP_VIEW_NO_HAS)
				memcpy(out + fields[i].has_offset, &is_set, sizeof is_set);
		} else if (v != NULL && type_of(v) == YYJSON_TYPE_OBJ) {
			fill(v, fields + i, end - i, skip + len + 1, out);
		}
		i = end;
	}
}

void sp_view_fill(yyjson_val *object, const sp_view_desc *d, void *ret)
{
	memset(ret, 0, d->size_bytes);
	if (yyjson_is_obj(object))
		fill(object, d->fields, d->n_fields, 0, ret);
}

sp_code sp_view(sp_arena *a, sp_str json, const sp_view_desc *d, void *ret, sp_err *err)
{
	yyjson_val *root = NULL;
	SP_TRY(sp_json_parse(a, json, &root, err));
	sp_view_fill(root, d, ret);
	return SP_OK;
}

yyjson_val *sp_vlist_end(sp_vlist list)
{
	yyjson_val *v = list.first;
	for (size_t i = 0; i < list.n; i++)
		v = unsafe_yyjson_get_next(v);
	return v;
}

sp_str sp_vmap_str(sp_vmap map, sp_str key)
{
	return sp_json_str(sp_json_last(map.object, key));
}

yyjson_val *sp_view_at(yyjson_val *v, const char *path)
{
	while (v != NULL && *path != '\0') {
		size_t n = strcspn(path, ".[");
		if (n != 0)
			v = sp_json_last(v, (sp_str){path, n});
		path += n;
		if (*path == '[') {
			uint64_t index;
			size_t close = strcspn(path, "]");
			if (sp_parse_u64((sp_str){path + 1, close - 1}, 0, UINT32_MAX, &index, NULL) != SP_OK)
				return NULL;
			v = yyjson_arr_get(v, index);
			path += close + (path[close] == ']' ? 1 : 0);
		}
		path += *path == '.' ? 1 : 0;
	}
	return v;
}

sp_str sp_view_str_at(yyjson_val *v, const char *path)
{
	return sp_json_str(sp_view_at(v, path));
}
