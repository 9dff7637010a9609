/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/formats.h"

#include "base/ip.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "kube/meta.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_word(char c)
{
	return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

static void fault(sp_name_faults *f, sp_str text)
{
	SP_ASSERT(f->n < SP_NAME_FAULTS_MAX);
	f->items[f->n].prefix = (sp_str){NULL, 0};
	f->items[f->n++].text = text;
}

void sp_v_dns1123_label(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_v_faults(v, path, s, sp_name_dns1123_label(s));
}

void sp_v_dns1123_subdomain(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_v_faults(v, path, s, sp_name_dns1123_subdomain(s));
}

void sp_v_qualified_name(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_v_faults(v, path, s, sp_name_qualified(s));
}

/* Labels joined by dots, each optionally after one underscore. */
static bool underscore_subdomain(sp_str s)
{
	sp_str rest = s, label;
	bool more = true;
	while (more) {
		more = sp_str_cut(&rest, '.', &label);
		if (!more)
			label = rest;
		if (label.len > 0 && label.ptr[0] == '_')
			label = sp_str_sub(label, 1, label.len);
		if (label.len == 0)
			return false;
		for (size_t i = 0; i < label.len; i++) {
			char c = label.ptr[i];
			bool end = i == 0 || i + 1 == label.len;
			if (!is_lower(c) && !is_digit(c) && (end || (c != '-' && c != '_')))
				return false;
		}
	}
	return true;
}

void sp_v_dns1123_subdomain_underscore(sp_violations *v, const sp_path *path, sp_str s)
{
	if (s.len > SP_LIMIT_NAME_BYTES)
		sp_v_invalid(v, path, s, "must be no more than 253 characters");
	if (!underscore_subdomain(s))
		sp_v_invalid(
			v, path, s,
			"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
			"'_', '-' or '.', and must start and end with an alphanumeric character (e.g. "
			"'example.com', regex used for validation is "
			"'_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')");
}

void sp_v_wildcard_subdomain(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_str rest = s;
	if (s.len > SP_LIMIT_NAME_BYTES)
		sp_v_invalid(v, path, s, "must be no more than 253 characters");
	if (!sp_str_take(&rest, SP_STR("*.")) ||
	    sp_name_dns1123_subdomain(sp_str_sub(rest, 0, SP_LIMIT_NAME_BYTES)).n > 0)
		sp_v_invalid(
			v, path, s,
			"a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS "
			"subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and "
			"end with an alphanumeric character (e.g. '*.example.com', regex used for validation "
			"is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
}

void sp_v_domain_prefixed_path(sp_violations *v, const sp_path *path, sp_str s)
{
	static const char others[] = "/-._~%!$&'()*+,;=:";
	sp_str rest = s, host;
	if (s.len == 0) {
		sp_v_required(v, path, "%s", "");
		return;
	}
	if (!sp_str_cut(&rest, '/', &host) || host.len == 0 || rest.len == 0) {
		sp_v_invalid(v, path, s, "must be a domain-prefixed path (such as \"acme.io/foo\")");
		return;
	}
	sp_v_dns1123_subdomain(v, path, host);
	for (size_t i = 0; i < rest.len; i++) {
		char c = rest.ptr[i];
		if (is_word(c) || (c != '\0' && strchr(others, c) != NULL))
			continue;
		sp_v_invalid(
			v, path, rest,
			"Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%%!$&'()*+,;=:]+')");
		return;
	}
}

void sp_v_domain_prefixed_key(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_name_faults faults = sp_name_qualified(s);
	if (s.len == 0)
		sp_v_required(v, path, "%s", "");
	else if (faults.n > 0)
		sp_v_faults(v, path, s, faults);
	else if (sp_str_index(s, '/') < 0)
		sp_v_invalid(v, path, s, "must be a domain-prefixed key (such as \"acme.io/foo\")");
}

sp_name_faults sp_fmt_port_name(sp_str s)
{
	sp_name_faults f = {.n = 0};
	bool charset = s.len > 0, letter = false;
	for (size_t i = 0; i < s.len; i++) {
		charset = charset && (is_lower(s.ptr[i]) || is_digit(s.ptr[i]) || s.ptr[i] == '-');
		letter = letter || is_lower(s.ptr[i]);
	}
	if (s.len > 15)
		fault(&f, SP_STR("must be no more than 15 characters"));
	if (!charset)
		fault(&f, SP_STR("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"));
	if (!letter)
		fault(&f, SP_STR("must contain at least one letter (a-z)"));
	if (sp_str_find(s, SP_STR("--")) >= 0)
		fault(&f, SP_STR("must not contain consecutive hyphens"));
	if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[s.len - 1] == '-'))
		fault(&f, SP_STR("must not begin or end with a hyphen"));
	return f;
}

