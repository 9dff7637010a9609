/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/patch/patch.h"

#include "kube/patch/patch_int.h"

sp_code sp_patch_fail(sp_arena *a, sp_patch_error *perr, sp_code code, uint16_t status, const char *reason,
		      const char *fmt, ...)
{
	if (perr == NULL)
		return code;
	*perr = (sp_patch_error){.status = status, .reason = sp_str_c(reason)};
	char head[256];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);
	if (n < 0)
		return code;
	char *text = sp_arena_try_alloc(a, (size_t)n + 1);
	if (text == NULL)
		return code;
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)n + 1, fmt, ap); /* the same text again, with room for all of it */
	va_end(ap);
	perr->message = (sp_str){text, (size_t)n};
	return code;
}

const char *sp_patch_json_word(yyjson_mut_val *v)
{
	switch (yyjson_mut_get_type(v)) {
	case YYJSON_TYPE_OBJ:
		return "object";
	case YYJSON_TYPE_ARR:
		return "array";
	case YYJSON_TYPE_STR:
		return "string";
	case YYJSON_TYPE_NUM:
		return "number";
	case YYJSON_TYPE_BOOL:
		return "bool";
	default:
		return "null";
	}
}

const char *sp_patch_go_type(yyjson_mut_val *v)
{
	switch (yyjson_mut_get_type(v)) {
	case YYJSON_TYPE_OBJ:
		return "map[string]interface {}";
	case YYJSON_TYPE_ARR:
		return "[]interface {}";
	case YYJSON_TYPE_STR:
		return "string";
	case YYJSON_TYPE_NUM:
		return yyjson_mut_is_real(v) ? "float64" : "int64";
	case YYJSON_TYPE_BOOL:
		return "bool";
	default:
		return "%!s(<nil>)"; /* what Go prints for no type at all */
	}
}

sp_code sp_patch_parse_object(sp_arena *a, yyjson_mut_doc *doc, sp_str text, const char *prefix,
			      yyjson_mut_val **ret, sp_patch_error *perr)
{
	sp_err err = {0};
	yyjson_mut_val *v = NULL;
	sp_code code = sp_json_parse_mut(a, text, doc, &v, &err);
	if (code == SP_EINVAL)
		return sp_patch_fail(a, perr, code, 400, "BadRequest", "%s%s", prefix, err.msg);
	if (code != SP_OK)
		return sp_patch_no_room(a, perr);
	/* Go's decoder takes null for a map. */
	if (!yyjson_mut_is_obj(v) && !yyjson_mut_is_null(v)) {
		return sp_patch_fail(
			a, perr, SP_EINVAL, 400, "BadRequest",
			"%sjson: cannot unmarshal %s into Go value of type map[string]interface {}", prefix,
			sp_patch_json_word(v));
	}
	*ret = v;
	return SP_OK;
}
