/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/pod_template.h"

static bool has_member(sp_str members, sp_str key)
{
	sp_str rest = members;
	for (ptrdiff_t at; (at = sp_str_find(rest, key)) >= 0;) { /* "key": of text made here */
		size_t end = (size_t)at + key.len;
		if (at > 0 && rest.ptr[at - 1] == '"' && end + 1 < rest.len && rest.ptr[end] == '"' &&
		    rest.ptr[end + 1] == ':')
			return true;
		rest = sp_str_sub(rest, end, rest.len);
	}
	return false;
}

/* The template's map of that name with ours before; nothing when both are empty. */
static void write_map(sp_jout *j, yyjson_val *meta, const char *name, sp_str ours)
{
	yyjson_val *map = sp_json_last(meta, sp_str_c(name)), *key;
	if (ours.len == 0 && !yyjson_is_obj(map))
		return;
	sp_jout_member_open(j, sp_str_c(name), '{');
	if (ours.len > 0)
		sp_jout_raw(j, ours);
	yyjson_obj_iter it = yyjson_obj_iter_with(map);
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		if (!has_member(ours, sp_json_str(key)))
			sp_jout_member_str(j, sp_json_str(key), sp_json_str(yyjson_obj_iter_get_val(key)));
	}
	sp_jout_close(j, '}');
}

static void write_finalizers(sp_jout *j, yyjson_val *meta, sp_str ours)
{
	yyjson_val *list = sp_json_last(meta, SP_STR("finalizers")), *v;
	size_t i, n;
	if (ours.len == 0 && yyjson_arr_size(list) == 0)
		return;
	sp_jout_member_open(j, SP_STR("finalizers"), '[');
	yyjson_arr_foreach(list, i, n, v) sp_jout_str(j, sp_json_str(v));
	if (ours.len > 0)
		sp_jout_raw(j, ours);
	sp_jout_close(j, ']');
}

static void write_owner(sp_jout *j, const pod_template *t)
{
	sp_jout_member_open(j, SP_STR("ownerReferences"), '[');
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("apiVersion"), sp_str_c(t->owner_api_version));
	sp_jout_member_str(j, SP_STR("kind"), sp_str_c(t->owner_kind));
	sp_jout_member_str(j, SP_STR("name"), t->owner->name);
	sp_jout_member_str(j, SP_STR("uid"), t->owner->uid);
	sp_jout_member_bool(j, SP_STR("controller"), true);
	sp_jout_member_bool(j, SP_STR("blockOwnerDeletion"), true);
	sp_jout_close(j, '}');
	sp_jout_close(j, ']');
}

sp_code pod_template_write(sp_buf *out, const pod_template *t)
{
	sp_jout jout = sp_jout_to(out), *j = &jout;
	yyjson_val *meta = sp_json_last(t->template_, SP_STR("metadata"));
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	if (t->name.len > 0)
		sp_jout_member_str(j, SP_STR("name"), t->name);
	if (t->generate_name.len > 0)
		sp_jout_member_str(j, SP_STR("generateName"), t->generate_name);
	write_map(j, meta, "labels", t->labels);
	write_map(j, meta, "annotations", t->annotations);
	write_finalizers(j, meta, t->finalizers);
	write_owner(j, t);
	sp_jout_close(j, '}');
	sp_jout_key(j, SP_STR("spec"));
	if (t->spec.len > 0)
		sp_jout_raw(j, t->spec);
	else
		(void)sp_json_write(out, sp_json_last(t->template_, SP_STR("spec")));
	(void)sp_buf_char(out, '}');
	return sp_buf_code(out);
}
