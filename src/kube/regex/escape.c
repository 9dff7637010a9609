/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes, named classes and bracket expressions. */
#include "kube/regex/regex_int.h"

#define BAD_ESCAPE "invalid escape sequence"
#define BAD_RANGE "invalid character class range"

/* What *in has lost since `from`. */
static sp_str taken(sp_str from, sp_str in)
{
	return sp_str_sub(from, 0, from.len - in.len);
}

static void skip(sp_str *in, size_t n)
{
	*in = sp_str_sub(*in, n, in->len);
}

bool re_refuse(re_parser *p, const char *what, sp_str expr)
{
	if (p->code == SP_OK) {
		p->code = SP_EINVAL;
		p->what = what;
		p->expr = expr;
	}
	return false;
}

/* At the end of the input: U+FFFD, nothing taken, as Go's decoder. */
bool re_next_rune(re_parser *p, sp_str *in, uint32_t *ret)
{
	*ret = SP_RUNE_ERROR;
	if (in->len == 0)
		return true;
	size_t n = sp_utf8_decode(*in, ret);
	if (n == 1 && *ret == SP_RUNE_ERROR)
		return re_refuse(p, "invalid UTF-8", *in);
	skip(in, n);
	return true;
}

static bool check_utf8(re_parser *p, sp_str s)
{
	uint32_t c;
	while (s.len > 0) {
		if (!re_next_rune(p, &s, &c))
			return false;
	}
	return true;
}

static int hex(uint32_t c)
{
	if (c >= '0' && c <= '9')
		return (int)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (int)(c - 'a' + 10) : -1;
}

static bool is_octal(sp_str in)
{
	return in.len > 0 && in.ptr[0] >= '0' && in.ptr[0] <= '7';
}

/* After "\x": two digits, or any number of them in braces. */
static bool escape_hex(re_parser *p, sp_str from, sp_str *in, uint32_t *ret)
{
	uint32_t c, v = 0, n = 0;
	if (in->len == 0)
		return re_refuse(p, BAD_ESCAPE, from);
	if (!re_next_rune(p, in, &c))
		return false;
	if (c != '{') {
		int hi = hex(c);
		if (!re_next_rune(p, in, &c))
			return false;
		int lo = hex(c);
		if (hi < 0 || lo < 0)
			return re_refuse(p, BAD_ESCAPE, taken(from, *in));
		*ret = (uint32_t)(hi * 16 + lo);
		return true;
	}
	for (;; n++) {
		if (in->len == 0)
			return re_refuse(p, BAD_ESCAPE, from);
		if (!re_next_rune(p, in, &c))
			return false;
		if (c == '}')
			break;
		int digit = hex(c);
		v = v * 16 + (digit < 0 ? 0 : (uint32_t)digit);
		if (digit < 0 || v > SP_RUNE_MAX)
			return re_refuse(p, BAD_ESCAPE, taken(from, *in));
	}
	if (n == 0)
		return re_refuse(p, BAD_ESCAPE, taken(from, *in));
	*ret = v;
	return true;
}

bool re_escape(re_parser *p, sp_str *in, uint32_t *ret)
{
	static const char letters[] = "afnrtv", values[] = "\a\f\n\r\t\v";
	sp_str from = *in;
	uint32_t c;
	skip(in, 1);
	if (in->len == 0)
		return re_refuse(p, "trailing backslash at end of expression", (sp_str){"", 0});
	if (!re_next_rune(p, in, &c))
		return false;
	if (c == 'x')
		return escape_hex(p, from, in, ret);
	const char *letter = c < 128 ? memchr(letters, (int)c, sizeof(letters) - 1) : NULL;
	if (letter != NULL) {
		*ret = (uint32_t)values[letter - letters];
		return true;
	}
	/* A single digit other than 0 would be a reference to a group: there are none. */
	if (c == '0' || (c >= '1' && c <= '7' && is_octal(*in))) {
		*ret = c - '0';
		for (int i = 1; i < 3 && is_octal(*in); i++) {
			*ret = *ret * 8 + (uint32_t)(in->ptr[0] - '0');
			skip(in, 1);
		}
		return true;
	}
	if (c >= 128 || (re_is_word(c) && c != '_'))
		return re_refuse(p, BAD_ESCAPE, taken(from, *in));
	*ret = c;
	return true;
}

