/* SPDX-License-Identifier: Apache-2.0 */
/* Named formats: format.dns1123Label().validate(s). U: apiserver pkg/cel/library/format.go, kube-openapi
 * strfmt */
#include "base/base64.h"
#include "kube/cel/opaque.h"
#include "kube/names.h"

struct cel_format {
	const char *name;
	sp_name_faults (*check)(sp_str s);
	bool prefix;                      /* of a name whose end is missing */
	bool (*is)(cel_ctx *c, sp_str s); /* formats that are right or wrong */
	const char *wrong;
	uint16_t regex_size;
};

static bool is_uuid(cel_ctx *c, sp_str s)
{
	static const uint8_t groups[] = {8, 4, 4, 4, 12};
	size_t at = 0;
	(void)c;
	for (size_t g = 0; g < SP_LEN(groups); g++) {
		if (g > 0 && at < s.len && s.ptr[at] == '-')
			at++;
		for (size_t i = 0; i < groups[g]; i++, at++) {
			char ch = at < s.len ? (char)(s.ptr[at] | 0x20) : 'x';
			if (!((ch >= 'a' && ch <= 'f') ||
			      (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9')))
				return false;
		}
	}
	return at == s.len;
}

static bool is_base64(cel_ctx *c, sp_str s)
{
	size_t n;
	uint8_t *out = sp_arena_try_alloc(c->arena, s.len + 3);
	if (out == NULL) {
		(void)cel_oom(c);
		return false;
	}
	return sp_base64_decode(s, out, &n, NULL) == SP_OK;
}

static bool is_date(cel_ctx *c, sp_str s)
{
	char text[24];
	sp_time t;
	(void)c;
	if (s.len != 10)
		return false;
	memcpy(text, s.ptr, 10);
	memcpy(text + 10, "T00:00:00Z", 10);
	return sp_time_parse((sp_str){text, 20}, &t, NULL) == SP_OK;
}

/* A date, T or t, a time, and z, Z or an offset; the hour may be 24 only at midnight's end, which nobody
 * writes. */
static bool is_datetime(cel_ctx *c, sp_str s)
{
	char text[64];
	sp_time t;
	(void)c;
	if (s.len < 20 || s.len >= sizeof(text))
		return false;
	for (size_t i = 0; i < s.len; i++)
		text[i] = s.ptr[i] == 't' ? 'T' : s.ptr[i] == 'z' ? 'Z' : s.ptr[i];
	return sp_time_parse((sp_str){text, s.len}, &t, NULL) == SP_OK;
}

static const cel_format formats[] = {
	{.name = "dns1123Label", .check = sp_name_dns1123_label, .regex_size = 30},
	{.name = "dns1123Subdomain", .check = sp_name_dns1123_subdomain, .regex_size = 60},
	{.name = "dns1035Label", .check = sp_name_dns1035_label, .regex_size = 30},
	{.name = "qualifiedName", .check = sp_name_qualified, .regex_size = 60},
	{.name = "dns1123LabelPrefix", .check = sp_name_dns1123_label, .prefix = true, .regex_size = 30},
	{.name = "dns1123SubdomainPrefix",
	 .check = sp_name_dns1123_subdomain,
	 .prefix = true,
	 .regex_size = 60},
	{.name = "dns1035LabelPrefix", .check = sp_name_dns1035_label, .prefix = true, .regex_size = 30},
	{.name = "labelValue", .check = sp_name_label_value, .regex_size = 40},
	{.name = "uri", .regex_size = 1103},
	{.name = "uuid", .is = is_uuid, .wrong = "does not match the UUID format", .regex_size = 70},
	{.name = "byte", .is = is_base64, .wrong = "invalid base64", .regex_size = 84},
	{.name = "date", .is = is_date, .wrong = "invalid date", .regex_size = 71},
	{.name = "datetime", .is = is_datetime, .wrong = "invalid datetime", .regex_size = 71},
};

const cel_format *cel_format_named(sp_str name)
{
	for (size_t i = 0; i < SP_LEN(formats); i++) {
		if (sp_str_eq(name, sp_str_c(formats[i].name)))
			return &formats[i];
	}
	return NULL;
}

uint64_t cel_format_regex_size(const cel_format *f)
{
	return f->regex_size;
}

static sp_cel_val named(cel_ctx *c, const sp_cel_val *a)
{
	const cel_format *f = cel_format_named(sp_cel_str(a[0]));
	return f == NULL ? cel_none() : cel_some(c, cel_opaque(&cel_t_format, f));
}

static sp_cel_val complaint(cel_ctx *c, sp_str text)
{
	sp_cel_val list = cel_list_new(c, 1);
	if (cel_is_err(list) || !cel_list_append(c, &list, sp_cel_of_str(text)))
		return cel_oom(c);
	return cel_some(c, list);
}

static sp_cel_val complaints(cel_ctx *c, const sp_name_faults *faults)
{
	sp_cel_val list = cel_list_new(c, faults->n);
	for (size_t i = 0; i < faults->n && !cel_is_err(list); i++) {
		sp_cel_val text =
			cel_text(c, SP_CONCAT(c->arena, faults->items[i].prefix, faults->items[i].text));
		if (cel_is_err(text) || !cel_list_append(c, &list, text))
			return cel_oom(c);
	}
	return faults->n == 0 ? cel_none() : cel_some(c, list);
}

static sp_cel_val validate(cel_ctx *c, const sp_cel_val *a)
{
	const cel_format *f = a[0].ptr;
	sp_str s = sp_cel_str(a[1]);
	cel_url u;
	if (f->check != NULL) {
		sp_name_faults faults = f->prefix ? sp_name_prefix(f->check, s) : f->check(s);
		return complaints(c, &faults);
	}
	if (f->is != NULL)
		return f->is(c, s) ? cel_none() : complaint(c, sp_str_c(f->wrong));
	sp_str why = cel_url_parse(c->arena, s, &u);
	return why.len == 0 ? cel_none() : complaint(c, why);
}

#define FORMAT(i, name_)                                                  \
	static sp_cel_val format_##name_(cel_ctx *c, const sp_cel_val *a) \
	{                                                                 \
		(void)c;                                                  \
		(void)a;                                                  \
		return cel_opaque(&cel_t_format, &formats[i]);            \
	}
FORMAT(0, dns1123Label)
FORMAT(1, dns1123Subdomain)
FORMAT(2, dns1035Label)
FORMAT(3, qualifiedName)
FORMAT(4, dns1123LabelPrefix)
FORMAT(5, dns1123SubdomainPrefix)
FORMAT(6, dns1035LabelPrefix)
FORMAT(7, labelValue)
FORMAT(8, uri)
FORMAT(9, uuid)
FORMAT(10, byte)
FORMAT(11, date)
FORMAT(12, datetime)

#define CONSTANT(name_) CEL_FN("format." #name_, "format." #name_, format_##name_, &cel_t_format, NULL)
static const sp_cel_type optional_texts = {.kind = SP_CEL_OPTIONAL,
					   .name = SP_STR_INIT("optional_type"),
					   .n_params = 1,
					   .params = (const sp_cel_type *const[]){&cel_t_list_string}};

CEL_LIBRARY(cel_lib_format, SP_CEL_LIB_K8S,
	    CEL_MEMBER_COST("validate", "format-validate", CEL_COST_VALIDATE, validate, &optional_texts,
			    &cel_t_format, &sp_cel_string),
	    CEL_FN_COST("format.named", "format-named", CEL_COST_NOMINAL, named, &cel_t_optional_format,
			&sp_cel_string),
	    CONSTANT(dns1123Label), CONSTANT(dns1123Subdomain), CONSTANT(dns1035Label),
	    CONSTANT(qualifiedName), CONSTANT(dns1123LabelPrefix), CONSTANT(dns1123SubdomainPrefix),
	    CONSTANT(dns1035LabelPrefix), CONSTANT(labelValue), CONSTANT(uri), CONSTANT(uuid), CONSTANT(byte),
	    CONSTANT(date), CONSTANT(datetime));