static void change_dir(sp_name_faults *f, sp_str s)
{
	if (sp_str_eq(s, SP_STR(".")))
		fault(f, SP_STR("must not be '.'"));
	else if (sp_str_eq(s, SP_STR("..")))
		fault(f, SP_STR("must not be '..'"));
	else if (sp_str_starts(s, SP_STR("..")))
		fault(f, SP_STR("must not start with '..'"));
}

sp_name_faults sp_fmt_config_map_key(sp_str s)
{
	sp_name_faults f = {.n = 0};
	bool charset = s.len > 0;
	for (size_t i = 0; i < s.len; i++)
		charset = charset &&
			  (is_word(s.ptr[i]) || s.ptr[i] == '-' || s.ptr[i] == '_' || s.ptr[i] == '.');
	if (s.len > SP_LIMIT_NAME_BYTES)
		fault(&f, SP_STR("must be no more than 253 characters"));
	if (!charset)
		fault(&f, SP_STR("a valid config key must consist of alphanumeric characters, '-', '_' or "
				 "'.' (e.g. "
				 "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
				 "'[-._a-zA-Z0-9]+')"));
	change_dir(&f, s);
	return f;
}

sp_name_faults sp_fmt_env_var(sp_str s)
{
	sp_name_faults f = {.n = 0};
	bool charset = true;
	for (size_t i = 0; i < s.len; i++)
		charset = charset && s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f && s.ptr[i] != '=';
	if (s.len == 0)
		fault(&f, SP_STR("environment variable name must be non-empty"));
	if (!charset)
		fault(&f, SP_STR("a valid environment variable name must consist only of printable ASCII "
				 "characters "
				 "other than '='"));
	return f;
}

sp_name_faults sp_fmt_http_header_name(sp_str s)
{
	sp_name_faults f = {.n = 0};
	bool charset = s.len > 0;
	for (size_t i = 0; i < s.len; i++)
		charset = charset && (is_word(s.ptr[i]) || s.ptr[i] == '-');
	if (!charset)
		fault(&f, SP_STR("a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
				 "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"));
	return f;
}

sp_name_faults sp_fmt_percent(sp_str s)
{
	sp_name_faults f = {.n = 0};
	bool good = s.len > 1 && s.ptr[s.len - 1] == '%';
	for (size_t i = 0; i + 1 < s.len; i++)
		good = good && is_digit(s.ptr[i]);
	if (!good)
		fault(&f, SP_STR("a valid percent string must be a numeric string followed by an ending '%' "
				 "(e.g. "
				 "'1%',  or '93%', regex used for validation is '[0-9]+%')"));
	return f;
}

void sp_v_range(sp_violations *v, const sp_path *path, int64_t n, int64_t lo, int64_t hi)
{
	if (n < lo || n > hi)
		sp_v_invalid(v, path, n, "must be between %lld and %lld, inclusive", (long long)lo,
			     (long long)hi);
}

void sp_v_port_num(sp_violations *v, const sp_path *path, int64_t port)
{
	sp_v_range(v, path, port, 1, 65535);
}

void sp_v_port_num_or_name(sp_violations *v, const sp_path *path, const yyjson_mut_val *port)
{
	sp_int_or_str p = sp_kv_int_or_str(port);
	if (p.is_str)
		sp_v_faults(v, path, p.str, sp_fmt_port_name(p.str));
	else
		sp_v_port_num(v, path, p.num);
}

void sp_v_user_id(sp_violations *v, const sp_path *path, int64_t id)
{
	sp_v_range(v, path, id, 0, INT32_MAX);
}

void sp_v_group_id(sp_violations *v, const sp_path *path, int64_t id)
{
	sp_v_range(v, path, id, 0, INT32_MAX);
}

void sp_v_positive(sp_violations *v, const sp_path *path, int64_t n)
{
	if (n <= 0)
		sp_v_invalid(v, path, n, "must be greater than zero");
}

/* Quantities are shown by their canonical text, which decoding has made. */
static void qty_sign(sp_violations *v, const sp_path *path, const yyjson_mut_val *qty, bool zero_allowed,
		     const char *why)
{
	sp_qty q = sp_kv_qty(qty);
	if (q.nanos < 0 || (q.nanos == 0 && !zero_allowed)) {
		sp_str text = sp_qty_print(v->arena, q);
		sp_v_invalid(v, path, text, "%s", why);
	}
}

void sp_v_qty_non_negative(sp_violations *v, const sp_path *path, const yyjson_mut_val *qty)
{
	qty_sign(v, path, qty, true, "must be greater than or equal to 0");
}

void sp_v_qty_positive(sp_violations *v, const sp_path *path, const yyjson_mut_val *qty)
{
	qty_sign(v, path, qty, false, "must be greater than zero");
}

