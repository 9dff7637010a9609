/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of a CustomResourceDefinition. U: apiextensions-apiserver pkg/apis/apiextensions/validation. */
#include "kube/crd/crd.h"
#include "kube/encode.h"
#include "kube/formats.h"
#include "kube/kinds/custom_resource.h"

#define COLUMN_TYPES "must be one of boolean,date,integer,number,string"
#define COLUMN_FORMATS "must be one of byte,date,date-time,double,float,int32,int64,password"
#define ROOT_FIELDS                                                                                   \
	"[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength " \
	"MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties "       \
	"ExternalDocs Example XPreserveUnknownFields XValidations]"
#define SELECTABLE_MAX 8
#define SCHEMA_DEPTH_MAX 100

static void deprecation(sp_violations *v, yyjson_mut_val *version, const sp_path *parent)
{
	const sp_path *path = SP_AT(parent, "deprecationWarning");
	yyjson_mut_val *text = sp_kv_get(version, "deprecationWarning");
	sp_str s = sp_kv_str(version, "deprecationWarning");
	if (text == NULL)
		return;
	if (!sp_kv_bool(version, "deprecated")) {
		sp_v_invalid(v, path, s, "can only be set for deprecated versions");
		return;
	}
	if (s.len > 256)
		sp_v_invalid(v, path, s, "must be <= 256 characters long");
	if (s.len == 0)
		sp_v_invalid(v, path, s, "must not be an empty string");
	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.ptr[i];
		if (ch >= ' ' && ch != 0x7f)
			continue;
		sp_v_invalid(v, path, s,
			     "must only contain printable UTF-8 characters; non-printable character found at "
			     "index %zu",
			     i);
		break;
	}
}

/* Only fields that still hold when the schema of status is taken out of it. */
static void root_validate(sp_violations *v, yyjson_mut_val *schema, const sp_path *path)
{
	/* clang-format off */
	static const char *const allowed[] = {
		"description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum",
		"exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems",
		"multipleOf", "required", "items", "properties", "externalDocs", "example",
		"x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations"};
	/* clang-format on */
	sp_str type = sp_kv_str(schema, "type");
	if (type.len > 0 && !sp_str_eq(type, SP_STR("object"))) {
		sp_v_invalid(v, SP_AT(path, "type"), type,
			     "only \"object\" is allowed as the type at the root of the schema if the status "
			     "subresource is enabled");
		return;
	}
	SP_KV_EACH_MEMBER (key, val, i, schema) {
		sp_str name = sp_jmut_str(key);
		bool zero = yyjson_mut_is_null(val) || yyjson_mut_is_false(val);
		if (zero || SP_STR_IN(name, allowed))
			continue;
		sp_v_invalid(v, path, schema,
			     "only " ROOT_FIELDS " fields are allowed at the root of the schema if the "
			     "status subresource is enabled");
		return;
	}
}

/* Upstream makes no structure of a schema with keywords it does not have: such complaints then go away. */
static void drop_structural(sp_violations *v, size_t from)
{
	bool odd = false;
	size_t n = from;
	for (size_t i = from; i < v->n; i++)
		odd = odd || sp_str_ends(v->items[i].message, SP_STR(" is not supported"));
	for (size_t i = from; odd && i < v->n; i++) {
		sp_str text = v->items[i].message;
		if (!sp_str_starts(text, SP_STR("Required value: must not be empty for specified")))
			v->items[n++] = v->items[i];
	}
	v->n = odd ? n : v->n;
}

/* A schema with `schema` for the field of no name; `resource`: what is there is one. */
static yyjson_mut_val *wrapped_schema(yyjson_mut_doc *doc, yyjson_mut_val *schema, bool resource)
{
	yyjson_mut_val *root = yyjson_mut_obj(doc), *copy = yyjson_mut_val_mut_copy(doc, schema), *fields;
	if (root == NULL || copy == NULL)
		return NULL;
	sp_kv_drop(copy, "default");
	if (resource && !sp_kv_set_bool(doc, copy, "x-kubernetes-embedded-resource", true))
		return NULL;
	fields = sp_kv_need_obj(doc, root, "properties");
	bool ok = fields != NULL && yyjson_mut_obj_add_val(doc, fields, "", copy) &&
		  sp_kv_set_str(doc, root, "type", SP_STR("object"));
	return ok ? root : NULL;
}

/* The rules of a default's schema (the one field of `wrapped`), as after an update without a change and as
 * new. */
