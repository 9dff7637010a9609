/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of openapi.v2 (google/gnostic openapiv2/OpenAPIv2.proto); fields that our documents never have are
 * left out. */
#include "kube/openapi/proto_int.h"

static const pb_message schema;

static const pb_field reference_fields[] = {
	{SP_STR_INIT("$ref"), 1, PB_STRING, NULL},
	{SP_STR_INIT("description"), 2, PB_STRING, NULL},
};
static const pb_message reference = {.fields = reference_fields, .n_fields = SP_LEN(reference_fields)};

static const pb_message properties = {.map = 1, .map_value = &schema};

static const pb_message type_item = {.strings = 1};

/* ItemsItem {schema = 1} */
static size_t choose_item(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	(void)v;
	wraps[0] = 1;
	*ret = &schema;
	return 1;
}

static const pb_message items_item = {.choose = choose_item};

static const pb_message schema_item = {.choose = choose_item};

static const pb_message additional = {.choose = choose_item, .boolean = 2};

static const pb_field docs_fields[] = {
	{SP_STR_INIT("description"), 1, PB_STRING, NULL},
	{SP_STR_INIT("url"), 2, PB_STRING, NULL},
};
static const pb_message docs = {.fields = docs_fields, .n_fields = SP_LEN(docs_fields), .extensions = 3};

static const pb_field schema_fields[] = {
	{SP_STR_INIT("$ref"), 1, PB_STRING, NULL},
	{SP_STR_INIT("format"), 2, PB_STRING, NULL},
	{SP_STR_INIT("title"), 3, PB_STRING, NULL},
	{SP_STR_INIT("description"), 4, PB_STRING, NULL},
	{SP_STR_INIT("default"), 5, PB_ANY, NULL},
	{SP_STR_INIT("multipleOf"), 6, PB_DOUBLE, NULL},
	{SP_STR_INIT("maximum"), 7, PB_DOUBLE, NULL},
	{SP_STR_INIT("exclusiveMaximum"), 8, PB_BOOL, NULL},
	{SP_STR_INIT("minimum"), 9, PB_DOUBLE, NULL},
	{SP_STR_INIT("exclusiveMinimum"), 10, PB_BOOL, NULL},
	{SP_STR_INIT("maxLength"), 11, PB_INT, NULL},
	{SP_STR_INIT("minLength"), 12, PB_INT, NULL},
	{SP_STR_INIT("pattern"), 13, PB_STRING, NULL},
	{SP_STR_INIT("maxItems"), 14, PB_INT, NULL},
	{SP_STR_INIT("minItems"), 15, PB_INT, NULL},
	{SP_STR_INIT("uniqueItems"), 16, PB_BOOL, NULL},
	{SP_STR_INIT("maxProperties"), 17, PB_INT, NULL},
	{SP_STR_INIT("minProperties"), 18, PB_INT, NULL},
	{SP_STR_INIT("required"), 19, PB_STRINGS, NULL},
	{SP_STR_INIT("enum"), 20, PB_ANYS, NULL},
	{SP_STR_INIT("additionalProperties"), 21, PB_MESSAGE, &additional},
	{SP_STR_INIT("type"), 22, PB_MESSAGE, &type_item},
	{SP_STR_INIT("items"), 23, PB_MESSAGE, &items_item},
	{SP_STR_INIT("properties"), 25, PB_MESSAGE, &properties},
	{SP_STR_INIT("externalDocs"), 29, PB_MESSAGE, &docs},
	{SP_STR_INIT("example"), 30, PB_ANY, NULL},
};
static const pb_message schema = {
	.fields = schema_fields, .n_fields = SP_LEN(schema_fields), .extensions = 31};

