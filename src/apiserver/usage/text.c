/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/usage/text.h"

#include "base/num.h"

#define NAME_BYTES_MAX 253u
#define EXPONENT_MAX 400 /* of what a double can be */
#define NS_PER_MS INT64_C(1000000)

static const struct {
	sp_str name;
	usage_family family;
	unsigned digits;
} families[] = {
	{SP_STR_INIT("container_cpu_usage_seconds_total"), USAGE_CONTAINER_CPU, 9},
	{SP_STR_INIT("container_memory_working_set_bytes"), USAGE_CONTAINER_MEMORY, 0},
	{SP_STR_INIT("container_start_time_seconds"), USAGE_CONTAINER_START, 9},
	{SP_STR_INIT("node_cpu_usage_seconds_total"), USAGE_NODE_CPU, 9},
	{SP_STR_INIT("node_memory_working_set_bytes"), USAGE_NODE_MEMORY, 0},
};

/* ---- numbers ---- */

/* value * 10 + digit; the largest where that does not fit. */
static uint64_t append(uint64_t value, char digit)
{
	uint64_t v;
	if (__builtin_mul_overflow(value, 10, &v) || __builtin_add_overflow(v, (uint64_t)(digit - '0'), &v))
		return UINT64_MAX;
	return v;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "e+06" at the end; *exponent is what it says. */
static sp_code take_exponent(sp_str *mantissa, int64_t *exponent)
{
	ptrdiff_t at = sp_str_index(*mantissa, 'e');
	*exponent = 0;
	if (at < 0)
		return SP_OK;
	sp_str text = sp_str_sub(*mantissa, (size_t)at + 1, mantissa->len);
	(void)sp_str_take(&text, SP_STR("+"));
	*mantissa = sp_str_sub(*mantissa, 0, (size_t)at);
	return sp_parse_i64(text, -EXPONENT_MAX, EXPONENT_MAX, exponent, NULL);
}

/* How many digits stand before the point; -1: that is no number. */
static int64_t whole_digits(sp_str text)
{
	int64_t point = -1, n = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (is_digit(text.ptr[i]))
			n++;
		else if (text.ptr[i] == '.' && point < 0)
			point = n;
		else
			return -1;
	}
	return n == 0 ? -1 : point < 0 ? n : point;
}

sp_code usage_number(sp_str text, unsigned digits, uint64_t *ret)
{
	int64_t exponent, count;
	uint64_t value = 0;
	SP_TRY(take_exponent(&text, &exponent));
	count = whole_digits(text);
	if (count < 0)
		return SP_EINVAL;
	count += exponent + digits; /* so many digits count */
	for (size_t i = 0; i < text.len && count > 0; i++) {
		if (text.ptr[i] == '.')
			continue;
		value = append(value, text.ptr[i]);
		count--;
	}
	for (; count > 0 && value != 0 && value != UINT64_MAX; count--)
		value = append(value, '0');
	*ret = value;
	return SP_OK;
}

/* ---- lines ---- */

static void skip_blanks(sp_str *s)
{
	while (s->len > 0 && (s->ptr[0] == ' ' || s->ptr[0] == '\t'))
		*s = sp_str_sub(*s, 1, s->len);
}

/* Up to the quote that ends it. */
static bool take_quoted(sp_str *s, sp_str *ret)
{
	if (!sp_str_take(s, SP_STR("\"")))
		return false;
	for (size_t i = 0; i < s->len; i++) {
		if (s->ptr[i] == '\\') {
			i++;
		} else if (s->ptr[i] == '"') {
			*ret = sp_str_sub(*s, 0, i);
			*s = sp_str_sub(*s, i + 1, s->len);
			return true;
		}
	}
	return false;
}

/* `a="b",c="d"}` */
static bool take_labels(sp_str *s, usage_line *l)
{
	const struct {
		sp_str name;
		sp_str *at;
	} known[] = {{SP_STR("container"), &l->container},
		     {SP_STR("namespace"), &l->ns},
		     {SP_STR("pod"), &l->pod}};
	for (;;) {
		sp_str name, value;
		skip_blanks(s);
		if (sp_str_take(s, SP_STR("}")))
			return true;
		if (!sp_str_cut(s, '=', &name) || !take_quoted(s, &value) || value.len > NAME_BYTES_MAX)
			return false;
		name = sp_str_trim(name);
		for (size_t i = 0; i < SP_LEN(known); i++) {
			if (sp_str_eq(known[i].name, name))
				*known[i].at = value;
		}
		skip_blanks(s);
		if (!sp_str_take(s, SP_STR(",")) && (s->len == 0 || s->ptr[0] != '}'))
			return false;
	}
}

static sp_code take_time(sp_str text, usage_line *l)
{
	int64_t ms;
	if (text.len == 0)
		return SP_OK;
	SP_TRY(sp_parse_i64(text, 0, INT64_MAX / NS_PER_MS, &ms, NULL));
	l->has_time = true;
	l->at_ns = ms * NS_PER_MS;
	return SP_OK;
}

/* What stands behind the name: labels, value, perhaps a time. */
static sp_code read_line(sp_str rest, unsigned digits, usage_line *l)
{
	sp_str value;
	if (sp_str_take(&rest, SP_STR("{")) && !take_labels(&rest, l))
		return SP_EINVAL;
	rest = sp_str_trim(rest);
	if (!sp_str_cut(&rest, ' ', &value)) {
		value = rest;
		rest.len = 0;
	}
	SP_TRY(usage_number(value, digits, &l->value));
	return take_time(sp_str_trim(rest), l);
}

static bool has_name(sp_str line, sp_str name)
{
	return sp_str_starts(line, name) && line.len > name.len &&
	       (line.ptr[name.len] == '{' || line.ptr[name.len] == ' ' || line.ptr[name.len] == '\t');
}

bool usage_text_next(sp_str *text, usage_line *ret, sp_code *ret_code)
{
	sp_str line;
	*ret_code = SP_OK;
	while (text->len > 0) {
		if (!sp_str_cut(text, '\n', &line)) {
			line = *text;
			text->len = 0;
		}
		for (size_t i = 0; i < SP_LEN(families); i++) {
			if (!has_name(line, families[i].name))
				continue;
			*ret = (usage_line){.family = families[i].family};
			*ret_code = read_line(sp_str_sub(line, families[i].name.len, line.len),
					      families[i].digits, ret);
			return *ret_code == SP_OK;
		}
	}
	return false;
}