static sp_code default_rules(sp_kind_ctx *c, const sp_schema *wrapped, yyjson_mut_val *value, sp_str path)
{
	const sp_schema *s = wrapped->fields[0].schema;
	const sp_path *at = SP_AT(SP_AT_STR(NULL, path), "default");
	const sp_crd_run how = {.arena = c->arena, .errors = c->errors};
	size_t before = c->errors->n;
	SP_TRY(sp_crd_rules_compile(c->arena, wrapped));
	SP_TRY(sp_crd_rules_run(&how, s, at, value, value));
	return c->errors->n > before ? SP_OK : sp_crd_rules_run(&how, s, at, value, NULL);
}

/* A default has no fields that its schema would drop. */
static void default_pruned(sp_kind_ctx *c, const sp_schema *wrapped, yyjson_mut_val *object, sp_str path)
{
	yyjson_mut_val *kept = yyjson_mut_val_mut_copy(c->doc, object);
	SP_AUTO_BUF text;
	sp_buf_init(&text, c->arena->limit_bytes);
	SP_KIND_NEED(c, kept != NULL);
	if (kept == NULL)
		return;
	sp_crd_prune(wrapped, kept, NULL, NULL);
	if (sp_jmut_equal(kept, object))
		return;
	SP_KIND_NEED(c, sp_encode_any(&text, sp_jmut_get(object, SP_STR(""))) == SP_OK);
	sp_v_invalid(c->errors, SP_AT(SP_AT_STR(NULL, path), "default"), sp_bad_text(sp_buf_view(&text)),
		     "must not have unknown fields");
}

/* A default must be valid by its own schema; that of the root is a whole resource. */
static void default_validate(sp_kind_ctx *c, yyjson_mut_val *schema, sp_str path, bool resource)
{
	yyjson_mut_val *value = sp_kv_get(schema, "default"),
		       *root = wrapped_schema(c->doc, schema, resource);
	yyjson_mut_val *object = yyjson_mut_obj(c->doc), *copy = yyjson_mut_val_mut_copy(c->doc, value);
	const sp_schema *compiled = NULL;
	sp_violations found;
	sp_code code = SP_ETOOLARGE;
	sp_violations_init(&found, c->arena);
	if (root != NULL && object != NULL && copy != NULL &&
	    yyjson_mut_obj_add_val(c->doc, object, "", copy))
		code = sp_crd_compile(c->arena, root, SP_STR(""), NULL, false, &found, &compiled);
	if (code == SP_OK && compiled != NULL) {
		default_pruned(c, compiled, object, path);
		code = sp_crd_validate(c->arena, compiled, object, &found);
	}
	for (size_t i = 0; i < found.n; i++) {
		sp_str field = found.items[i].field, text = found.items[i].message;
		sp_str where = sp_arena_printf(c->arena, SP_FMT ".default%s" SP_FMT, SP_ARG(path),
					       field.len > 0 ? "." : "", SP_ARG(field));
		sp_v_text(c->errors, found.items[i].type, where, SP_FMT, SP_ARG(text));
	}
	if (code == SP_OK && compiled != NULL && found.n == 0)
		code = default_rules(c, compiled, copy, path);
	SP_KIND_NEED(c, code == SP_OK);
}

static void defaults_validate(sp_kind_ctx *c, yyjson_mut_val *schema, sp_str path, unsigned depth)
{
	bool root = depth == SCHEMA_DEPTH_MAX;
	static const char *const singles[] = {"items", "additionalProperties"};
	if (depth == 0)
		return;
	if (sp_kv_has(schema, "default"))
		default_validate(c, schema, path, root && yyjson_mut_is_obj(sp_kv_get(schema, "default")));
	for (size_t k = 0; k < SP_LEN(singles); k++) {
		yyjson_mut_val *below = sp_kv_map(schema, singles[k]);
		if (below != NULL)
			defaults_validate(c, below,
					  sp_arena_printf(c->arena, SP_FMT ".%s", SP_ARG(path), singles[k]),
					  depth - 1);
	}
	SP_KV_EACH_MEMBER (key, val, i, sp_kv_map(schema, "properties")) {
		sp_str name = sp_jmut_str(key);
		defaults_validate(c, val,
				  sp_arena_printf(c->arena, SP_FMT ".properties[" SP_FMT "]", SP_ARG(path),
						  SP_ARG(name)),
				  depth - 1);
	}
}

