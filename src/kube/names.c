/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/names.h"

#include "base/limits.h"

/* Upstream counts bytes everywhere, but says so only of label keys and values. */
#define MAX_LEN(n, unit) "must be no more than " n " " unit
#define NAME_SYNTAX                                                                                       \
	"must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "       \
	"alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation " \
	"is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

static const sp_str dns_max_63 = SP_STR_INIT(MAX_LEN("63", "characters"));
static const sp_str dns_max_253 = SP_STR_INIT(MAX_LEN("253", "characters"));
static const sp_str label_max_63 = SP_STR_INIT(MAX_LEN("63", "bytes"));
static const sp_str non_empty = SP_STR_INIT("must be non-empty");
static const sp_str name_syntax = SP_STR_INIT(NAME_SYNTAX);
static const sp_str name_part = SP_STR_INIT("name part ");
static const sp_str prefix_part = SP_STR_INIT("prefix part ");
static const sp_str label_syntax = SP_STR_INIT(
	"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
	"must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
	"used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
static const sp_str subdomain_syntax = SP_STR_INIT(
	"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
	"'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
	"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
static const sp_str dns1035_syntax = SP_STR_INIT(
	"a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
	"alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
	"'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')");
static const sp_str qualified_syntax =
	SP_STR_INIT("a valid label key " NAME_SYNTAX
		    " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')");
static const sp_str label_value_syntax = SP_STR_INIT(
	"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
	"'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
	"'my_value',  or '12345', regex used for validation is "
	"'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");

static void fault(sp_name_faults *f, sp_str prefix, sp_str text)
{
	SP_ASSERT(f->n < SP_NAME_FAULTS_MAX);
	f->items[f->n].prefix = prefix;
	f->items[f->n].text = text;
	f->n++;
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_lower_alnum(char c)
{
	return is_lower(c) || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool label_matches(sp_str s)
{
	if (s.len == 0 || !is_lower_alnum(s.ptr[0]) || !is_lower_alnum(s.ptr[s.len - 1]))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_lower_alnum(s.ptr[i]) && s.ptr[i] != '-')
			return false;
	}
	return true;
}

static bool subdomain_matches(sp_str s)
{
	sp_str label;
	while (sp_str_cut(&s, '.', &label)) {
		if (!label_matches(label))
			return false;
	}
	return label_matches(s);
}

static bool name_matches(sp_str s)
{
	if (s.len == 0 || !is_alnum(s.ptr[0]) || !is_alnum(s.ptr[s.len - 1]))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!is_alnum(c) && c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

sp_name_faults sp_name_dns1123_label(sp_str s)
{
	sp_name_faults f = {.n = 0};
	if (s.len > SP_LIMIT_LABEL_VALUE_BYTES)
		fault(&f, SP_STR(""), dns_max_63);
	if (!label_matches(s))
		/* upstream points at the dots when these are all that is wrong */
		fault(&f, SP_STR(""), subdomain_matches(s) ? SP_STR("must not contain dots") : label_syntax);
	return f;
}

static void subdomain(sp_name_faults *f, sp_str prefix, sp_str s)
{
	if (s.len > SP_LIMIT_NAME_BYTES)
		fault(f, prefix, dns_max_253);
	if (!subdomain_matches(s))
		fault(f, prefix, subdomain_syntax);
}

sp_name_faults sp_name_dns1123_subdomain(sp_str s)
{
	sp_name_faults f = {.n = 0};
	subdomain(&f, SP_STR(""), s);
	return f;
}

sp_name_faults sp_name_dns1035_label(sp_str s)
{
	sp_name_faults f = {.n = 0};
	if (s.len > SP_LIMIT_LABEL_VALUE_BYTES)
		fault(&f, SP_STR(""), dns_max_63);
	if (!label_matches(s) || !is_lower(s.ptr[0]))
		fault(&f, SP_STR(""), dns1035_syntax);
	return f;
}

sp_name_faults sp_name_qualified(sp_str s)
{
	sp_name_faults f = {.n = 0};
	sp_str name = s, prefix;
	if (sp_str_cut(&name, '/', &prefix)) {
		if (sp_str_index(name, '/') >= 0) {
			fault(&f, SP_STR(""), qualified_syntax);
			return f;
		}
		if (prefix.len == 0)
			fault(&f, prefix_part, non_empty);
		else
			subdomain(&f, prefix_part, prefix);
	}
	if (name.len == 0)
		fault(&f, name_part, non_empty);
	else if (name.len > SP_LIMIT_LABEL_VALUE_BYTES)
		fault(&f, name_part, label_max_63);
	if (!name_matches(name))
		fault(&f, name_part, name_syntax);
	return f;
}

sp_name_faults sp_name_label_value(sp_str s)
{
	sp_name_faults f = {.n = 0};
	if (s.len > SP_LIMIT_LABEL_VALUE_BYTES)
		fault(&f, SP_STR(""), label_max_63);
	if (s.len > 0 && !name_matches(s))
		fault(&f, SP_STR(""), label_value_syntax);
	return f;
}

sp_name_faults sp_name_path_segment(sp_str s)
{
	sp_name_faults f = {.n = 0};
	if (sp_str_eq(s, SP_STR("."))) {
		fault(&f, SP_STR(""), SP_STR("may not be '.'"));
		return f;
	}
	if (sp_str_eq(s, SP_STR(".."))) {
		fault(&f, SP_STR(""), SP_STR("may not be '..'"));
		return f;
	}
	if (sp_str_index(s, '/') >= 0)
		fault(&f, SP_STR(""), SP_STR("may not contain '/'"));
	if (sp_str_index(s, '%') >= 0)
		fault(&f, SP_STR(""), SP_STR("may not contain '%'"));
	return f;
}

sp_name_faults sp_name_prefix(sp_name_faults (*check)(sp_str s), sp_str s)
{
	char masked[SP_LIMIT_NAME_BYTES + 1];
	/* As upstream, which takes the character before the dash away too; a lone dash stays. */
	if (s.len < 2 || s.len > sizeof(masked) || s.ptr[s.len - 1] != '-')
		return check(s);
	memcpy(masked, s.ptr, s.len);
	masked[s.len - 2] = 'a';
	return check((sp_str){masked, s.len - 1});
}