static bool in_list(yyjson_mut_val *list, sp_str s)
{
	SP_KV_EACH (item, i, list) {
		if (sp_str_eq(sp_jmut_str(item), s))
			return true;
	}
	return false;
}

/* True when it is an address at all and stands in strict form. */
static bool ip_strict(sp_violations *v, const sp_path *path, sp_str s, sp_ip *ret)
{
	if (!sp_ip_parse(s, ret)) {
		sp_v_invalid(v, path, s, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
		return false;
	}
	if (ret->leading_zeros)
		sp_v_invalid(v, path, s, "must not have leading 0s");
	else if (ret->mapped)
		sp_v_invalid(v, path, s, "must not be an IPv4-mapped IPv6 address");
	return !ret->leading_zeros && !ret->mapped;
}

void sp_v_ip_legacy(sp_violations *v, const sp_path *path, sp_str s, yyjson_mut_val *old)
{
	sp_ip ip;
	if (!in_list(old, s))
		(void)ip_strict(v, path, s, &ip);
}

void sp_v_ip(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_ip ip;
	char text[SP_IP_TEXT_BYTES];
	if (!ip_strict(v, path, s, &ip))
		return;
	size_t n = sp_ip_print(text, &ip);
	if (!sp_str_eq(s, (sp_str){text, n}))
		sp_v_invalid(v, path, s, "must be in canonical form (\"%.*s\")", (int)n, text);
}

static bool cidr_strict(sp_violations *v, const sp_path *path, sp_str s, sp_cidr *ret)
{
	if (!sp_cidr_parse(s, ret)) {
		sp_v_invalid(v, path, s, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
		return false;
	}
	sp_ip network = sp_cidr_network(ret);
	const char *why = NULL;
	if (ret->leading_zeros)
		why = "must not have leading 0s in IP or prefix length";
	else if (ret->ip.mapped)
		why = "must not have an IPv4-mapped IPv6 address";
	else if (!sp_ip_eq(&network, &ret->ip))
		why = "must not have bits set beyond the prefix length";
	if (why != NULL)
		sp_v_invalid(v, path, s, "%s", why);
	return why == NULL;
}

void sp_v_cidr_legacy(sp_violations *v, const sp_path *path, sp_str s, yyjson_mut_val *old)
{
	sp_cidr c;
	if (!in_list(old, s))
		(void)cidr_strict(v, path, s, &c);
}

void sp_v_cidr(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_cidr c;
	char text[SP_IP_TEXT_BYTES];
	if (!cidr_strict(v, path, s, &c))
		return;
	size_t n = sp_cidr_print(text, &c);
	if (!sp_str_eq(s, (sp_str){text, n}))
		sp_v_invalid(v, path, s, "must be in canonical form (\"%.*s\")", (int)n, text);
}

static bool has_backstep(sp_str s)
{
	sp_str rest = s, part;
	while (sp_str_cut(&rest, '/', &part)) {
		if (sp_str_eq(part, SP_STR("..")))
			return true;
	}
	return sp_str_eq(rest, SP_STR(".."));
}

void sp_v_no_backsteps(sp_violations *v, const sp_path *path, sp_str s)
{
	if (has_backstep(s))
		sp_v_invalid(v, path, s, "must not contain '..'");
}

void sp_v_local_descending_path(sp_violations *v, const sp_path *path, sp_str s)
{
	if (sp_str_starts(s, SP_STR("/")))
		sp_v_invalid(v, path, s, "must be a relative path");
	sp_v_no_backsteps(v, path, s);
}

void sp_v_local_non_reserved_path(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_v_local_descending_path(v, path, s);
	if (sp_str_starts(s, SP_STR("..")) && !sp_str_starts(s, SP_STR("../")))
		sp_v_invalid(v, path, s, "must not start with '..'");
}

void sp_v_enum_opt(sp_violations *v, const sp_path *path, sp_str s, const char *const *texts, size_t n)
{
	if (s.len > 0 && !sp_str_in(s, texts, n))
		sp_v_not_supported(v, path, sp_bad_named(s), texts, n);
}

void sp_v_enum(sp_violations *v, const sp_path *path, sp_str s, const char *const *texts, size_t n)
{
	if (s.len == 0)
		sp_v_required(v, path, "%s", "");
	sp_v_enum_opt(v, path, s, texts, n);
}

void sp_strset_done(sp_strset *s)
{
	sp_map_done(&s->map);
}

bool sp_strset_has(const sp_strset *s, sp_str text)
{
	return sp_map_get(&s->map, text) != NULL;
}

size_t sp_strset_count(const sp_strset *s)
{
	return sp_map_count(&s->map);
}

bool sp_strset_add(sp_strset *s, sp_str text, sp_violations *v)
{
	if (sp_strset_has(s, text))
		return false;
	if (sp_map_put(&s->map, text, s, NULL) != SP_OK)
		v->code = SP_ENOMEM;
	return true;
}
