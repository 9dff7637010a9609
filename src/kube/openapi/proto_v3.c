/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of openapi.v3 (google/gnostic openapiv3/OpenAPIv3.proto); fields that our documents never have are
 * left out. */
#include "kube/openapi/proto_int.h"

static const pb_message schema, schema_or_ref;

static const pb_field reference_fields[] = {
	{SP_STR_INIT("$ref"), 1, PB_STRING, NULL},
	{SP_STR_INIT("summary"), 2, PB_STRING, NULL},
	{SP_STR_INIT("description"), 3, PB_STRING, NULL},
};
static const pb_message reference = {.fields = reference_fields, .n_fields = SP_LEN(reference_fields)};

static const pb_message properties = {.map = 1, .map_value = &schema_or_ref};

/* {SOMETHING = 1, reference = 2} */
static size_t choose_ref(yyjson_val *v, const pb_message *other, const pb_message **ret, uint8_t *wrap)
{
	bool ref = sp_json_last(v, SP_STR("$ref")) != NULL;
	*wrap = ref ? 2 : 1;
	*ret = ref ? &reference : other;
	return 1;
}

static size_t choose_schema(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	return choose_ref(v, &schema, ret, wraps);
}

/* ItemsItem and AdditionalPropertiesItem {schema_or_reference = 1} */
static size_t choose_item(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	wraps[0] = 1;
	return 1 + choose_ref(v, &schema, ret, wraps + 1);
}

static const pb_message schema_or_ref = {.choose = choose_schema};

static const pb_message items_item = {.choose = choose_item};

static const pb_message additional = {.choose = choose_item, .boolean = 2};

static const pb_field docs_fields[] = {
	{SP_STR_INIT("description"), 1, PB_STRING, NULL},
	{SP_STR_INIT("url"), 2, PB_STRING, NULL},
};
static const pb_message docs = {.fields = docs_fields, .n_fields = SP_LEN(docs_fields), .extensions = 3};

static const pb_field schema_fields[] = {
	{SP_STR_INIT("nullable"), 1, PB_BOOL, NULL},
	{SP_STR_INIT("externalDocs"), 6, PB_MESSAGE, &docs},
	{SP_STR_INIT("example"), 7, PB_ANY, NULL},
	{SP_STR_INIT("title"), 9, PB_STRING, NULL},
	{SP_STR_INIT("multipleOf"), 10, PB_DOUBLE, NULL},
	{SP_STR_INIT("maximum"), 11, PB_DOUBLE, NULL},
	{SP_STR_INIT("exclusiveMaximum"), 12, PB_BOOL, NULL},
	{SP_STR_INIT("minimum"), 13, PB_DOUBLE, NULL},
	{SP_STR_INIT("exclusiveMinimum"), 14, PB_BOOL, NULL},
	{SP_STR_INIT("maxLength"), 15, PB_INT, NULL},
	{SP_STR_INIT("minLength"), 16, PB_INT, NULL},
	{SP_STR_INIT("pattern"), 17, PB_STRING, NULL},
	{SP_STR_INIT("maxItems"), 18, PB_INT, NULL},
	{SP_STR_INIT("minItems"), 19, PB_INT, NULL},
	{SP_STR_INIT("uniqueItems"), 20, PB_BOOL, NULL},
	{SP_STR_INIT("maxProperties"), 21, PB_INT, NULL},
	{SP_STR_INIT("minProperties"), 22, PB_INT, NULL},
	{SP_STR_INIT("required"), 23, PB_STRINGS, NULL},
	{SP_STR_INIT("enum"), 24, PB_ANYS, NULL},
	{SP_STR_INIT("type"), 25, PB_STRING, NULL},
	{SP_STR_INIT("allOf"), 26, PB_MESSAGES, &schema_or_ref},
	{SP_STR_INIT("oneOf"), 27, PB_MESSAGES, &schema_or_ref},
	{SP_STR_INIT("anyOf"), 28, PB_MESSAGES, &schema_or_ref},
	{SP_STR_INIT("not"), 29, PB_MESSAGE, &schema},
	{SP_STR_INIT("items"), 30, PB_MESSAGE, &items_item},
	{SP_STR_INIT("properties"), 31, PB_MESSAGE, &properties},
	{SP_STR_INIT("additionalProperties"), 32, PB_MESSAGE, &additional},
	{SP_STR_INIT("default"), 33, PB_DEFAULT, NULL},
	{SP_STR_INIT("description"), 34, PB_STRING, NULL},
	{SP_STR_INIT("format"), 35, PB_STRING, NULL},
};
static const pb_message schema = {
	.fields = schema_fields, .n_fields = SP_LEN(schema_fields), .extensions = 36};

static const pb_field media_type_fields[] = {
	{SP_STR_INIT("schema"), 1, PB_MESSAGE, &schema_or_ref},
};
static const pb_message media_type = {
	.fields = media_type_fields, .n_fields = SP_LEN(media_type_fields), .extensions = 5};

static const pb_message content = {.map = 1, .map_value = &media_type};

static const pb_field parameter_fields[] = {
	{SP_STR_INIT("name"), 1, PB_STRING, NULL},
	{SP_STR_INIT("in"), 2, PB_STRING, NULL},
	{SP_STR_INIT("description"), 3, PB_STRING, NULL},
	{SP_STR_INIT("required"), 4, PB_BOOL, NULL},
	{SP_STR_INIT("schema"), 10, PB_MESSAGE, &schema_or_ref},
};
static const pb_message parameter = {
	.fields = parameter_fields, .n_fields = SP_LEN(parameter_fields), .extensions = 14};

