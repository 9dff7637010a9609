/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says it serves, in the form of aggregated discovery. U: apiserver pkg/endpoints/installer.go,
 * ConvertGroupVersionIntoToDiscovery. */
#include "apiserver/aggregate/int.h"
#include "base/json_out.h"

static void put_list(sp_jout *j, const char *key, yyjson_val *list)
{
	yyjson_val *item;
	size_t i, max;
	if (yyjson_arr_size(list) == 0)
		return;
	sp_jout_member_open(j, sp_str_c(key), '[');
	yyjson_arr_foreach(list, i, max, item) sp_jout_str(j, sp_json_str(item));
	sp_jout_close(j, ']');
}

/* A kind of another group says so; else it is that of the list. */
static void put_kind(sp_jout *j, yyjson_val *v, sp_str group, sp_str version)
{
	sp_str own_group = sp_json_str(yyjson_obj_get(v, "group"));
	sp_str own_version = sp_json_str(yyjson_obj_get(v, "version"));
	sp_jout_member_open(j, SP_STR("responseKind"), '{');
	sp_jout_member_str(j, SP_STR("group"), own_version.len > 0 ? own_group : group);
	sp_jout_member_str(j, SP_STR("version"), own_version.len > 0 ? own_version : version);
	sp_jout_member_str(j, SP_STR("kind"), sp_json_str(yyjson_obj_get(v, "kind")));
	sp_jout_close(j, '}');
}

static void put_subresources(sp_jout *j, yyjson_val *list, sp_str resource, sp_str group, sp_str version)
{
	yyjson_val *v;
	size_t i, max;
	bool any = false;
	yyjson_arr_foreach(list, i, max, v)
	{
		sp_str name = sp_json_str(yyjson_obj_get(v, "name"));
		if (!sp_str_take(&name, resource) || !sp_str_take(&name, SP_STR("/")))
			continue;
		if (!any)
			sp_jout_member_open(j, SP_STR("subresources"), '[');
		any = true;
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("subresource"), name);
		put_kind(j, v, group, version);
		put_list(j, "verbs", yyjson_obj_get(v, "verbs"));
		sp_jout_close(j, '}');
	}
	if (any)
		sp_jout_close(j, ']');
}

sp_code aggregate_doc_hash(sp_arena *a, sp_str index, sp_str group, sp_str version, sp_str *ret, sp_err *err)
{
	yyjson_val *root;
	sp_str path = sp_arena_printf(a, "apis/" SP_FMT "/" SP_FMT, SP_ARG(group), SP_ARG(version)), head;
	if (path.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for a path");
	SP_TRY(sp_json_parse(a, index, &root, err));
	yyjson_val *doc = sp_json_last(sp_json_last(root, SP_STR("paths")), path);
	sp_str url = sp_json_str(yyjson_obj_get(doc, "serverRelativeURL"));
	ptrdiff_t at = sp_str_find(url, SP_STR("hash="));
	*ret = at < 0 ? SP_STR("") : sp_str_sub(url, (size_t)at + 5, url.len);
	if (sp_str_cut(ret, '&', &head))
		*ret = head;
	return SP_OK;
}

sp_code aggregate_resources(sp_arena *a, sp_str text, sp_str group, sp_str version, sp_buf *out, sp_err *err)
{
	yyjson_val *root, *v;
	size_t i, max;
	SP_TRY(sp_json_parse(a, text, &root, err));
	yyjson_val *list = yyjson_obj_get(root, "resources");
	if (!sp_str_eq(sp_json_str(yyjson_obj_get(root, "kind")), SP_STR("APIResourceList")))
		return sp_fail(err, SP_EINVAL, "an APIResourceList is expected");
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '[');
	yyjson_arr_foreach(list, i, max, v)
	{
		sp_str name = sp_json_str(yyjson_obj_get(v, "name"));
		if (name.len == 0 || sp_str_index(name, '/') >= 0)
			continue;
		sp_jout_open(&j, '{');
		sp_jout_member_str(&j, SP_STR("resource"), name);
		put_kind(&j, v, group, version);
		sp_jout_member_str(&j, SP_STR("scope"),
				   yyjson_get_bool(yyjson_obj_get(v, "namespaced")) ? SP_STR("Namespaced")
										    : SP_STR("Cluster"));
		sp_jout_member_str(&j, SP_STR("singularResource"),
				   sp_json_str(yyjson_obj_get(v, "singularName")));
		put_list(&j, "verbs", yyjson_obj_get(v, "verbs"));
		put_list(&j, "shortNames", yyjson_obj_get(v, "shortNames"));
		put_list(&j, "categories", yyjson_obj_get(v, "categories"));
		put_subresources(&j, list, name, group, version);
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, ']');
	return sp_buf_code(out);
}