static void schema_validate(sp_kind_ctx *c, yyjson_mut_val *version, const sp_path *parent, bool status)
{
	const sp_path *path = SP_AT(parent, "openAPIV3Schema");
	yyjson_mut_val *schema = sp_kv_path(version, "schema", "openAPIV3Schema", NULL);
	const sp_schema *compiled;
	SP_AUTO_BUF text = {.len = 0};
	if (schema == NULL)
		return;
	if (status)
		root_validate(c->errors, schema, path);
	if (sp_kv_bool(schema, "nullable"))
		sp_v_forbidden(c->errors, SP_AT(path, "nullable"), "nullable cannot be true at the root");
	sp_buf_init(&text, c->arena->limit_bytes);
	SP_KIND_NEED(c, sp_path_write(&text, path) == SP_OK);
	sp_str shown = sp_buf_view(&text), where = sp_arena_try_dup(c->arena, shown);
	size_t before = c->errors->n;
	sp_code code = sp_crd_compile(c->arena, schema, where, NULL, false, c->errors, &compiled);
	if (code != SP_OK && c->code == SP_OK)
		c->code = code;
	drop_structural(c->errors, before);
	size_t structural = c->errors->n;
	if (code == SP_OK && compiled != NULL)
		defaults_validate(c, schema, where, SCHEMA_DEPTH_MAX);
	if (c->errors->n > structural)
		compiled = NULL; /* expressions are looked at when the rest is as it should be */
	if (code == SP_OK && compiled != NULL)
		code = sp_crd_rules_compile(c->arena, compiled);
	if (code == SP_OK)
		code = sp_crd_rules_check(c->arena, compiled, schema, path, c->errors);
	SP_KIND_NEED(c, code == SP_OK);
}

/* A path in dots below one of two parents; `noun` names them. */
static void replicas_path(sp_violations *v, const sp_path *path, sp_str s, const char *parent,
			  const char *other, const char *noun)
{
	if (s.ptr[0] != '.')
		sp_v_invalid(v, path, s, "must be a simple json path starting with .");
	else if (!sp_str_starts(s, sp_str_c(parent)) && !sp_str_starts(s, sp_str_c(other)))
		sp_v_invalid(v, path, s, "should be a json path under %s", noun);
}

static void subresources_validate(sp_violations *v, yyjson_mut_val *version, const sp_path *parent)
{
	yyjson_mut_val *scale = sp_kv_path(version, "subresources", "scale", NULL);
	const sp_path *path = SP_AT(parent, "scale");
	sp_str spec = sp_kv_str(scale, "specReplicasPath"), status = sp_kv_str(scale, "statusReplicasPath"),
	       selector = sp_kv_str(scale, "labelSelectorPath");
	if (scale == NULL)
		return;
	if (spec.len == 0)
		sp_v_required(v, SP_AT(path, "specReplicasPath"), "%s", "");
	else
		replicas_path(v, SP_AT(path, "specReplicasPath"), spec, ".spec.", ".spec.", ".spec");
	if (status.len == 0)
		sp_v_required(v, SP_AT(path, "statusReplicasPath"), "%s", "");
	else
		replicas_path(v, SP_AT(path, "statusReplicasPath"), status, ".status.", ".status.",
			      ".status");
	if (selector.len > 0)
		replicas_path(v, SP_AT(path, "labelSelectorPath"), selector, ".spec.", ".status.",
			      "either .spec or .status");
}

static void columns_validate(sp_violations *v, yyjson_mut_val *version, const sp_path *parent)
{
	static const char *const types[] = {"integer", "number", "string", "boolean", "date"};
	static const char *const formats[] = {"int32", "int64", "float",     "double",
					      "byte",  "date",  "date-time", "password"};
	SP_KV_EACH (column, i, sp_kv_list(version, "additionalPrinterColumns")) {
		const sp_path *path = SP_AT_I(SP_AT(parent, "additionalPrinterColumns"), i);
		sp_str type = sp_kv_str(column, "type"), format = sp_kv_str(column, "format"),
		       json = sp_kv_str(column, "jsonPath");
		if (sp_kv_str(column, "name").len == 0)
			sp_v_required(v, SP_AT(path, "name"), "%s", "");
		if (type.len == 0)
			sp_v_required(v, SP_AT(path, "type"), COLUMN_TYPES);
		else if (!SP_STR_IN(type, types))
			sp_v_invalid(v, SP_AT(path, "type"), type, COLUMN_TYPES);
		if (format.len > 0 && !SP_STR_IN(format, formats))
			sp_v_invalid(v, SP_AT(path, "format"), format, COLUMN_FORMATS);
		if (json.len == 0)
			sp_v_required(v, SP_AT(path, "JSONPath"), "%s", "");
		else if (json.ptr[0] != '.')
			sp_v_invalid(v, SP_AT(path, "JSONPath"), json,
				     "must be a simple json path starting with .");
	}
}