/* Classes by name; each is at most four ranges, as pairs of characters. */
static const struct {
	sp_str name, pairs;
} named[] = {
	{SP_STR_INIT("\\d"), SP_STR_INIT("09")},
	{SP_STR_INIT("\\s"), SP_STR_INIT("\t\n\f\r  ")},
	{SP_STR_INIT("\\w"), SP_STR_INIT("09AZ__az")},
	{SP_STR_INIT("[:alnum:]"), SP_STR_INIT("09AZaz")},
	{SP_STR_INIT("[:alpha:]"), SP_STR_INIT("AZaz")},
	{SP_STR_INIT("[:ascii:]"), SP_STR_INIT("\0\x7f")},
	{SP_STR_INIT("[:blank:]"), SP_STR_INIT("\t\t  ")},
	{SP_STR_INIT("[:cntrl:]"), SP_STR_INIT("\0\x1f\x7f\x7f")},
	{SP_STR_INIT("[:digit:]"), SP_STR_INIT("09")},
	{SP_STR_INIT("[:graph:]"), SP_STR_INIT("!~")},
	{SP_STR_INIT("[:lower:]"), SP_STR_INIT("az")},
	{SP_STR_INIT("[:print:]"), SP_STR_INIT(" ~")},
	{SP_STR_INIT("[:punct:]"), SP_STR_INIT("!/:@[`{~")},
	{SP_STR_INIT("[:space:]"), SP_STR_INIT("\t\r  ")},
	{SP_STR_INIT("[:upper:]"), SP_STR_INIT("AZ")},
	{SP_STR_INIT("[:word:]"), SP_STR_INIT("09AZ__az")},
	{SP_STR_INIT("[:xdigit:]"), SP_STR_INIT("09AFaf")},
};

/* Through p->other, which is clean afterwards. */
static void add_other(re_parser *p, re_set *out, bool negated)
{
	re_set_clean(&p->other);
	re_set_add_set(out, &p->other, negated);
}

static bool add_named(re_parser *p, sp_str name, bool negated, re_set *out)
{
	for (size_t i = 0; i < SP_LEN(named); i++) {
		if (!sp_str_eq(named[i].name, name))
			continue;
		p->other.n = 0;
		for (size_t k = 0; k + 1 < named[i].pairs.len; k += 2) {
			uint32_t lo = (unsigned char)named[i].pairs.ptr[k],
				 hi = (unsigned char)named[i].pairs.ptr[k + 1];
			if ((p->flags & RE_FOLD) != 0)
				re_set_add_fold(&p->other, lo, hi);
			else
				re_set_add(&p->other, lo, hi);
		}
		add_other(p, out, negated);
		return true;
	}
	return false;
}

/* "[:name:]" or "[:^name:]"; without ":]" it is no class. */
static bool posix_class(re_parser *p, sp_str *in, re_set *out, bool *ret_taken)
{
	char plain[16] = "[:";
	sp_str rest = sp_str_sub(*in, 2, in->len);
	ptrdiff_t end = sp_str_find(rest, SP_STR(":]"));
	if (end < 0)
		return true;
	sp_str whole = sp_str_sub(*in, 0, (size_t)end + 4);
	bool negated = rest.ptr[0] == '^';
	sp_str name = sp_str_sub(rest, negated ? 1 : 0, (size_t)end + 2);
	if (name.len > sizeof(plain) - 3)
		return re_refuse(p, BAD_RANGE, whole);
	memcpy(plain + 2, name.ptr, name.len);
	if (!add_named(p, (sp_str){plain, name.len + 2}, negated, out))
		return re_refuse(p, BAD_RANGE, whole);
	skip(in, whole.len);
	*ret_taken = true;
	return true;
}

