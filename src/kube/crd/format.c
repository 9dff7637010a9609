/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats of strings. Most are patterns, compiled with their schema.
 * U: kube-openapi pkg/validation/strfmt, pkg/internal/third_party/govalidator.
 */
#include "base/duration.h"
#include "base/ip.h"
#include "base/time.h"
#include "kube/cel/cel.h"
#include "kube/crd/crd_int.h"
#include "kube/regex.h"

typedef bool (*format_check)(sp_str text, sp_arena *scratch);

typedef struct crd_format {
	const char *name, *pattern;
	format_check also; /* besides the pattern */
} crd_format;

static bool is_date(sp_str s, sp_arena *scratch)
{
	char text[] = "2006-01-02T00:00:00Z";
	sp_time t;
	(void)scratch;
	if (s.len != 10)
		return false;
	memcpy(text, s.ptr, 10);
	return sp_time_parse((sp_str){text, sizeof(text) - 1}, &t, NULL) == SP_OK;
}

static bool is_date_time(sp_str s, sp_arena *scratch)
{
	return is_date(sp_str_sub(s, 0, 10), scratch);
}

static bool is_hostname(sp_str s, sp_arena *scratch)
{
	sp_str label;
	(void)scratch;
	if (s.len > 255)
		return false;
	while (sp_str_cut(&s, '.', &label)) {
		if (label.len > 63)
			return false;
	}
	return s.len <= 63;
}

static bool is_ip(sp_str s, char sign)
{
	sp_ip ip;
	return sp_ip_parse(s, &ip) && sp_str_index(s, sign) >= 0;
}

static bool is_ipv4(sp_str s, sp_arena *scratch)
{
	(void)scratch;
	return is_ip(s, '.');
}

static bool is_ipv6(sp_str s, sp_arena *scratch)
{
	(void)scratch;
	return is_ip(s, ':');
}

static bool is_cidr(sp_str s, sp_arena *scratch)
{
	sp_cidr cidr;
	(void)scratch;
	return sp_cidr_parse(s, &cidr);
}

static bool is_uri(sp_str s, sp_arena *scratch)
{
	return sp_cel_is_url(scratch, s);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits of a text; those of an ISBN stand among blanks and signs only, and the tenth may be X. -1: others.
 */
static int isbn_digits(sp_str s, int digits[13])
{
	int n = 0;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c == '-' || c == ' ' || (c >= '\t' && c <= '\r' && c != '\v'))
			continue;
		if (n == 13 || !(is_digit(c) || (c == 'X' && n == 9)))
			return -1;
		digits[n++] = c == 'X' ? 10 : c - '0';
	}
	return n;
}

static bool is_isbn_of(sp_str s, int length)
{
	int digits[13], sum = 0;
	if (isbn_digits(s, digits) != length)
		return false;
	for (int i = 0; i < length; i++)
		sum += digits[i] * (length == 10 ? i + 1 : i % 2 == 0 ? 1 : 3);
	return length == 10 ? sum % 11 == 0 : sum % 10 == 0 && digits[9] < 10;
}

static bool is_isbn10(sp_str s, sp_arena *scratch)
{
	(void)scratch;
	return is_isbn_of(s, 10);
}

static bool is_isbn13(sp_str s, sp_arena *scratch)
{
	(void)scratch;
	return is_isbn_of(s, 13);
}

static bool is_isbn(sp_str s, sp_arena *scratch)
{
	(void)scratch;
	return is_isbn_of(s, 10) || is_isbn_of(s, 13);
}

/* The check digit of Luhn over the digits; the pattern looks at which they are. */
static bool is_card(sp_str s, sp_arena *scratch)
{
	int sum = 0;
	bool twice = false;
	(void)scratch;
	for (size_t i = s.len; i-- > 0;) {
		int d = s.ptr[i] - '0';
		if (!is_digit(s.ptr[i]))
			continue;
		sum += twice ? d / 5 + d * 2 % 10 : d;
		twice = !twice;
	}
	return sum % 10 == 0;
}

static bool is_ssn(sp_str s, sp_arena *scratch)
{
	(void)scratch;
	return s.len == 11;
}

static bool is_short(sp_str s, sp_arena *scratch)
{
	(void)scratch;
	return s.len <= 63;
}

static bool is_long(sp_str s, sp_arena *scratch)
{
	(void)scratch;
	return s.len <= 253;
}

#define HEX "[0-9a-fA-F]"
#define PAIR HEX "{2}"
#define QUAD HEX "{4}"
#define SHADE "(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])"
#define NAME "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
/* Of RFC 5322, as Go's net/mail takes it: an address, or a phrase and an address in angles. */
#define ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\x{80}-\\x{10ffff}-]+"
#define DOTTED ATOM "(?:\\." ATOM ")*"
#define QUOTED "\"(?:[ !#-\\[\\]-~\\x{80}-\\x{10ffff}]|\\\\[ -~])*\""
#define ADDRESS "(?:" DOTTED "|" QUOTED ")@(?:" DOTTED "|\\[[!-Z^-~]*\\])"
#define LETTER "a-zA-Z0-9\\p{S}\\p{L}"