/* The next part of a path: a delimiter, or what stands before one. */
static sp_str next_part(sp_str *rest)
{
	size_t n = 0;
	while (n < rest->len && strchr(".[]", rest->ptr[n]) == NULL)
		n++;
	sp_str part = sp_str_sub(*rest, 0, SP_MAX(n, (size_t)1));
	*rest = sp_str_sub(*rest, part.len, rest->len);
	return part;
}

/* The schema that a path of plain names leads to, or NULL and what is wrong with the path.
 * U: apiextensions-apiserver pkg/apiserver/schema/cel/validation.go, ValidFieldPath */
static yyjson_mut_val *schema_at(sp_arena *a, yyjson_mut_val *schema, sp_str path, sp_str *ret_why)
{
	while (path.len > 0) {
		sp_str part = next_part(&path);
		if (sp_str_eq(part, SP_STR("["))) {
			*ret_why = SP_STR("array notation is not allowed");
			return NULL;
		}
		if (!sp_str_eq(part, SP_STR("."))) {
			*ret_why = sp_arena_printf(a, "expected [ or . but got: " SP_FMT, SP_ARG(part));
			return NULL;
		}
		if (path.len == 0) {
			*ret_why = SP_STR("unexpected end of JSON path");
			return NULL;
		}
		yyjson_mut_val *fields = sp_kv_get(schema, "properties");
		part = next_part(&path);
		schema = fields != NULL ? sp_jmut_get(fields, part)
					: sp_kv_map(schema, "additionalProperties");
		if (schema == NULL) {
			*ret_why = SP_STR("does not refer to a valid field");
			return NULL;
		}
	}
	return schema;
}

/* One path; what it leads to is of a type that selectors can compare. */
static void field_validate(sp_kind_ctx *c, yyjson_mut_val *schema, const sp_path *path, sp_str json,
			   sp_strset *seen)
{
	static const char *const types[] = {"string", "boolean", "integer"};
	sp_violations *v = c->errors;
	sp_str why;
	yyjson_mut_val *found = schema_at(c->arena, schema, json, &why);
	if (found == NULL) {
		sp_v_invalid(v, path, json, "is an invalid path: " SP_FMT, SP_ARG(why));
		return;
	}
	if (sp_str_starts(json, SP_STR(".metadata.")) || sp_str_eq(json, SP_STR(".metadata")))
		sp_v_invalid(v, path, json, "must not point to fields in metadata");
	if (!SP_STR_IN(sp_kv_str(found, "type"), types))
		sp_v_invalid(v, path, json,
			     "must point to a field of type string, boolean or integer. Enum string "
			     "fields and strings with formats are allowed.");
	if (!sp_strset_add(seen, json, v))
		sp_v_duplicate(v, path, json);
}

/* The schema has to stand where the fields do, `has_schema`, or `no_schema` is said. */
static void fields_validate(sp_kind_ctx *c, yyjson_mut_val *version, const sp_path *parent, bool has_schema,
			    const char *no_schema)
{
	sp_violations *v = c->errors;
	const sp_path *list = SP_AT(parent, "selectableFields");
	yyjson_mut_val *schema = has_schema ? sp_kv_path(version, "schema", "openAPIV3Schema", NULL) : NULL;
	yyjson_mut_val *fields = sp_kv_list(version, "selectableFields");
	SP_AUTO_STRSET seen = {0};
	if (fields != NULL && schema == NULL) {
		sp_v_invalid(v, list, SP_STR(""), "%s", no_schema);
		return;
	}
	SP_KV_EACH (field, i, fields) {
		const sp_path *path = SP_AT(SP_AT_I(list, i), "jsonPath");
		sp_str json = sp_kv_str(field, "jsonPath");
		if (json.len == 0)
			sp_v_required(v, path, "%s", "");
		else
			field_validate(c, schema, path, json, &seen);
	}
	if (sp_strset_count(&seen) > SELECTABLE_MAX)
		sp_v_too_many(v, list, (int64_t)sp_strset_count(&seen), SELECTABLE_MAX);
}