/* "\pN", "\p{Name}", "\P…", with a leading ^ in the name negated once more. */
static bool unicode_class(re_parser *p, sp_str *in, re_set *out)
{
	sp_str rest = sp_str_sub(*in, 2, in->len), name, whole;
	bool negated = in->ptr[1] == 'P';
	uint32_t c;
	if (!re_next_rune(p, &rest, &c))
		return false;
	if (c != '{') {
		whole = taken(*in, rest);
		name = sp_str_sub(whole, 2, whole.len);
	} else {
		ptrdiff_t end = sp_str_index(*in, '}');
		if (end < 0)
			return check_utf8(p, *in) && re_refuse(p, BAD_RANGE, *in);
		whole = sp_str_sub(*in, 0, (size_t)end + 1);
		name = sp_str_sub(*in, 3, (size_t)end);
		if (!check_utf8(p, name))
			return false;
	}
	if (name.len > 0 && name.ptr[0] == '^') {
		negated = !negated;
		skip(&name, 1);
	}
	p->other.n = 0;
	if (!re_unicode_add(&p->other, name, (p->flags & RE_FOLD) != 0))
		return re_refuse(p, BAD_RANGE, whole);
	add_other(p, out, negated);
	skip(in, whole.len);
	return true;
}

bool re_escape_class(re_parser *p, sp_str *in, re_set *out, bool *ret_taken)
{
	*ret_taken = false;
	if (in->len > 2 && in->ptr[0] == '[' && in->ptr[1] == ':')
		return posix_class(p, in, out, ret_taken);
	if (in->len < 2 || in->ptr[0] != '\\')
		return true;
	char c = in->ptr[1];
	if (c == 'p' || c == 'P') {
		*ret_taken = true;
		return unicode_class(p, in, out);
	}
	const char lower[2] = {'\\', (char)(c | 0x20)};
	if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		*ret_taken = add_named(p, (sp_str){lower, 2}, c <= 'Z', out);
	if (*ret_taken)
		skip(in, 2);
	return true;
}

/* One character of a bracket expression that began at `whole`. */
static bool bracket_char(re_parser *p, sp_str *in, sp_str whole, uint32_t *ret)
{
	if (in->len == 0)
		return re_refuse(p, "missing closing ]", whole);
	return in->ptr[0] == '\\' ? re_escape(p, in, ret) : re_next_rune(p, in, ret);
}

/* A character or a range of them. A '-' before the closing bracket is itself. */
static bool bracket_range(re_parser *p, sp_str *in, sp_str whole)
{
	sp_str from = *in;
	uint32_t lo = 0, hi;
	if (!bracket_char(p, in, whole, &lo))
		return false;
	hi = lo;
	if (in->len >= 2 && in->ptr[0] == '-' && in->ptr[1] != ']') {
		skip(in, 1);
		if (!bracket_char(p, in, whole, &hi))
			return false;
		if (hi < lo)
			return re_refuse(p, BAD_RANGE, taken(from, *in));
	}
	if ((p->flags & RE_FOLD) != 0)
		re_set_add_fold(&p->set, lo, hi);
	else
		re_set_add(&p->set, lo, hi);
	return true;
}

bool re_bracket(re_parser *p, sp_str *in)
{
	sp_str whole = *in;
	p->set.n = 0;
	skip(in, 1);
	bool negated = sp_str_take(in, SP_STR("^"));
	/* A ']' is itself when it comes first. */
	for (bool first = true; first || in->len == 0 || in->ptr[0] != ']'; first = false) {
		bool is_class;
		if (!re_escape_class(p, in, &p->set, &is_class) ||
		    (!is_class && !bracket_range(p, in, whole)))
			return false;
	}
	skip(in, 1);
	re_set_clean(&p->set);
	if (negated)
		re_set_negate(&p->set);
	return true;
}