static const pb_field request_body_fields[] = {
	{SP_STR_INIT("description"), 1, PB_STRING, NULL},
	{SP_STR_INIT("content"), 2, PB_MESSAGE, &content},
	{SP_STR_INIT("required"), 3, PB_BOOL, NULL},
};
static const pb_message request_body = {
	.fields = request_body_fields, .n_fields = SP_LEN(request_body_fields), .extensions = 4};

static const pb_field response_fields[] = {
	{SP_STR_INIT("description"), 1, PB_STRING, NULL},
	{SP_STR_INIT("content"), 3, PB_MESSAGE, &content},
};
static const pb_message response = {
	.fields = response_fields, .n_fields = SP_LEN(response_fields), .extensions = 5};

static const pb_field security_scheme_fields[] = {
	{SP_STR_INIT("type"), 1, PB_STRING, NULL},
	{SP_STR_INIT("description"), 2, PB_STRING, NULL},
	{SP_STR_INIT("name"), 3, PB_STRING, NULL},
	{SP_STR_INIT("in"), 4, PB_STRING, NULL},
};
static const pb_message security_scheme = {
	.fields = security_scheme_fields, .n_fields = SP_LEN(security_scheme_fields), .extensions = 9};

static size_t choose_parameter(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	return choose_ref(v, &parameter, ret, wraps);
}

static const pb_message parameter_or_ref = {.choose = choose_parameter};

static size_t choose_request_body(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	return choose_ref(v, &request_body, ret, wraps);
}

static const pb_message request_body_or_ref = {.choose = choose_request_body};

static size_t choose_response(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	return choose_ref(v, &response, ret, wraps);
}

static const pb_message response_or_ref = {.choose = choose_response};

static size_t choose_security_scheme(yyjson_val *v, const pb_message **ret, uint8_t *wraps)
{
	return choose_ref(v, &security_scheme, ret, wraps);
}

static const pb_message security_scheme_or_ref = {.choose = choose_security_scheme};

static const pb_message responses = {.extensions = 3, .map = 2, .map_value = &response_or_ref};

static const pb_field operation_fields[] = {
	{SP_STR_INIT("tags"), 1, PB_STRINGS, NULL},
	{SP_STR_INIT("summary"), 2, PB_STRING, NULL},
	{SP_STR_INIT("description"), 3, PB_STRING, NULL},
	{SP_STR_INIT("operationId"), 5, PB_STRING, NULL},
	{SP_STR_INIT("parameters"), 6, PB_MESSAGES, &parameter_or_ref},
	{SP_STR_INIT("requestBody"), 7, PB_MESSAGE, &request_body_or_ref},
	{SP_STR_INIT("responses"), 8, PB_MESSAGE, &responses},
	{SP_STR_INIT("deprecated"), 10, PB_BOOL, NULL},
};
static const pb_message operation = {
	.fields = operation_fields, .n_fields = SP_LEN(operation_fields), .extensions = 13};

static const pb_field path_item_fields[] = {
	{SP_STR_INIT("get"), 4, PB_MESSAGE, &operation},
	{SP_STR_INIT("put"), 5, PB_MESSAGE, &operation},
	{SP_STR_INIT("post"), 6, PB_MESSAGE, &operation},
	{SP_STR_INIT("delete"), 7, PB_MESSAGE, &operation},
	{SP_STR_INIT("options"), 8, PB_MESSAGE, &operation},
	{SP_STR_INIT("head"), 9, PB_MESSAGE, &operation},
	{SP_STR_INIT("patch"), 10, PB_MESSAGE, &operation},
	{SP_STR_INIT("parameters"), 13, PB_MESSAGES, &parameter_or_ref},
};
static const pb_message path_item = {
	.fields = path_item_fields, .n_fields = SP_LEN(path_item_fields), .extensions = 14};

static const pb_message paths = {.extensions = 2, .map = 1, .map_value = &path_item};

static const pb_message security_schemes = {.map = 1, .map_value = &security_scheme_or_ref};

static const pb_field components_fields[] = {
	{SP_STR_INIT("schemas"), 1, PB_MESSAGE, &properties},
	{SP_STR_INIT("securitySchemes"), 7, PB_MESSAGE, &security_schemes},
};
static const pb_message components = {
	.fields = components_fields, .n_fields = SP_LEN(components_fields), .extensions = 10};

static const pb_field info_fields[] = {
	{SP_STR_INIT("title"), 1, PB_STRING, NULL},
	{SP_STR_INIT("description"), 2, PB_STRING, NULL},
	{SP_STR_INIT("version"), 6, PB_STRING, NULL},
};
static const pb_message info = {.fields = info_fields, .n_fields = SP_LEN(info_fields), .extensions = 7};

static const pb_field pb_v3_document_fields[] = {
	{SP_STR_INIT("openapi"), 1, PB_STRING, NULL},
	{SP_STR_INIT("info"), 2, PB_MESSAGE, &info},
	{SP_STR_INIT("paths"), 4, PB_MESSAGE, &paths},
	{SP_STR_INIT("components"), 5, PB_MESSAGE, &components},
};
const pb_message pb_v3_document = {
	.fields = pb_v3_document_fields, .n_fields = SP_LEN(pb_v3_document_fields), .extensions = 9};
