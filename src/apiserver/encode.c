/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/encode.h"

#include "apiserver/request.h"
#include "base/json.h"
#include "base/json_out.h"
#include "base/yaml.h"
#include "kube/protobuf.h"

#define NS_PER_S INT64_C(1000000000)

/* ---- media ---- */

static sp_code put_yaml(sp_buf *out, sp_arena *a, sp_str json, sp_err *err)
{
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *tree = NULL;
	if (doc == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for YAML");
	SP_TRY(sp_json_parse_mut(a, json, doc, &tree, err));
	return sp_yaml_write(out, tree, err);
}

sp_code api_encode_medium(sp_buf *out, sp_arena *a, const api_output *how, const sp_schema *schema,
			  sp_str json, sp_err *err)
{
	switch (how->media) {
	case API_MEDIA_YAML:
		return put_yaml(out, a, json, err);
	case API_MEDIA_PROTOBUF:
		return sp_protobuf_encode(a, out, schema, json, err);
	case API_MEDIA_JSON:
	case API_MEDIA_COUNT_:
		break;
	}
	if (how->pretty)
		return sp_json_indent(out, json, 2);
	/* As Go's json.Encoder ends a value. */
	(void)sp_buf_str(out, json);
	return sp_buf_char(out, '\n');
}

/* ---- shapes ---- */

sp_code api_table_how_read(api_request *r, api_table_how *ret, sp_err *err)
{
	int64_t wall = sp_wall_ns(r->ex->world);
	SP_TRY(sp_table_include_parse(sp_url_query_get(&r->query, SP_STR("includeObject")), &ret->include,
				      err));
	ret->now = (sp_time){wall / NS_PER_S, (uint32_t)(wall % NS_PER_S)};
	ret->no_headers = false;
	return SP_OK;
}

static sp_code put_table(sp_buf *out, const api_resource *res, const api_table_how *how, sp_str json,
			 sp_str revision, sp_err *err)
{
	sp_table t;
	const sp_table_options options = {
		.include = how->include, .no_headers = how->no_headers, .now = how->now};
	const sp_list_meta meta = {.resource_version = revision};
	sp_table_init(&t, res->plan, &options, out);
	sp_code code = sp_table_begin(&t, &meta);
	if (code == SP_OK)
		code = sp_table_row(&t, json, err);
	if (code == SP_OK)
		code = sp_table_end(&t);
	sp_table_done(&t);
	return code;
}

sp_code api_encode_shape(sp_buf *out, const api_output *how, const api_resource *res,
			 const api_table_how *table, sp_str json, sp_str revision, sp_err *err)
{
	sp_jout j;
	switch (how->shape) {
	case API_SHAPE_TABLE:
		return put_table(out, res, table, json, revision, err);
	case API_SHAPE_METADATA:
	case API_SHAPE_METADATA_LIST:
		j = sp_jout_to(out);
		return sp_partial_write(&j, res->kind, json);
	case API_SHAPE_OBJECT:
	case API_SHAPE_DISCOVERY:
	case API_SHAPE_COUNT_:
		break;
	}
	return sp_buf_str(out, json);
}

const sp_schema *api_shape_schema(const api_output *how, const api_resource *res)
{
	if (how->shape == API_SHAPE_METADATA || how->shape == API_SHAPE_METADATA_LIST)
		return sp_schema_by_name(
			SP_STR("io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata"));
	return res->kind->schema;
}