static const pb_field body_parameter_fields[] = {
	{SP_STR_INIT("description"), 1, PB_STRING, NULL}, {SP_STR_INIT("name"), 2, PB_STRING, NULL},
	{SP_STR_INIT("in"), 3, PB_STRING, NULL},          {SP_STR_INIT("required"), 4, PB_BOOL, NULL},
	{SP_STR_INIT("schema"), 5, PB_MESSAGE, &schema},
};
static const pb_message body_parameter = {
	.fields = body_parameter_fields, .n_fields = SP_LEN(body_parameter_fields), .extensions = 6};

static const pb_field query_parameter_fields[] = {
	{SP_STR_INIT("required"), 1, PB_BOOL, NULL},      {SP_STR_INIT("in"), 2, PB_STRING, NULL},
	{SP_STR_INIT("description"), 3, PB_STRING, NULL}, {SP_STR_INIT("name"), 4, PB_STRING, NULL},
	{SP_STR_INIT("type"), 6, PB_STRING, NULL},        {SP_STR_INIT("format"), 7, PB_STRING, NULL},
	{SP_STR_INIT("uniqueItems"), 20, PB_BOOL, NULL},
};
static const pb_message query_parameter = {
	.fields = query_parameter_fields, .n_fields = SP_LEN(query_parameter_fields), .extensions = 23};

static const pb_field path_parameter_fields[] = {
	{SP_STR_INIT("required"), 1, PB_BOOL, NULL},      {SP_STR_INIT("in"), 2, PB_STRING, NULL},
	{SP_STR_INIT("description"), 3, PB_STRING, NULL}, {SP_STR_INIT("name"), 4, PB_STRING, NULL},
	{SP_STR_INIT("type"), 5, PB_STRING, NULL},        {SP_STR_INIT("format"), 6, PB_STRING, NULL},
	{SP_STR_INIT("uniqueItems"), 19, PB_BOOL, NULL},
};
static const pb_message path_parameter = {
	.fields = path_parameter_fields, .n_fields = SP_LEN(path_parameter_fields), .extensions = 22};

/* Parameter {body_parameter = 1, non_body_parameter = 2 {query = 3, path = 4}} */
static size_t choose_parameter(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	sp_str in = sp_json_str(sp_json_last(v, SP_STR("in")));
	bool path = sp_str_eq(in, SP_STR("path"));
	if (sp_str_eq(in, SP_STR("body"))) {
		wraps[0] = 1;
		*ret = &body_parameter;
		return 1;
	}
	wraps[0] = 2;
	wraps[1] = path ? 4 : 3;
	*ret = path ? &path_parameter : &query_parameter;
	return 2;
}

/* ParametersItem {parameter = 1, json_reference = 2} */
static size_t choose_parameter_item(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	if (sp_json_last(v, SP_STR("$ref")) != NULL) {
		wraps[0] = 2;
		*ret = &reference;
		return 1;
	}
	wraps[0] = 1;
	return 1 + choose_parameter(v, ret, wraps + 1);
}

static const pb_message parameter = {.choose = choose_parameter};

static const pb_message parameter_item = {.choose = choose_parameter_item};

static const pb_field response_fields[] = {
	{SP_STR_INIT("description"), 1, PB_STRING, NULL},
	{SP_STR_INIT("schema"), 2, PB_MESSAGE, &schema_item},
};
static const pb_message response = {
	.fields = response_fields, .n_fields = SP_LEN(response_fields), .extensions = 5};

/* ResponseValue {response = 1} */
static size_t choose_response(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	(void)v;
	wraps[0] = 1;
	*ret = &response;
	return 1;
}

static const pb_message response_value = {.choose = choose_response};

static const pb_message responses = {.extensions = 2, .map = 1, .map_value = &response_value};

static const pb_message string_array = {.strings = 1};

static const pb_message security_requirement = {.map = 1, .map_value = &string_array};