void sp_crd_version_validate(sp_kind_ctx *c, yyjson_mut_val *version, const sp_path *path,
			     const sp_crd_shared *shared)
{
	bool status = sp_kv_path(version, "subresources", "status", NULL) != NULL;
	deprecation(c->errors, version, path);
	if (!shared->schema)
		schema_validate(c, version, SP_AT(path, "schema"), status);
	if (!shared->subresources)
		subresources_validate(c->errors, version, SP_AT(path, "subresources"));
	if (!shared->columns)
		columns_validate(c->errors, version, path);
	if (!shared->fields)
		fields_validate(c, version, path, !shared->schema,
				"may only be set when `version.schema.openAPIV3Schema` is not included");
}

void sp_crd_shared_validate(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_crd_shared *shared)
{
	yyjson_mut_val *versions = sp_kv_list(spec, "versions");
	yyjson_mut_val *first = versions != NULL ? yyjson_mut_arr_get_first(versions) : NULL;
	bool status = false;
	SP_KV_EACH (version, i, versions)
		status = status || sp_kv_path(version, "subresources", "status", NULL) != NULL;
	if (shared->schema)
		schema_validate(c, first, SP_PATH("spec.validation"), status);
	if (shared->subresources)
		subresources_validate(c->errors, first, SP_PATH("spec.subresources"));
	if (shared->columns)
		columns_validate(c->errors, first, SP_PATH("spec"));
	if (shared->fields)
		fields_validate(c, first, SP_PATH("spec"), shared->schema,
				"may only be set when validations.schema is included");
}

static bool known_format(sp_str type, sp_str format)
{
	/* clang-format off */
	static const char *const texts[] = {
		"bsonobjectid", "uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac", "uuid", "uuid3",
		"uuid4", "uuid5", "isbn", "isbn10", "isbn13", "creditcard", "ssn", "hexcolor", "rgbcolor",
		"byte", "password", "date", "duration", "datetime", "k8sshortname", "k8slongname"};
	/* clang-format on */
	static const char *const integers[] = {"int32", "int64"}, *const numbers[] = {"float", "double"};
	char plain[32];
	size_t n = 0;
	if (sp_str_eq(type, SP_STR("integer")))
		return SP_STR_IN(format, integers);
	if (sp_str_eq(type, SP_STR("number")))
		return SP_STR_IN(format, numbers);
	if (type.len > 0 && !sp_str_eq(type, SP_STR("string")))
		return false;
	for (size_t i = 0; i < format.len; i++) {
		if (format.ptr[i] == '-')
			continue;
		if (n == sizeof(plain))
			return false;
		plain[n++] = format.ptr[i];
	}
	return SP_STR_IN(((sp_str){plain, n}), texts);
}

/* Adds the formats below a schema that are not known; a warning each when `old` is given. */
static void formats_of(sp_kind_ctx *c, yyjson_mut_val *schema, sp_strset *found, const sp_strset *old,
		       unsigned depth)
{
	static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
	static const char *const maps[] = {"properties", "patternProperties", "definitions"};
	static const char *const singles[] = {"items", "not", "additionalProperties", "additionalItems"};
	sp_str format = sp_kv_str(schema, "format");
	if (schema == NULL || depth == 0)
		return;
	if (format.len > 0 && !known_format(sp_kv_str(schema, "type"), format)) {
		if (old != NULL && !sp_strset_has(old, format))
			sp_warn(c, "unrecognized format \"" SP_FMT "\"", SP_ARG(format));
		sp_violations lack = {.arena = c->arena};
		if (found != NULL)
			(void)sp_strset_add(found, format, &lack);
		SP_KIND_NEED(c, lack.code == SP_OK);
	}
	for (size_t k = 0; k < SP_LEN(singles); k++)
		formats_of(c, sp_kv_get(schema, singles[k]), found, old, depth - 1);
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		SP_KV_EACH (item, i, sp_kv_list(schema, lists[k]))
			formats_of(c, item, found, old, depth - 1);
	}
	for (size_t k = 0; k < SP_LEN(maps); k++) {
		SP_KV_EACH_MEMBER (key, val, i, sp_kv_map(schema, maps[k]))
			formats_of(c, val, found, old, depth - 1);
	}
}

static void spec_formats(sp_kind_ctx *c, yyjson_mut_val *spec, sp_strset *found, const sp_strset *old)
{
	SP_KV_EACH (version, i, sp_kv_list(spec, "versions"))
		formats_of(c, sp_kv_path(version, "schema", "openAPIV3Schema", NULL), found, old,
			   SCHEMA_DEPTH_MAX);
}

void sp_crd_warn_formats(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *old)
{
	SP_AUTO_STRSET before = {0};
	if (old != NULL)
		spec_formats(c, old, &before, NULL);
	spec_formats(c, spec, NULL, &before);
}