static const crd_format formats[] = {
	{"bsonobjectid", "^" HEX "{24}$", NULL},
	{"uri", NULL, is_uri},
	{"email",
	 "^[ \t]*(?:" ADDRESS "|(?:(?:" ATOM "|" QUOTED "|\\.)[ \t]*)*<[ \t]*" ADDRESS "[ \t]*>)[ \t]*$",
	 NULL},
	{"hostname",
	 "^([" LETTER "]((-?[" LETTER "]{0,62})?)|([" LETTER "](([" LETTER "-]{0,61}[" LETTER
	 "])?)(\\.)){1,}([a-zA-Z\\p{L}]){2,63})$",
	 is_hostname},
	{"ipv4", NULL, is_ipv4},
	{"ipv6", NULL, is_ipv6},
	{"cidr", NULL, is_cidr},
	{"mac",
	 "^(?:(?:" PAIR "){6}|(?:" PAIR "){8}|(?:" PAIR "){20}|" PAIR "(?:(?::" PAIR "){5}|(?:-" PAIR
	 "){5}|(?::" PAIR "){7}|(?:-" PAIR "){7}|(?::" PAIR "){19}|(?:-" PAIR "){19})|" QUAD "(?:(?:\\." QUAD
	 "){2}|(?:\\." QUAD "){3}|(?:\\." QUAD "){9}))$",
	 NULL},
	{"uuid", "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$", NULL},
	{"uuid3", "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$", NULL},
	{"uuid4", "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$", NULL},
	{"uuid5", "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$", NULL},
	{"isbn", NULL, is_isbn},
	{"isbn10", NULL, is_isbn10},
	{"isbn13", NULL, is_isbn13},
	{"creditcard",
	 "^\\D*(?:4(?:\\D*\\d){12}(?:(?:\\D*\\d){3})?|5\\D*[1-5](?:\\D*\\d){14}|6\\D*(?:0\\D*1\\D*1|5\\D*"
	 "\\d\\D*\\d)"
	 "(?:\\D*\\d){12}|3\\D*[47](?:\\D*\\d){13}|3\\D*(?:0\\D*[0-5]|[68]\\D*\\d)(?:\\D*\\d){11}|"
	 "(?:2\\D*1\\D*3\\D*1|1\\D*8\\D*0\\D*0|3\\D*5(?:\\D*\\d){3})(?:\\D*\\d){11})\\D*$",
	 is_card},
	{"ssn", "^\\d{3}[- ]?\\d{2}[- ]?\\d{4}$", is_ssn},
	{"hexcolor", "^#?(" HEX "{3}|" HEX "{6})$", NULL},
	{"rgbcolor", "^rgb\\(\\s*" SHADE "\\s*,\\s*" SHADE "\\s*,\\s*" SHADE "\\s*\\)$", NULL},
	{"byte", "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$", NULL},
	{"date", NULL, is_date},
	{"datetime", "^.{10}[tT]([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(.[0-9]+)?([zZ]|[+-]\\d\\d:\\d\\d)$",
	 is_date_time},
	{"k8sshortname", "^" NAME "$", is_short},
	{"k8slongname", "^" NAME "(\\." NAME ")*$", is_long},
};

/* Durations that Go doesn't parse but Scala does: a number and the name of a unit, anywhere. */
static const crd_format duration = {
	"duration",
	"(?i)\\d+\\s*(?:(?:ns|us|µs|ms|s|m|h|hr|d|w|wk)(?:[^a-zµ]|$)|nano|micro|milli|sec|min|hour|day|week)",
	NULL};

/* Signs in a format's name don't count. */
static bool is_named(sp_str name, const char *plain)
{
	size_t n = strlen(plain), at = 0;
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '-')
			continue;
		if (at == n || name.ptr[i] != plain[at++])
			return false;
	}
	return at == n;
}

static const crd_format *format_of(sp_str name)
{
	for (size_t i = 0; i < SP_LEN(formats); i++) {
		if (is_named(name, formats[i].name))
			return &formats[i];
	}
	return is_named(name, duration.name) ? &duration : NULL;
}

sp_code sp_crd_format_compile(sp_arena *a, sp_rules *r)
{
	const crd_format *f = format_of(r->format);
	return f == NULL || f->pattern == NULL
		       ? SP_OK
		       : sp_regex_compile(a, sp_str_c(f->pattern), &r->format_regex, NULL, NULL);
}

sp_code sp_crd_format_fits(const sp_rules *r, sp_str text, sp_arena *scratch, bool *ret)
{
	const crd_format *f = format_of(r->format);
	int64_t ns;
	*ret = true;
	if (f == NULL || (f == &duration && sp_duration_parse(text, &ns, NULL) == SP_OK))
		return SP_OK;
	if (r->format_regex != NULL)
		SP_TRY(sp_regex_match(r->format_regex, text, scratch, ret));
	*ret = *ret && (f->also == NULL || f->also(text, scratch));
	return SP_OK;
}