static const pb_field operation_fields[] = {
	{SP_STR_INIT("tags"), 1, PB_STRINGS, NULL},
	{SP_STR_INIT("summary"), 2, PB_STRING, NULL},
	{SP_STR_INIT("description"), 3, PB_STRING, NULL},
	{SP_STR_INIT("operationId"), 5, PB_STRING, NULL},
	{SP_STR_INIT("produces"), 6, PB_STRINGS, NULL},
	{SP_STR_INIT("consumes"), 7, PB_STRINGS, NULL},
	{SP_STR_INIT("parameters"), 8, PB_MESSAGES, &parameter_item},
	{SP_STR_INIT("responses"), 9, PB_MESSAGE, &responses},
	{SP_STR_INIT("schemes"), 10, PB_STRINGS, NULL},
	{SP_STR_INIT("deprecated"), 11, PB_BOOL, NULL},
	{SP_STR_INIT("security"), 12, PB_MESSAGES, &security_requirement},
};
static const pb_message operation = {
	.fields = operation_fields, .n_fields = SP_LEN(operation_fields), .extensions = 13};

static const pb_field path_item_fields[] = {
	{SP_STR_INIT("get"), 2, PB_MESSAGE, &operation},
	{SP_STR_INIT("put"), 3, PB_MESSAGE, &operation},
	{SP_STR_INIT("post"), 4, PB_MESSAGE, &operation},
	{SP_STR_INIT("delete"), 5, PB_MESSAGE, &operation},
	{SP_STR_INIT("options"), 6, PB_MESSAGE, &operation},
	{SP_STR_INIT("head"), 7, PB_MESSAGE, &operation},
	{SP_STR_INIT("patch"), 8, PB_MESSAGE, &operation},
	{SP_STR_INIT("parameters"), 9, PB_MESSAGES, &parameter_item},
};
static const pb_message path_item = {
	.fields = path_item_fields, .n_fields = SP_LEN(path_item_fields), .extensions = 10};

static const pb_message paths = {.extensions = 1, .map = 2, .map_value = &path_item};

static const pb_message parameter_definitions = {.map = 1, .map_value = &parameter};

static const pb_field api_key_fields[] = {
	{SP_STR_INIT("type"), 1, PB_STRING, NULL},
	{SP_STR_INIT("name"), 2, PB_STRING, NULL},
	{SP_STR_INIT("in"), 3, PB_STRING, NULL},
	{SP_STR_INIT("description"), 4, PB_STRING, NULL},
};
static const pb_message api_key = {
	.fields = api_key_fields, .n_fields = SP_LEN(api_key_fields), .extensions = 5};

/* SecurityDefinitionsItem {api_key_security = 2} */
static size_t choose_security(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	(void)v;
	wraps[0] = 2;
	*ret = &api_key;
	return 1;
}

static const pb_message security_item = {.choose = choose_security};

static const pb_message security_definitions = {.map = 1, .map_value = &security_item};

static const pb_field info_fields[] = {
	{SP_STR_INIT("title"), 1, PB_STRING, NULL},
	{SP_STR_INIT("version"), 2, PB_STRING, NULL},
	{SP_STR_INIT("description"), 3, PB_STRING, NULL},
};
static const pb_message info = {.fields = info_fields, .n_fields = SP_LEN(info_fields), .extensions = 7};

static const pb_field pb_v2_document_fields[] = {
	{SP_STR_INIT("swagger"), 1, PB_STRING, NULL},
	{SP_STR_INIT("info"), 2, PB_MESSAGE, &info},
	{SP_STR_INIT("paths"), 8, PB_MESSAGE, &paths},
	{SP_STR_INIT("definitions"), 9, PB_MESSAGE, &properties},
	{SP_STR_INIT("parameters"), 10, PB_MESSAGE, &parameter_definitions},
	{SP_STR_INIT("security"), 12, PB_MESSAGES, &security_requirement},
	{SP_STR_INIT("securityDefinitions"), 13, PB_MESSAGE, &security_definitions},
};
const pb_message pb_v2_document = {
	.fields = pb_v2_document_fields, .n_fields = SP_LEN(pb_v2_document_fields), .extensions = 16};
